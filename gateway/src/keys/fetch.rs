//! One GET: https, no redirects, no proxy, bounded in bytes and time, at an address checked when it is dialled.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gatepost_outbound::{Connector, DialError, Resolver, guard, tls};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use rustls::RootCertStore;
use tokio::time::timeout;

use super::Place;

/// Most bytes of a document.
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
/// Longest time for one GET.
const GET_MAX: Duration = Duration::from_secs(5);
/// How long a document counts as new that doesn't say.
const AGE_USUAL: Duration = Duration::from_secs(60 * 60);
const AGE_MIN: Duration = Duration::from_secs(5 * 60);
const AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The way out to providers.
pub(super) struct Way {
    public: Client<Connector, Empty<Bytes>>,
    private: Client<Connector, Empty<Bytes>>,
}

/// What came.
pub(super) struct Document {
    pub(super) bytes: Bytes,
    /// How long it counts as new.
    pub(super) age_max: Duration,
}

/// Why nothing came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missed {
    /// The address may not be asked.
    Refused,
    /// No connection, or it broke.
    Connection,
    /// Another status than 200.
    Status,
    /// More bytes than a document may have.
    TooLarge,
    /// Not whole in time.
    Timeout,
    /// It holds no key.
    Unreadable,
}

impl Missed {
    /// Its word in metrics.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Connection => "connection",
            Self::Status => "status",
            Self::TooLarge => "too_large",
            Self::Timeout => "timeout",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Way {
    /// The way out, and the authorities that certificates may come from.
    ///
    /// # Errors
    /// When TLS can't be set up; in words.
    pub(super) fn new() -> Result<(Self, Arc<RootCertStore>), String> {
        let (tls, roots) = (tls::config(Vec::new())?, tls::roots(Vec::new()));
        let resolver = Resolver::default();
        let client = |private| {
            let mut builder = Client::builder(TokioExecutor::new());
            // Documents are fetched rarely: no connection is worth keeping.
            builder.pool_max_idle_per_host(0);
            builder.build(Connector::new(resolver.clone(), Arc::clone(&tls), private))
        };
        Ok((Self { public: client(false), private: client(true) }, roots))
    }

    /// Fetches a document.
    pub(super) async fn get(&self, place: &Place) -> Result<Document, Missed> {
        timeout(GET_MAX, self.exchange(place)).await.unwrap_or(Err(Missed::Timeout))
    }

    async fn exchange(&self, place: &Place) -> Result<Document, Missed> {
        let uri = guard::target(&place.url, place.private).map_err(|_| Missed::Refused)?;
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri;
        request.headers_mut().insert(header::USER_AGENT, header::HeaderValue::from_static("gatepost"));
        let client = if place.private { &self.private } else { &self.public };
        let response = client.request(request).await.map_err(|error| missed(&error))?;
        if response.status() != StatusCode::OK {
            return Err(Missed::Status);
        }
        let age_max = age_max(response.headers());
        let body = Limited::new(response.into_body(), DOCUMENT_BYTES_MAX).collect().await;
        match body {
            Ok(body) => Ok(Document { bytes: body.to_bytes(), age_max }),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Missed::TooLarge),
            Err(_) => Err(Missed::Connection),
        }
    }
}

fn missed(error: &hyper_util::client::legacy::Error) -> Missed {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if let Some(DialError::Refused(_)) = inner.downcast_ref() {
            return Missed::Refused;
        }
        cause = inner.source();
    }
    Missed::Connection
}

/// How long an answer counts as new, by its own word, within bounds.
fn age_max(headers: &HeaderMap) -> Duration {
    let directives = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut directives = directives.flat_map(|value| value.split(',')).map(str::trim);
    let seconds = directives.find_map(|directive| directive.strip_prefix("max-age=")?.parse().ok());
    seconds.map_or(AGE_USUAL, Duration::from_secs).clamp(AGE_MIN, AGE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_a_document_is_new_is_its_own_word_within_bounds() {
        let age = |value: &'static str| {
            age_max(&HeaderMap::from_iter([(header::CACHE_CONTROL, header::HeaderValue::from_static(value))]))
        };
        assert_eq!(age_max(&HeaderMap::new()), AGE_USUAL);
        assert_eq!(age("public, max-age=7200, must-revalidate"), Duration::from_secs(7_200));
        assert_eq!((age("max-age=0"), age("max-age=99999999")), (AGE_MIN, AGE_MAX));
        for odd in ["no-store", "max-age=x", "s-maxage=5", ""] {
            assert_eq!(age(odd), AGE_USUAL, "{odd}");
        }
    }
}
