//! Turns what became of a request into its answer: the one place that does.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use gatepost_event::RequestId;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::Full;

use crate::{
    failure::Failure,
    handshake::{self, Reply},
    inbound::{Arrival, Inbound},
    metrics::NO_INTEGRATION,
    quarantine::Offered,
    reason::Reason,
    serve::Gateway,
    store::Stored,
};

/// An answer; its body is at hand whole.
pub(crate) type Response = http::Response<Full<Bytes>>;

/// What an accepted request is answered with.
pub(crate) enum Answer {
    /// A handshake's answer.
    Handshake(Reply),
    /// All its events are stored.
    Stored(Stored),
}

const REQUEST_ID: HeaderName = HeaderName::from_static("gatepost-request-id");
const RESULT: HeaderName = HeaderName::from_static("gatepost-result");

/// Seconds after which a provider may try again what we could not take.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Answers a request, counts it, and keeps it when it was refused.
pub(crate) fn respond(
    gateway: &Gateway,
    arrival: &Arrival,
    began: Instant,
    outcome: Result<Answer, Failure>,
) -> Response {
    let integration = arrival.endpoint.integration.id.as_str();
    let responses = &arrival.endpoint.provider().responses;
    let (word, mut response) = match outcome {
        Ok(Answer::Stored(stored)) => {
            let word = stored.outcome().word();
            let mut response = accepted(responses.accepted_status, &responses.accepted_body, word);
            put(response.headers_mut(), &handshake::on_delivery(stored.inbound()));
            (word, response)
        }
        Ok(Answer::Handshake(reply)) => ("handshake", handshaken(reply)),
        Err(failure) => {
            if let Failure::Refused(reason, inbound) = &failure {
                refuse(gateway, *reason, inbound);
            }
            let word = failure.word();
            gateway.turned_away.note(&arrival.endpoint.integration.id, reason(&failure));
            (word, failed(arrival, &failure))
        }
    };
    gateway.metrics.answered(integration, word, began.elapsed());
    identify(&mut response, arrival.request);
    response
}

/// Why a request is turned away, as a stable code.
const fn reason(failure: &Failure) -> &'static str {
    match failure {
        Failure::Refused(reason, _) => reason.code(),
        other => other.word(),
    }
}

/// Answers a request to a path that leads nowhere.
pub(crate) fn unknown_endpoint(gateway: &Gateway, request: RequestId, began: Instant) -> Response {
    gateway.metrics.answered(NO_INTEGRATION, "unknown_endpoint", began.elapsed());
    let mut response = error(StatusCode::NOT_FOUND, "unknown_endpoint", request, None);
    identify(&mut response, request);
    response
}

/// Answers a request whose head is longer than ours may be; nothing of it is read.
pub(crate) fn head_too_long() -> Response {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn failed(arrival: &Arrival, failure: &Failure) -> Response {
    let request = arrival.request;
    let plain = |status: StatusCode, word: &str| error(status, word, request, None);
    match failure {
        Failure::Refused(..) => {
            let responses = &arrival.endpoint.provider().responses;
            let status = StatusCode::from_u16(responses.refused_status).unwrap_or(StatusCode::UNAUTHORIZED);
            match &responses.refused_body {
                Some(body) => worded(status, body),
                None => plain(status, "signature_rejected"),
            }
        }
        Failure::MethodNotAllowed => {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
            let allow = HeaderValue::from_str(&arrival.endpoint.profile.allow);
            response.headers_mut().extend(allow.ok().map(|allow| (header::ALLOW, allow)));
            response
        }
        Failure::BodyTooLarge(limit) => error(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", request, Some(*limit)),
        Failure::UnsupportedEncoding => plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding"),
        Failure::BodyTimeout => plain(StatusCode::REQUEST_TIMEOUT, "body_timeout"),
        Failure::BodyBroken => plain(StatusCode::BAD_REQUEST, "body_broken"),
        Failure::Overloaded | Failure::StoreAway | Failure::ProviderAway | Failure::Panicked => {
            let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
            response
        }
        Failure::RateLimited(wait) => {
            let mut response = plain(StatusCode::TOO_MANY_REQUESTS, "rate_limited");
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(*wait)));
            response
        }
    }
}

/// A time in whole seconds, no shorter than it is, and one at least.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

fn accepted(status: u16, body: &str, word: &'static str) -> Response {
    let mut response = worded(StatusCode::from_u16(status).unwrap_or(StatusCode::OK), body);
    response.headers_mut().insert(RESULT, HeaderValue::from_static(word));
    response
}

/// An answer in the provider's own words.
fn worded(status: StatusCode, body: &str) -> Response {
    let mut response = Response::new(Full::from(body.to_owned()));
    *response.status_mut() = status;
    let content_type = match body.as_bytes().first() {
        None => None,
        Some(b'{' | b'[') => Some("application/json"),
        Some(b'<') => Some("text/xml; charset=utf-8"),
        Some(_) => Some("text/plain; charset=utf-8"),
    };
    if let Some(kind) = content_type {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response
}

/// A handshake's answer echoes text from outside: no browser may make more of it than text.
fn handshaken(reply: Reply) -> Response {
    let mut response = Response::new(Full::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(&reply.content_type).unwrap_or(text));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"));
    headers.insert(RESULT, HeaderValue::from_static("handshake"));
    put(headers, &reply.headers);
    response
}

fn put(headers: &mut HeaderMap, more: &[(String, Vec<u8>)]) {
    for (name, value) in more {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(value)) {
            headers.insert(name, value);
        }
    }
}

fn error(status: StatusCode, word: &str, request: RequestId, limit: Option<u64>) -> Response {
    let limit = limit.map_or_else(String::new, |limit| format!(r#","limit":{limit}"#));
    let body = format!(r#"{{"error":"{word}"{limit},"request_id":"{request}"}}"#);
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn identify(response: &mut Response, request: RequestId) {
    if let Ok(id) = HeaderValue::try_from(request.to_string()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
}

/// Counts a refusal and keeps the request for the operator; never waits.
fn refuse(gateway: &Gateway, reason: Reason, inbound: &Arc<Inbound>) {
    let integration = &inbound.endpoint().integration.id;
    tracing::debug!(target: "gatepost::step", step = "refused", request = %inbound.arrival.request,
        reason = reason.code());
    gateway.metrics.refused(integration.as_str(), reason);
    match gateway.quarantine.offer(reason, inbound) {
        Offered::Taken => {}
        Offered::SampledOut => gateway.metrics.quarantine_sampled_out(integration.as_str()),
        Offered::Dropped => gateway.metrics.quarantine_dropped(integration.as_str()),
    }
}
