//! The provider's body as it came, with the facts about it in headers, as CloudEvents' binary mode has them.
//!
//! The signature covers the body and not these headers: whoever takes them for true trusts the connection.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>

use bytes::Bytes;
use gatepost_event::{Event, event::trust_name};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Envelope, headers_object};

/// Longest value, as it is sent; a longer one is left out.
const VALUE_BYTES_MAX: usize = 4096;

/// The body's own type, when the provider gave one that can be said again.
pub(super) fn write(event: &Event) -> Envelope {
    let meta = &event.meta;
    let content_type = meta.content_type.as_deref().and_then(|text| HeaderValue::from_str(text.trim()).ok());
    let content_type = content_type.filter(|value| !value.is_empty() && value.to_str().is_ok());
    let mut headers = HeaderMap::new();
    let mut fact = |name: &'static str, value: &str| {
        let value = encoded(value);
        if let (true, Ok(value)) = (value.len() <= VALUE_BYTES_MAX, HeaderValue::from_str(&value)) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    fact("ce-specversion", "1.0");
    fact("ce-id", &meta.id.to_string());
    fact("ce-source", &format!("/webhooks/{}", meta.integration));
    fact("ce-type", &meta.kind);
    fact("ce-time", &meta.occurred_at.unwrap_or(meta.received_at).to_string());
    fact("ce-provider", meta.provider.as_str());
    fact("ce-integration", meta.integration.as_str());
    fact("ce-trust", trust_name(meta.trust));
    fact("ce-receivedat", &meta.received_at.to_string());
    fact("ce-requestid", &meta.request.to_string());
    fact("ce-headers", &headers_object(&meta.headers));
    if meta.redacted {
        fact("ce-redacted", "true");
    }
    let facts = [
        ("ce-providertype", meta.provider_type.as_deref()),
        ("ce-providereventid", meta.provider_event_id.as_deref()),
        ("ce-connection", meta.connection.as_ref().map(|id| id.as_str())),
        ("ce-tenant", meta.tenant.as_ref().map(|id| id.as_str())),
        ("ce-account", meta.account.as_deref()),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            fact(name, value);
        }
    }
    if let Some(at) = meta.occurred_at {
        fact("ce-occurredat", &at.to_string());
    }
    Envelope {
        content_type: content_type.unwrap_or(HeaderValue::from_static("application/octet-stream")),
        headers,
        pieces: [event.body.clone(), Bytes::new(), Bytes::new()],
    }
}

/// Printable ASCII but for space, quotes and percent signs; everything else as percent-encoded UTF-8.
fn encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'"' | b'%' => encoded.push_str(&format!("%{byte:02X}")),
            0x21..=0x7e => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
