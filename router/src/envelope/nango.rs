//! What Nango forwards, for backends that verify and read it with Nango's own library.
//!
//! <https://nango.dev/docs/guides/webhooks/webhooks-from-nango>

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use super::{Envelope, Object};
use crate::carried::Carried;

/// The provider's bytes as `payload`, which is not its last member. An event that no connection claims has
/// `"connectionId":null`.
///
/// # Errors
/// When the body is no JSON: the format has no place for it.
pub(super) fn write(event: &Carried) -> Result<Envelope, String> {
    let meta = &event.meta;
    if !event.is_json() {
        return Err("the body is no JSON, which the format \"nango\" can't carry; use \"json\" or \"raw\"".to_owned());
    }
    let mut before = Object::new();
    before.text_or_null("connectionId", meta.connection.as_ref().map(|id| id.as_str()));
    before.text("from", meta.provider.as_str());
    before.raw("payload", "");
    let mut after = Object::continued();
    after.text("providerConfigKey", meta.integration.as_str());
    after.text("type", "forward");
    after.0.push('}');
    Ok(Envelope {
        content_type: HeaderValue::from_static("application/json"),
        headers: HeaderMap::new(),
        pieces: [before.0.into(), event.body.clone(), Bytes::from(after.0)],
    })
}
