//! The built-in sample backend: what a customer's receiver does, in the least code.

use std::{collections::BTreeMap, time::Instant};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_config::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::steps::{Report, Step};

/// Largest delivery accepted: the largest webhook and its envelope.
const BODY_BYTES_MAX: usize = 40 * 1024 * 1024;
/// How far a delivery's timestamp may be from now.
const TOLERANCE_SECONDS: i64 = 300;

#[derive(Clone)]
struct Backend {
    key: Vec<u8>,
    report: Report,
}

/// A receiver at `/webhooks` that checks each delivery's signature with the key and reports `checked`.
pub(crate) fn router(key: Vec<u8>, report: Report) -> Router {
    Router::new()
        .route("/webhooks", post(receive))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Backend { key, report })
}

async fn receive(State(backend): State<Backend>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let verified = verify(&backend.key, &headers, &body, Timestamp::now());
    let event = text(&headers, "webhook-id").unwrap_or_default();
    let result = match &verified {
        Ok(()) => "genuine",
        Err(why) => why,
    };
    let fields = [("event", event), ("result", result)];
    let fields: BTreeMap<_, _> = fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let _ = backend.report.try_send(Step { at: Instant::now(), word: "checked".to_owned(), fields });
    match verified {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::UNAUTHORIZED,
    }
}

/// The Standard Webhooks check: HMAC-SHA256 over `id.timestamp.body`, any of the listed `v1` signatures, and a fresh
/// timestamp.
fn verify(key: &[u8], headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), &'static str> {
    let id = text(headers, "webhook-id").ok_or("no webhook-id")?;
    let timestamp = text(headers, "webhook-timestamp").ok_or("no webhook-timestamp")?;
    let signatures = text(headers, "webhook-signature").ok_or("no webhook-signature")?;
    let sent: i64 = timestamp.parse().map_err(|_| "webhook-timestamp is not a number")?;
    if now.seconds().abs_diff(sent) > TOLERANCE_SECONDS.unsigned_abs() {
        return Err("webhook-timestamp is too far from now");
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| "bad key")?;
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    let matches = |candidate: &str| {
        let tag = candidate.strip_prefix("v1,").and_then(|tag| STANDARD.decode(tag).ok());
        tag.is_some_and(|tag| mac.clone().verify_slice(&tag).is_ok())
    };
    match signatures.split(' ').any(matches) {
        true => Ok(()),
        false => Err("no signature matches"),
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification's reference implementations.
    #[test]
    fn the_specification_s_vector_is_genuine_and_any_change_is_not() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let body = br#"{"test": 2432232314}"#;
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".parse().expect("header"));
        headers.insert("webhook-timestamp", "1614265330".parse().expect("header"));
        let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        headers.insert("webhook-signature", signature.parse().expect("header"));
        let now = Timestamp::from_millis(1_614_265_330_000);
        assert_eq!(verify(&key, &headers, body, now), Ok(()));
        assert!(verify(&key, &headers, b"{}", now).is_err());
        assert!(verify(b"another key of any length", &headers, body, now).is_err());
        assert!(verify(&key, &headers, body, now.after(std::time::Duration::from_secs(301))).is_err());
    }
}
