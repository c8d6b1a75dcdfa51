//! Dialling: the one place where a connection to the outside is made, so that nothing goes round the guard.

mod proxy;
mod stream;

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use gatepost_config::EgressProxy;
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;
use tower::Service;

pub use self::stream::Stream;
use crate::{guard, phases::Stopwatch, resolve::Resolver};

/// Longest time that dialling may take, also when the attempt that asked for it has ended.
const DIAL_MAX: Duration = Duration::from_secs(30);

/// Longest time for one address of several.
const ADDRESS_MAX: Duration = Duration::from_secs(5);

/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Dials: resolve, check every address, dial a checked one, TLS.
#[derive(Debug, Clone)]
pub struct Connector {
    resolver: Resolver,
    tls: Arc<ClientConfig>,
    private: bool,
    proxy: Option<Arc<EgressProxy>>,
}

/// Why a connection was not made.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name did not resolve.
    #[error("the name did not resolve: {0}")]
    Dns(String),
    /// An address that may not be dialled; the whole answer is refused.
    #[error("{0}")]
    Refused(#[from] guard::Refused),
    /// No connection.
    #[error("no connection: {0}")]
    Connect(String),
    /// The egress proxy can't be reached, or doesn't let us through.
    #[error("no way through the egress proxy: {0}")]
    Proxy(String),
    /// No TLS session.
    #[error("no TLS session: {0}")]
    Tls(String),
}

/// Where a URI leads.
struct Target<'u> {
    /// A name or an address, without brackets.
    host: &'u str,
    port: u16,
    is_tls: bool,
}

impl Connector {
    /// Without `private`, only public addresses are dialled.
    pub const fn new(resolver: Resolver, tls: Arc<ClientConfig>, private: bool) -> Self {
        Self { resolver, tls, private, proxy: None }
    }

    /// Goes through a proxy of the operator's. Names are then the proxy's to resolve and to judge: what is checked here is
    /// the URL, names of metadata services and literal addresses.
    #[must_use]
    pub fn through(self, proxy: Option<Arc<EgressProxy>>) -> Self {
        Self { proxy, ..self }
    }

    async fn dial(self, uri: Uri, watch: Stopwatch) -> Result<Stream, DialError> {
        let target = Target::of(&uri);
        guard::check_name(target.host)?;
        let tcp = match &self.proxy {
            None => self.dial_checked(&target, &watch).await?,
            Some(proxy) => {
                if let Ok(literal) = target.host.parse() {
                    guard::check(literal, self.private)?;
                }
                proxy::dial(&self.resolver, proxy, &target, &watch).await?
            }
        };
        watch.connected();
        if !target.is_tls {
            return Ok(Stream::Plain(TokioIo::new(tcp)));
        }
        let name = ServerName::try_from(target.host.to_owned()).map_err(|error| DialError::Tls(error.to_string()))?;
        let session = TlsConnector::from(self.tls).connect(name, tcp).await;
        let session = session.map_err(|error| DialError::Tls(error.to_string()))?;
        watch.secured();
        Ok(Stream::Tls(Box::new(TokioIo::new(session))))
    }

    async fn dial_checked(&self, target: &Target<'_>, watch: &Stopwatch) -> Result<TcpStream, DialError> {
        let addresses = self.resolver.addresses(target.host).await.map_err(DialError::Dns)?;
        for address in addresses.iter() {
            guard::check(*address, self.private)?;
        }
        watch.resolved();
        connect(&addresses, target.port).await
    }
}

impl<'u> Target<'u> {
    fn of(uri: &'u Uri) -> Self {
        let host = uri.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let is_tls = uri.scheme_str() == Some("https");
        Self { host, port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }), is_tls }
    }
}

/// Dials checked addresses, one after the other.
async fn connect(addresses: &[IpAddr], port: u16) -> Result<TcpStream, DialError> {
    let mut last = DialError::Connect("the name has no address".to_owned());
    for address in addresses.iter().take(ADDRESSES_MAX) {
        match timeout(ADDRESS_MAX, TcpStream::connect(SocketAddr::new(*address, port))).await {
            Ok(Ok(tcp)) => {
                // Without it a small request could wait for the acknowledgement of the one before.
                let _ = tcp.set_nodelay(true);
                return Ok(tcp);
            }
            Ok(Err(error)) => last = DialError::Connect(error.to_string()),
            Err(_) => last = DialError::Connect("it took too long".to_owned()),
        }
    }
    Err(last)
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // Taken here, where the attempt that asks is at hand: dialling may go on without it.
        let watch = Stopwatch::current();
        watch.dialling();
        let dial = self.clone().dial(uri, watch);
        Box::pin(async {
            timeout(DIAL_MAX, dial).await.unwrap_or_else(|_| Err(DialError::Connect("it took too long".to_owned())))
        })
    }
}

#[cfg(test)]
mod tests;
