//! Secrets: bytes that don't print.

use std::{fmt, sync::Arc};

use sha2::{Digest, Sha256};
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

    /// The same secret with other bytes: those it stands for.
    #[must_use]
    pub(crate) fn with_bytes(self, bytes: Zeroizing<Vec<u8>>) -> Self {
        Self { bytes: Arc::new(bytes), ..self }
    }

    /// Names the key without telling it: the first 8 hexadecimal digits of its SHA-256.
    pub fn key_id(&self) -> String {
        Sha256::digest(self.expose()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
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
