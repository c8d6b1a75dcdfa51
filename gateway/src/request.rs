//! A request as it was received, before anything is believed of it.

use bytes::Bytes;
use http::{HeaderMap, Method, header};

/// A request as it was received: raw target, raw header values, raw body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRequest {
    /// Its method.
    pub method: Method,
    /// Its path and query, byte for byte.
    pub target: String,
    /// Its headers, values byte for byte.
    pub headers: HeaderMap,
    /// Its body, byte for byte.
    pub body: Bytes,
    /// The connection that its URL names, as text.
    pub connection: Option<String>,
}

impl RawRequest {
    /// The query as it stands, without the `?`.
    pub(crate) fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The content type's text, invalid UTF-8 replaced.
    pub(crate) fn content_type(&self) -> Option<String> {
        let value = self.headers.get(header::CONTENT_TYPE)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// Whether the body is a form (`application/x-www-form-urlencoded`).
    pub(crate) fn is_form(&self) -> bool {
        self.media().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
    }

    /// The whole content type, when the body is a form in parts (`multipart/form-data`).
    pub(crate) fn multipart(&self) -> Option<&[u8]> {
        let value = self.headers.get(header::CONTENT_TYPE)?.as_bytes();
        self.media().eq_ignore_ascii_case(b"multipart/form-data").then_some(value)
    }

    fn media(&self) -> &[u8] {
        let value = self.headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        value.split(|b| *b == b';').next().unwrap_or_default().trim_ascii()
    }
}
