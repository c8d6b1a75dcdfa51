//! Secrets that the store keeps: sealed before an engine sees them, opened by whoever has the master key.

use gatepost_config::{ConnectionId, IntegrationId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::id::Token;

/// Whose secret, and what for. Of each there is at most one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecretName {
    /// The integration.
    pub integration: IntegrationId,
    /// The connection, for a secret of its own.
    pub connection: Option<ConnectionId>,
    /// What it is for.
    pub purpose: SecretPurpose,
}

/// What a kept secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretPurpose {
    /// The provider gave it in a handshake, and signs events with it.
    Captured,
    /// The operator gave it; it stands in its connection's record.
    Own,
    /// Those of a destination that was made through the API, whose id stands for the integration's.
    Destination,
}

/// A secret that only the master key opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedSecret {
    /// Whose it is, and what for; bound to what is sealed, so that no secret can be passed off as another.
    pub name: SecretName,
    /// When it was sealed.
    pub sealed_at: Timestamp,
    /// Names the master key that sealed it.
    pub key_id: String,
    /// The nonce, what is sealed, and its tag, in base64.
    pub sealed: String,
}

impl SecretName {
    /// Stands for it where a store needs a short key.
    pub fn token(&self) -> Token {
        Token::hash(&self.parts())
    }

    /// What it is made of, told apart wherever each part goes with its length.
    pub(crate) fn parts(&self) -> [&[u8]; 4] {
        let purpose: &[u8] = match self.purpose {
            SecretPurpose::Captured => b"captured",
            SecretPurpose::Own => b"own",
            SecretPurpose::Destination => b"destination",
        };
        match &self.connection {
            Some(connection) => {
                [purpose, self.integration.as_str().as_bytes(), b"connection", connection.as_str().as_bytes()]
            }
            None => [purpose, self.integration.as_str().as_bytes(), b"integration", b""],
        }
    }
}
