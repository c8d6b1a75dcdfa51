//! Gatepost's own envelope, `application/json`.

use gatepost_event::event::trust_name;

use super::{Envelope, Object, headers_object};
use crate::carried::Carried;

/// The envelope's version: fields are added, never removed or retyped.
const VERSION: &str = "1";

/// Every key is always there, in this order, and `data` last; `data_base64` follows a null `data` when the body is not
/// exactly one JSON text.
pub(super) fn write(event: &Carried) -> Envelope {
    let meta = &event.meta;
    let mut object = Object::new();
    object.raw("version", VERSION);
    object.text("id", &meta.id.to_string());
    object.text("type", &meta.kind);
    object.text("provider", meta.provider.as_str());
    object.text_or_null("provider_type", meta.provider_type.as_deref());
    object.text_or_null("provider_event_id", meta.provider_event_id.as_deref());
    object.text("integration", meta.integration.as_str());
    object.text_or_null("connection", meta.connection.as_ref().map(|id| id.as_str()));
    object.text_or_null("tenant", meta.tenant.as_ref().map(|id| id.as_str()));
    object.text_or_null("account", meta.account.as_deref());
    object.text("trust", trust_name(meta.trust));
    object.raw("redacted", if meta.redacted { "true" } else { "false" });
    object.text_or_null("occurred_at", meta.occurred_at.map(|at| at.to_string()).as_deref());
    object.text("received_at", &meta.received_at.to_string());
    object.text("request_id", &meta.request.to_string());
    object.raw("headers", &headers_object(&meta.headers));
    let pieces = match event.is_json() {
        true => object.close_with("data", event.body.clone()),
        false => {
            object.raw("data", "null");
            object.close_with_base64("data_base64", &event.body)
        }
    };
    Envelope::new("application/json", pieces)
}
