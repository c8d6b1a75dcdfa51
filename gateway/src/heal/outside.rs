//! The way to providers' APIs: https, no redirects, no proxy, bounded in bytes and time, at addresses checked when they are
//! dialled.

use std::time::Duration;

use bytes::Bytes;
use gatepost_config::Timestamp;
use gatepost_outbound::{Connector, Resolver, guard, tls};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::time::{sleep, timeout};
use url::Url;

use super::{
    error::HealError,
    pause::{self, Pause},
};

/// Longest time for one exchange: a page of a provider's list may take it some seconds.
const EXCHANGE_MAX: Duration = Duration::from_secs(30);

/// Longest answer: a page of 100 events.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Characters of an error's body that are told.
const SAID_CHARS_MAX: usize = 200;

/// The way out. Connections are kept for a while.
pub(crate) struct Outside {
    public: Client<Connector, Full<Bytes>>,
    private: Client<Connector, Full<Bytes>>,
}

/// What is asked of an API.
#[derive(Clone)]
pub(super) struct Ask {
    /// What for, in words.
    pub(super) what: &'static str,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) private: bool,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// What it said.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Outside {
    /// The way out.
    ///
    /// # Errors
    /// When TLS can't be set up; in words.
    pub(crate) fn new() -> Result<Self, String> {
        let (tls, resolver) = (tls::config(Vec::new())?, Resolver::default());
        let client = |private| {
            let mut builder = Client::builder(TokioExecutor::new());
            builder.pool_max_idle_per_host(1).pool_idle_timeout(EXCHANGE_MAX);
            builder.build(Connector::new(resolver.clone(), tls.clone(), private))
        };
        Ok(Self { public: client(false), private: client(true) })
    }

    /// Asks until there is an answer that says yes or no: what is overloaded, broken or limits us is asked again, as long
    /// as that can be waited for. All that is asked here may be asked twice.
    pub(super) async fn ask(&self, ask: &Ask, patience: &mut Pause) -> Result<Answer, HealError> {
        loop {
            let outcome = timeout(EXCHANGE_MAX, self.exchange(ask)).await;
            let outcome = outcome.unwrap_or(Err(HealError::Late(EXCHANGE_MAX)));
            let wait = match &outcome {
                Ok(answer) => match pause::wanted(answer.status, &answer.headers, Timestamp::now()) {
                    None => {
                        patience.answered();
                        return outcome;
                    }
                    Some(wanted) => patience.limited(wanted),
                },
                Err(HealError::Connection(_) | HealError::Late(_)) => patience.broken(),
                Err(_) => return outcome,
            };
            match (wait, outcome) {
                (Ok(wait), _) => sleep(wait).await,
                (Err(None), Ok(answer)) => return Err(answer.refusal(ask.what)),
                (Err(None), Err(error)) => return Err(error),
                (Err(Some(until)), _) => return Err(HealError::Limited(until)),
            }
        }
    }

    async fn exchange(&self, ask: &Ask) -> Result<Answer, HealError> {
        let uri = guard::target(&ask.url, ask.private).map_err(|why| HealError::Refused(why.to_string()))?;
        let mut request = Request::new(Full::default());
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = uri;
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static("gatepost"));
        request.headers_mut().extend(ask.headers.iter().cloned());
        let client = if ask.private { &self.private } else { &self.public };
        let response = client.request(request).await.map_err(|error| broken(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| HealError::Connection(error.to_string()))?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

impl Answer {
    /// That it says no, as an error.
    pub(super) fn refusal(&self, what: &'static str) -> HealError {
        let said = String::from_utf8_lossy(&self.body);
        let said = said.chars().filter(|c| !c.is_control()).take(SAID_CHARS_MAX).collect();
        HealError::Status { what, status: self.status.as_u16(), said }
    }
}

/// The innermost cause says most; a URL that may not be asked is not worth another try.
fn broken(error: &hyper_util::client::legacy::Error) -> HealError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        if let Some(refused) = inner.downcast_ref::<guard::Refused>() {
            return HealError::Refused(refused.to_string());
        }
        cause = inner;
    }
    HealError::Connection(cause.to_string())
}
