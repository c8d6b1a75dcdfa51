//! One HTTP try: POST, no redirects, one deadline over everything from name lookup to the last body byte read.

mod answer;
mod body;

use std::time::{Duration, Instant};

use gatepost_config::{Destination, Timestamp};
use gatepost_event::AttemptError;
use gatepost_outbound::{Connector, DialError, Resolver, guard, tls};
use http::{Method, Request, Uri, Version, header};
use hyper_util::{
    client::legacy::{Client, Error as ClientError},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::pki_types::CertificateDer;
use tokio::time::timeout;

use self::{answer::Answer, body::Pieces};
use crate::sign::Signed;

/// How long an unused connection is kept for the next delivery.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Unused connections kept per host.
const IDLE_PER_HOST_MAX: usize = 8;

/// Largest head of a response.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Most headers of a response.
const HEADERS_MAX: usize = 100;

/// The way out: connections to destinations.
///
/// Destinations that may use private addresses have connections of their own: a connection that was allowed for one of
/// them is never used for another destination of the same name.
#[derive(Debug, Clone)]
pub(crate) struct Outside {
    public: Client<Connector, Pieces>,
    private: Client<Connector, Pieces>,
}

/// What an attempt came to.
#[derive(Debug)]
pub(crate) struct Sent {
    /// When it began.
    pub(crate) started_at: Timestamp,
    /// How long it took.
    pub(crate) took: Duration,
    /// The status, when a head came.
    pub(crate) status: Option<u16>,
    /// Why it failed, when it did.
    pub(crate) error: Option<AttemptError>,
    /// The response's first bytes as text.
    pub(crate) response: String,
    /// `Retry-After`, as it came.
    pub(crate) retry_after: Option<String>,
}

impl Outside {
    /// Trusts the system's certificate authorities.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub(crate) fn new() -> Result<Self, String> {
        Self::with_roots(Vec::new())
    }

    /// Trusts `roots` too.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub(crate) fn with_roots(roots: Vec<CertificateDer<'static>>) -> Result<Self, String> {
        let tls = tls::config(roots)?;
        let resolver = Resolver::default();
        Ok(Self {
            public: client(Connector::new(resolver.clone(), tls.clone(), false)),
            private: client(Connector::new(resolver, tls, true)),
        })
    }
}

fn client(connector: Connector) -> Client<Connector, Pieces> {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
        .http1_max_buf_size(HEAD_BYTES_MAX)
        .http1_max_headers(HEADERS_MAX)
        .build(connector)
}

/// Sends a delivery. Whatever happens is an answer: this never takes longer than the destination's timeout.
pub(crate) async fn send(outside: &Outside, destination: &Destination, signed: Signed) -> Sent {
    let started_at = Timestamp::now();
    let clock = Instant::now();
    let mut sent = Sent {
        started_at,
        took: Duration::ZERO,
        status: None,
        error: None,
        response: String::new(),
        retry_after: None,
    };
    let exchange = exchange(outside, destination, signed, &mut sent);
    let result = timeout(destination.timeout, exchange).await.unwrap_or(Err(AttemptError::Timeout));
    sent.error = match (result, sent.status) {
        (Err(error), _) => Some(error),
        (Ok(()), Some(200..=299)) => None,
        (Ok(()), _) => Some(AttemptError::Status),
    };
    sent.took = clock.elapsed();
    sent
}

/// An answer counts when it is whole, or when as much of it came as is read at most: a connection that breaks or drips
/// inside the body is a failure whatever the status said.
async fn exchange(
    outside: &Outside,
    destination: &Destination,
    signed: Signed,
    sent: &mut Sent,
) -> Result<(), AttemptError> {
    let uri = guard::target(&destination.url, destination.private).map_err(|refused| {
        tracing::warn!(destination = %destination.id, %refused, "a destination's URL is refused");
        AttemptError::AddressRefused
    })?;
    let client = if destination.private { &outside.private } else { &outside.public };
    let response = client.request(request(uri, signed)).await.map_err(|error| error_of(&error))?;
    sent.status = Some(response.status().as_u16());
    sent.retry_after =
        response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut answer = Answer::new(response.into_body());
    let read = answer.read().await;
    sent.response = answer.into_text();
    read.map_err(|_| AttemptError::Protocol)
}

fn request(uri: Uri, signed: Signed) -> Request<Pieces> {
    let (headers, envelope) = signed.into_parts();
    let mut request = Request::new(Pieces::new(envelope));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers;
    request
}

/// Which of our words fits a client's error: the dial's own where it failed there.
fn error_of(error: &ClientError) -> AttemptError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(dial) = current.downcast_ref::<DialError>() {
            tracing::debug!(error = %dial, "no connection to a destination");
            return word(dial);
        }
        cause = current.source();
    }
    if error.is_connect() { AttemptError::Connect } else { AttemptError::Protocol }
}

/// A dial's error in attempt records.
const fn word(error: &DialError) -> AttemptError {
    match error {
        DialError::Dns(_) => AttemptError::Dns,
        DialError::Refused(_) => AttemptError::AddressRefused,
        DialError::Connect(_) => AttemptError::Connect,
        DialError::Tls(_) => AttemptError::Tls,
    }
}

#[cfg(test)]
mod tests;
