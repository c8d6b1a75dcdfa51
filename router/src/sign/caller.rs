//! Who calls: the operator's own headers and what a backend asks of callers before it looks at a signature.

use base64::{Engine, engine::general_purpose::STANDARD};
use gatepost_config::{Auth, Destination};
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Headers of a request besides the operator's own, with those that the client adds.
const USUAL: usize = 12;

/// Headers that say who calls. What can't stand in a header was refused when the configuration was loaded.
pub(super) fn headers(destination: &Destination) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(USUAL + destination.headers.len());
    headers.insert(header::USER_AGENT, HeaderValue::from_static(super::USER_AGENT));
    for custom in &destination.headers {
        let name = HeaderName::from_bytes(custom.name.as_bytes());
        if let (Ok(name), Some(value)) = (name, hidden(custom.value.expose())) {
            headers.insert(name, value);
        }
    }
    let authorization = destination.auth.as_ref().and_then(|auth| match auth {
        Auth::Bearer(token) => hidden(&[b"Bearer ", token.expose()].concat()),
        Auth::Basic { user, password } => {
            let pair = [user.as_bytes(), b":", password.expose()].concat();
            hidden(format!("Basic {}", STANDARD.encode(pair)).as_bytes())
        }
    });
    headers.extend(authorization.map(|value| (header::AUTHORIZATION, value)));
    headers
}

/// A value that is not shown where headers are, and that HTTP/2 doesn't keep in its table.
fn hidden(bytes: &[u8]) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(bytes).ok()?;
    value.set_sensitive(true);
    Some(value)
}
