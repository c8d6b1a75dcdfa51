//! CloudEvents 1.0, structured mode, JSON format.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>

use gatepost_event::event::trust_name;

use super::{Envelope, Object, headers_object};
use crate::carried::Carried;

/// Required attributes first, then `time`, then Gatepost's facts as extensions (absent when there is nothing to say), and
/// the body last: as `data` when it is JSON, as `data_base64` when not.
pub(super) fn write(event: &Carried) -> Envelope {
    let meta = &event.meta;
    let is_json = event.is_json();
    let content_type = meta.content_type.as_deref();
    let mut object = Object::new();
    object.text("specversion", "1.0");
    object.text("id", &meta.id.to_string());
    object.text("source", &format!("/webhooks/{}", meta.integration));
    object.text("type", &meta.kind);
    object.text("time", &meta.occurred_at.unwrap_or(meta.received_at).to_string());
    object.text("datacontenttype", if is_json { "application/json" } else { content_type.unwrap_or(UNKNOWN_TYPE) });
    object.text("provider", meta.provider.as_str());
    object.text("integration", meta.integration.as_str());
    let facts = [
        ("providertype", meta.provider_type.as_deref()),
        ("providereventid", meta.provider_event_id.as_deref()),
        ("connection", meta.connection.as_ref().map(|id| id.as_str())),
        ("tenant", meta.tenant.as_ref().map(|id| id.as_str())),
        ("account", meta.account.as_deref()),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            object.text(name, value);
        }
    }
    object.text("trust", trust_name(meta.trust));
    if meta.redacted {
        object.raw("redacted", "true");
    }
    if let Some(at) = meta.occurred_at {
        object.text("occurredat", &at.to_string());
    }
    object.text("receivedat", &meta.received_at.to_string());
    object.text("requestid", &meta.request.to_string());
    // Extensions can't be objects: the headers are the text of one.
    object.text("headers", &headers_object(&meta.headers));
    let pieces = match is_json {
        true => object.close_with("data", event.body.clone()),
        false => object.close_with_base64("data_base64", &event.body),
    };
    Envelope::new("application/cloudevents+json; charset=UTF-8", pieces)
}

const UNKNOWN_TYPE: &str = "application/octet-stream";
