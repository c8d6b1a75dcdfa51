//! The ways out: pooled connections, kept apart where one delivery must not use what was made for another.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gatepost_config::{Destination, EgressProxy};
use gatepost_outbound::{Connector, Resolver, tls};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{RootCertStore, pki_types::CertificateDer};
use tokio::runtime::{Handle, Id};

use super::body::Pieces;

/// How long an unused connection is kept for the next delivery. How many are kept has no bound of its own: each was made for
/// an attempt, of which a destination's `concurrency` and the router's bound how many are under way at once, and between two
/// attempts a connection is unused. Of fewer than that, some would be closed and made anew all the time.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Largest head of a response.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Most headers of a response.
const HEADERS_MAX: usize = 100;

/// How much of its responses an HTTP/2 backend may send before we read it: of one, and of all on a connection.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// How often an HTTP/2 connection in use is asked whether it is alive, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_WITHIN: Duration = Duration::from_secs(5);

/// Most ways that are kept; they are as many as there are client certificates and proxies in the configuration, for each
/// runtime that dials.
const WAYS_MAX: usize = 1024;

/// A client of one way.
pub(super) type Pool = Client<Connector, Pieces>;

/// The way out: connections to destinations.
#[derive(Debug, Clone)]
pub(crate) struct Outside {
    resolver: Resolver,
    roots: Arc<RootCertStore>,
    ways: Arc<Mutex<HashMap<Way, Pool>>>,
}

/// What a connection was made with, and where: the runtime that dialled it drives it. A connection that was allowed to a
/// private address, or made with a certificate or through a proxy, is never used for a destination that doesn't have the
/// same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Way {
    runtime: Option<Id>,
    private: bool,
    certificate: Option<[u8; 32]>,
    proxy: Option<(String, u16, Option<Vec<u8>>)>,
}

impl Outside {
    /// Trusts the system's certificate authorities.
    pub(crate) fn new() -> Self {
        Self::with_roots(Vec::new())
    }

    /// Trusts `roots` too.
    pub(crate) fn with_roots(roots: Vec<CertificateDer<'static>>) -> Self {
        Self { resolver: Resolver::default(), roots: tls::roots(roots), ways: Arc::default() }
    }

    /// The connections that a destination may use. Private destinations are not behind the proxy.
    ///
    /// # Errors
    /// When TLS can't be set up; in words.
    pub(super) fn to(&self, destination: &Destination, proxy: Option<&Arc<EgressProxy>>) -> Result<Pool, String> {
        let proxy = proxy.filter(|_| !destination.private);
        let certificate = destination.client_certificate.as_ref();
        let way = Way {
            runtime: Handle::try_current().map(|runtime| runtime.id()).ok(),
            private: destination.private,
            certificate: certificate.map(|certificate| certificate.fingerprint),
            proxy: proxy.map(|proxy| {
                let credentials = proxy.credentials.as_ref().map(|secret| secret.expose().to_vec());
                (proxy.host.clone(), proxy.port, credentials)
            }),
        };
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = ways.get(&way) {
            return Ok(pool.clone());
        }
        let tls = tls::config_with(&self.roots, certificate)?;
        let connector = Connector::new(self.resolver.clone(), tls, destination.private).through(proxy.cloned());
        if ways.len() >= WAYS_MAX {
            // Of configurations that are gone, mostly; those in use are made again.
            ways.clear();
        }
        let pool = pool(connector);
        ways.insert(way, pool.clone());
        Ok(pool)
    }
}

fn pool(connector: Connector) -> Pool {
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_MAX)
        .http1_max_buf_size(HEAD_BYTES_MAX)
        .http1_max_headers(HEADERS_MAX)
        .http2_max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .http2_initial_stream_window_size(STREAM_WINDOW_BYTES)
        .http2_initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PING_WITHIN)
        .build(connector)
}
