//! A request as it is tried, with the clock and the secrets that judge it.

use std::collections::BTreeMap;

use bytes::Bytes;
use gatepost_config::{Secret, Timestamp};
use gatepost_gateway::RawRequest;
use http::{HeaderName, HeaderValue};

/// A request as it is tried.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) request: RawRequest,
    pub(crate) at: Timestamp,
    /// Other secrets than the vector's.
    pub(crate) secrets: Option<Vec<Secret>>,
    /// Another public URL than the vector's.
    pub(crate) public_url: Option<String>,
    /// Nothing is pinned, and this is published.
    pub(crate) published: Option<Published>,
}

/// What a provider publishes.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    /// Documents by URL.
    pub(crate) documents: BTreeMap<String, String>,
    /// Authorities that are trusted, as PEM.
    pub(crate) authorities: Option<String>,
}

impl Attempt {
    pub(crate) fn body(&self) -> &[u8] {
        &self.request.body
    }

    /// Whether the body is a form.
    pub(crate) fn is_form(&self) -> bool {
        let content_type = self.request.headers.get("content-type");
        content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form-urlencoded"))
    }

    /// The fields of a form in parts, as the vectors write them.
    pub(crate) fn parts(&self) -> Option<Vec<(String, String)>> {
        let content_type = self.request.headers.get("content-type")?.to_str().ok()?;
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=")?;
        let text = std::str::from_utf8(self.body()).ok()?;
        let part = |part: &str| {
            let (head, value) = part.split_once("\r\n\r\n")?;
            let name = head.split_once("name=\"")?.1.split_once('"')?.0;
            Some((name.to_owned(), value.strip_suffix("\r\n").unwrap_or(value).to_owned()))
        };
        Some(text.split(&format!("--{boundary}")).filter_map(part).collect())
    }

    pub(crate) fn with_body(&self, body: impl Into<Vec<u8>>) -> Self {
        let mut attempt = self.clone();
        attempt.request.body = Bytes::from(body.into());
        attempt
    }

    pub(crate) fn with_target(&self, target: impl Into<String>) -> Self {
        let mut attempt = self.clone();
        attempt.request.target = target.into();
        attempt
    }

    pub(crate) fn with_secrets(&self, secrets: &[&[u8]]) -> Self {
        let secrets = secrets.iter().map(|bytes| Secret::new(bytes.to_vec(), "a changed vector"));
        Self { secrets: Some(secrets.collect()), ..self.clone() }
    }

    pub(crate) fn at(&self, at: Timestamp) -> Self {
        Self { at, ..self.clone() }
    }

    /// With a header that has these values and no other; none when one of them can't be sent.
    pub(crate) fn with_header(&self, name: &str, values: &[&[u8]]) -> Option<Self> {
        let name: HeaderName = name.parse().ok()?;
        let values: Option<Vec<HeaderValue>> = values.iter().map(|v| HeaderValue::from_bytes(v).ok()).collect();
        let mut attempt = self.clone();
        attempt.request.headers.remove(&name);
        for value in values? {
            attempt.request.headers.append(name.clone(), value);
        }
        Some(attempt)
    }

    /// Whether nothing was changed.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        let secrets = self.secrets.is_none() && self.public_url.is_none() && self.published.is_none();
        secrets && self.request == other.request && self.at == other.at
    }
}

/// Bytes with one bit flipped.
pub(crate) fn flipped(bytes: &[u8], at: usize, bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1 << (bit % 8);
    bytes
}

/// Bytes with others in place of a range of them.
pub(crate) fn spliced(bytes: &[u8], range: std::ops::Range<usize>, new: &[u8]) -> Vec<u8> {
    [&bytes[..range.start], new, &bytes[range.end..]].concat()
}
