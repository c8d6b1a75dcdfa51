//! The headers of a delivery: what it is, who sends it, and the proof.

mod caller;
mod nango;
mod standard;

use gatepost_config::{DeliveryFormat, Destination, SigningKey, Timestamp};
use http::{HeaderMap, HeaderName, HeaderValue, header};

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

/// Signs as the destination's format has it: by Standard Webhooks with every active key, or as Nango does with the first.
/// The operator's own headers come first, so that they never take the place of ours.
pub(crate) fn sign(delivery: &Delivery, mut body: Envelope, now: Timestamp) -> Signed {
    let due = delivery.due();
    let (task, destination) = (due.task(), &due.backend.destination);
    let id = task.webhook_id().to_string();

    let mut headers = caller::headers(destination);
    headers.insert(header::CONTENT_TYPE, body.content_type().clone());
    headers.extend(body.take_headers());
    set(&mut headers, "webhook-id", &id);
    set(&mut headers, "webhook-timestamp", &now.seconds().to_string());
    set(&mut headers, "gatepost-delivery-id", &task.delivery.to_string());
    set(&mut headers, "gatepost-attempt", &task.attempt.to_string());
    if let Some(replay) = &task.replay {
        set(&mut headers, "gatepost-replay", &replay.id.to_string());
    }
    let keys: Vec<&SigningKey> = destination.secrets.iter().filter(|key| key.is_active(now)).collect();
    let used = prove(&mut headers, &keys, destination, &id, now, &body);
    Signed { headers, body, key_ids: used.iter().map(|key| key.id().to_owned()).collect() }
}

/// Signs a call of a sync engine: as a delivery, with an id of its own.
pub(crate) fn sign_call(destination: &Destination, body: Envelope, id: &str, now: Timestamp) -> Signed {
    let mut headers = caller::headers(destination);
    headers.insert(header::CONTENT_TYPE, body.content_type().clone());
    set(&mut headers, "webhook-id", id);
    set(&mut headers, "webhook-timestamp", &now.seconds().to_string());
    let keys: Vec<&SigningKey> = destination.secrets.iter().filter(|key| key.is_active(now)).collect();
    prove(&mut headers, &keys, destination, id, now, &body);
    Signed { headers, body, key_ids: Vec::new() }
}

/// A call that is proven by a token only.
pub(crate) fn introduce(destination: &Destination, body: Envelope) -> Signed {
    let mut headers = caller::headers(destination);
    headers.insert(header::CONTENT_TYPE, body.content_type().clone());
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    Signed { headers, body, key_ids: Vec::new() }
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

/// Adds the signatures, and says which keys made them.
fn prove<'k>(
    headers: &mut HeaderMap,
    keys: &[&'k SigningKey],
    destination: &Destination,
    id: &str,
    now: Timestamp,
    body: &Envelope,
) -> Vec<&'k SigningKey> {
    match destination.format {
        DeliveryFormat::Nango => {
            let first = keys.first().copied();
            if let Some(key) = first {
                nango::sign(headers, key.expose(), body, destination.nango_legacy_signature);
            }
            first.into_iter().collect()
        }
        DeliveryFormat::Json | DeliveryFormat::CloudEvents | DeliveryFormat::Raw => {
            let signatures: Vec<String> =
                keys.iter().filter_map(|key| standard::signature(key, id, now.seconds(), body)).collect();
            if !signatures.is_empty() {
                set(headers, "webhook-signature", &signatures.join(" "));
            }
            keys.to_vec()
        }
    }
}

/// Ids, numbers and encoded bytes are always fit for a header.
fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

#[cfg(test)]
mod tests;
