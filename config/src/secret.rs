//! Secrets: bytes that don't print.

use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

use crate::Timestamp;

/// A secret of an integration, connection, destination or service.
///
/// It has no `Display`, no `Serialize`, and its `Debug` shows only where it came from. Cheap to clone; the bytes are
/// wiped when the last clone goes.
#[derive(Clone)]
pub struct Secret {
    bytes: Arc<Zeroizing<Vec<u8>>>,
    source: Arc<str>,
    until: Option<Timestamp>,
}

impl Secret {
    /// A secret with the place it came from (`environment GITHUB_WEBHOOK_SECRET`), for messages.
    pub fn new(bytes: Vec<u8>, source: &str) -> Self {
        Self { bytes: Arc::new(Zeroizing::new(bytes)), source: source.into(), until: None }
    }

    /// The same secret, valid until an instant (while rotating).
    #[must_use]
    pub fn expiring(self, until: Timestamp) -> Self {
        Self { until: Some(until), ..self }
    }

    /// The bytes, for a key schedule or a constant-time comparison and nothing else.
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// Where it came from, in words fit for an error or for `gatepost check`.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// When it stops being accepted, if it does.
    pub const fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Whether it is still accepted.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret(from {})", self.source)
    }
}

impl PartialEq for Secret {
    /// Whether a reload would change anything; not for checking a signature or token.
    fn eq(&self, other: &Self) -> bool {
        self.until == other.until && self.bytes == other.bytes
    }
}
