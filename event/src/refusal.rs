//! Requests that failed verification: what is kept of them, sealed, and what says that one is there.
//!
//! Each stands in a **class**: its integration, its reason, and a number made of where it came from. Quotas go by classes,
//! so that a flood of one can't push out the others.

use std::ops::Range;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{BufMut as _, Bytes, BytesMut};
use gatepost_config::{IntegrationId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{RequestId, id::Token, subject::integration_token};

/// The longest body of a refused request that is kept; with its headers and its seal it fits into one message of a NATS
/// server with default limits.
pub const BODY_BYTES_MAX: usize = 960 * 1024;

/// The most bytes of a refused request once it is sealed.
pub const SEALED_BYTES_MAX: usize = 1016 * 1024;

/// Sources that refused requests of one integration and reason are told apart by.
pub const SOURCES: u16 = 256;

/// A request that was refused: with exactly what decides over it, so that it can be judged again.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The request's id.
    pub request: RequestId,
    /// The integration it was posted to.
    pub integration: IntegrationId,
    /// When.
    pub received_at: Timestamp,
    /// Why, as a stable code.
    pub reason: String,
    /// A number below [`SOURCES`], made of where it came from.
    pub source: u8,
    /// The connection that its URL named.
    pub connection: Option<String>,
    /// Its method.
    pub method: String,
    /// Its path and query as received.
    pub target: String,
    /// Of its headers, those that decide over it, as received.
    pub headers: Vec<(String, Bytes)>,
    /// Its body as received.
    pub body: Bytes,
    /// What of all this is a secret, or may be one.
    pub hidden: Hidden,
}

/// What of a refused request is never shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hidden {
    /// Names of headers, in lower case.
    pub headers: Vec<String>,
    /// The query of its URL.
    pub query: bool,
    /// Parts of its body.
    pub body: Vec<Range<usize>>,
}

/// A refused request as the store keeps it: only the master key opens it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedRefusal {
    /// The request's id.
    pub request: RequestId,
    /// The integration it was posted to.
    pub integration: IntegrationId,
    /// When.
    pub received_at: Timestamp,
    /// Why, as a stable code.
    pub reason: String,
    /// See [`Refusal::source`].
    pub source: u8,
    /// Names the master key that sealed it.
    pub key_id: String,
    /// The nonce, what is sealed, and its tag; beside the rest where a store writes it.
    #[serde(skip)]
    pub sealed: Bytes,
}

/// That a refused request is kept, without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalKey {
    /// The request's id; ids sort by time.
    pub request: RequestId,
    /// Stands for the integration.
    pub integration: Token,
    /// Why it was refused.
    pub reason: String,
    /// See [`Refusal::source`].
    pub source: u8,
    /// Bytes that it takes, in full KiB on NATS.
    pub bytes: u64,
}

/// What is sealed, before the body.
#[derive(Serialize, Deserialize)]
struct Head {
    connection: Option<String>,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    hidden: Hidden,
}

impl Refusal {
    /// The request as it may be shown to people: what is hidden is overwritten.
    #[must_use]
    pub fn shown(&self) -> Self {
        const MASK: &[u8] = b"***";
        let mut shown = self.clone();
        for (name, value) in &mut shown.headers {
            if self.hidden.headers.contains(name) {
                *value = Bytes::from_static(MASK);
            }
        }
        if let Some((path, _)) = self.target.split_once('?').filter(|_| self.hidden.query) {
            shown.target = format!("{path}?***");
        }
        let mut body = BytesMut::from(&self.body[..]);
        for range in &self.hidden.body {
            body.get_mut(range.clone()).unwrap_or_default().fill(b'*');
        }
        shown.body = body.freeze();
        shown
    }

    /// What is sealed: length of the head, head as JSON, body.
    pub(crate) fn to_text(&self) -> Option<Vec<u8>> {
        let head = Head {
            connection: self.connection.clone(),
            method: self.method.clone(),
            target: self.target.clone(),
            headers: self.headers.iter().map(|(name, value)| (name.clone(), STANDARD.encode(value))).collect(),
            hidden: self.hidden.clone(),
        };
        let head = serde_json::to_vec(&head).ok()?;
        let mut text = Vec::with_capacity(4 + head.len() + self.body.len() + 64);
        text.put_u32(u32::try_from(head.len()).ok()?);
        text.put_slice(&head);
        text.put_slice(&self.body);
        Some(text)
    }

    /// What was sealed, with what stood beside it in the clear.
    pub(crate) fn from_text(sealed: &SealedRefusal, text: &Bytes) -> Option<Self> {
        let (length, rest) = text.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let head: Head = serde_json::from_slice(rest.get(..length)?).ok()?;
        let header = |(name, value): (String, String)| Some((name, STANDARD.decode(value).ok()?.into()));
        Some(Self {
            request: sealed.request,
            integration: sealed.integration.clone(),
            received_at: sealed.received_at,
            reason: sealed.reason.clone(),
            source: sealed.source,
            connection: head.connection,
            method: head.method,
            target: head.target,
            headers: head.headers.into_iter().map(header).collect::<Option<_>>()?,
            body: text.slice(4 + length..),
            hidden: head.hidden,
        })
    }
}

/// Names it and its reason, and nothing that was posted.
impl std::fmt::Debug for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Refusal({} {} {})", self.request, self.integration, self.reason)
    }
}

impl SealedRefusal {
    /// What says that it is there.
    pub fn key(&self) -> RefusalKey {
        RefusalKey {
            request: self.request,
            integration: integration_token(&self.integration),
            reason: self.reason.clone(),
            source: self.source,
            bytes: self.sealed.len() as u64,
        }
    }
}

#[cfg(test)]
mod tests;
