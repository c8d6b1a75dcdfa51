//! Signing, as Standard Webhooks has it.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use base64::{Engine, engine::general_purpose::STANDARD};
use gatepost_config::{Secret, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use sha2::{Digest, Sha256};

use crate::{delivery::Delivery, envelope::Envelope};

/// What a delivery says it comes from.
const USER_AGENT: &str = concat!("gatepost/", env!("CARGO_PKG_VERSION"));

/// A delivery ready to be sent: the headers, signed over the body they go with.
#[derive(Debug)]
pub(crate) struct Signed {
    headers: HeaderMap,
    body: Envelope,
    key_ids: Vec<String>,
}

/// Signs with every active secret of the destination; without one there is no `webhook-signature`.
pub(crate) fn sign(delivery: &Delivery, body: Envelope, now: Timestamp) -> Signed {
    let due = delivery.due();
    let task = due.task();
    let id = task.event.id.to_string();
    let keys: Vec<&Secret> = due.backend.destination.secrets.iter().filter(|secret| secret.is_active(now)).collect();
    let signatures: Vec<String> = keys.iter().map(|key| signature(key.expose(), &id, now.seconds(), &body)).collect();

    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(body.content_type()));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    set(&mut headers, "webhook-id", &id);
    set(&mut headers, "webhook-timestamp", &now.seconds().to_string());
    if !signatures.is_empty() {
        set(&mut headers, "webhook-signature", &signatures.join(" "));
    }
    set(&mut headers, "gatepost-delivery-id", &task.delivery.to_string());
    set(&mut headers, "gatepost-attempt", &task.attempt.to_string());
    Signed { headers, body, key_ids: keys.iter().map(|key| key_id(key.expose())).collect() }
}

impl Signed {
    /// Ids of the keys that signed it.
    pub(crate) fn key_ids(&self) -> &[String] {
        &self.key_ids
    }

    /// The headers and the body.
    pub(crate) fn into_parts(self) -> (HeaderMap, Envelope) {
        (self.headers, self.body)
    }
}

/// `v1,` and the base64 of HMAC-SHA256 over `<id>.<timestamp>.<body>`.
fn signature(key: &[u8], id: &str, seconds: i64, body: &Envelope) -> String {
    // HMAC takes a key of any length, so this can't fail; an empty signature would verify nowhere.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(format!("{id}.{seconds}.").as_bytes());
    for piece in body.pieces() {
        mac.update(piece);
    }
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// Names a key without showing it: 32 bits of a hash of at least 24 random bytes.
fn key_id(key: &[u8]) -> String {
    let mut sha = Sha256::new();
    sha.update(b"gatepost key id\0");
    sha.update(key);
    let digest = sha.finalize();
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// Ids, numbers and base64 are always fit for a header.
fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

#[cfg(test)]
mod tests;
