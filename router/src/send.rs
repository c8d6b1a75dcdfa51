//! One HTTP try: POST, no redirects, one deadline over everything from name lookup to the last body byte read.

mod answer;
mod body;
mod outside;

use std::{
    error::Error,
    time::{Duration, Instant},
};

use gatepost_config::{Destination, Timestamp};
use gatepost_event::{
    AttemptError,
    attempt::{Phases, RESPONSE_BYTES_KEPT},
};
use gatepost_outbound::{DialError, Stopwatch, guard};
use http::{Method, Request, Uri, Version, header};
use hyper_util::client::legacy::Error as ClientError;
use tokio::time::timeout;
use url::Url;

pub(crate) use self::outside::Outside;
use self::{answer::Answer, body::Pieces};
use crate::{plan::Backend, sign::Signed};

/// What an attempt came to.
#[derive(Debug)]
pub(crate) struct Sent {
    /// When it began.
    pub(crate) started_at: Timestamp,
    /// How long it took.
    pub(crate) took: Duration,
    /// Where that time went.
    pub(crate) phases: Phases,
    /// The status, when a head came.
    pub(crate) status: Option<u16>,
    /// Why it failed, when it did.
    pub(crate) error: Option<AttemptError>,
    /// The response's first bytes as text.
    pub(crate) response: String,
    /// `Retry-After`, as it came.
    pub(crate) retry_after: Option<String>,
}

/// What is asked of a backend, and how much of its answer is of interest.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a Url,
    pub(crate) timeout: Duration,
    pub(crate) kept_bytes: usize,
}

/// Sends a delivery. Whatever happens is an answer: this never takes longer than the destination's timeout.
pub(crate) async fn send(outside: &Outside, backend: &Backend, signed: Signed) -> Sent {
    let Destination { url, timeout, .. } = &backend.destination;
    let call = Call { method: Method::POST, url, timeout: *timeout, kept_bytes: RESPONSE_BYTES_KEPT };
    exchange_within(outside, backend, call, signed).await
}

/// As [`send`], within the call's own timeout.
pub(crate) async fn exchange_within(outside: &Outside, backend: &Backend, call: Call<'_>, signed: Signed) -> Sent {
    let started_at = Timestamp::now();
    let clock = Instant::now();
    let watch = Stopwatch::start();
    let mut sent = Sent {
        started_at,
        took: Duration::ZERO,
        phases: Phases::default(),
        status: None,
        error: None,
        response: String::new(),
        retry_after: None,
    };
    let exchange = watch.over(exchange(outside, backend, &call, signed, &watch, &mut sent));
    let result = timeout(call.timeout, exchange).await.unwrap_or(Err(AttemptError::Timeout));
    sent.error = match (result, sent.status) {
        (Err(error), _) => Some(error),
        (Ok(()), Some(200..=299)) => None,
        (Ok(()), _) => Some(AttemptError::Status),
    };
    sent.took = clock.elapsed();
    sent.phases = phases(&watch);
    sent
}

/// An answer counts when it is whole, or when as much of it came as is read at most: a connection that breaks or drips
/// inside the body is a failure whatever the status said.
async fn exchange(
    outside: &Outside,
    backend: &Backend,
    call: &Call<'_>,
    signed: Signed,
    watch: &Stopwatch,
    sent: &mut Sent,
) -> Result<(), AttemptError> {
    let destination = &backend.destination;
    let uri = guard::target(call.url, destination.private).map_err(|refused| {
        tracing::warn!(destination = %destination.id, %refused, "a destination's URL is refused");
        AttemptError::AddressRefused
    })?;
    let pool = outside.to(destination, backend.proxy.as_ref()).map_err(|error| {
        tracing::error!(destination = %destination.id, error, "TLS can't be set up for a destination");
        AttemptError::Tls
    })?;
    let response =
        pool.request(request(call.method.clone(), uri, signed, watch)).await.map_err(|error| error_of(&error))?;
    watch.answered();
    sent.status = Some(response.status().as_u16());
    sent.retry_after =
        response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut answer = Answer::new(response.into_body(), call.kept_bytes);
    let read = answer.read().await;
    watch.ended();
    sent.response = answer.into_text();
    read.map_err(|_| AttemptError::Protocol)
}

fn request(method: Method, uri: Uri, signed: Signed, watch: &Stopwatch) -> Request<Pieces> {
    let (headers, envelope) = signed.into_parts();
    let mut request = Request::new(Pieces::new(envelope, watch.clone()));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers;
    request
}

fn phases(watch: &Stopwatch) -> Phases {
    let times = watch.times();
    Phases {
        dns_us: times.dns_us,
        connect_us: times.connect_us,
        tls_us: times.tls_us,
        send_us: times.send_us,
        first_byte_us: times.first_byte_us,
        body_us: times.body_us,
    }
}

/// Which of our words fits a client's error: the dial's own where it failed there.
fn error_of(error: &ClientError) -> AttemptError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(dial) = current.downcast_ref::<DialError>() {
            tracing::debug!(error = %dial, "no connection to a destination");
            return word(dial);
        }
        // A server that wants another certificate says so when the handshake is over for us.
        let inner = current.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return AttemptError::Tls;
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
        DialError::Proxy(_) => AttemptError::Proxy,
        DialError::Tls(_) => AttemptError::Tls,
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
