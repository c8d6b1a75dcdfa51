//! Connections that are made at run time, and the claims that guard their account keys.
//!
//! A connection stands in the registry under `<integration>/<connection>` ([`Linked`]), a claim under
//! `<integration>/<account>` ([`Claim`]). The claim decides: an account is a connection's when its claim lists the
//! connection, under the connection's tenant, and the connection's record names the account. So whatever is half done
//! after a crash, an account never has owners of two tenants.
//!
//! Connections that the configuration declares are not here; they win over those of the same id, and their accounts over
//! claims, which is for the caller to see to.
//!
//! One that is pending claims nothing: what announced itself is nobody's yet, and keeps no account from anybody.

mod check;
mod claim;
mod entries;
mod read;
mod write;

use std::collections::BTreeMap;

use gatepost_config::{ConnectionId, DestinationId, IntegrationId, Secret, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::{
    check::{ACCOUNT_BYTES_MAX, ACCOUNTS_MAX, METADATA_BYTES_MAX, METADATA_MAX, SECRET_BYTES, SECRETS_MAX},
    claim::{claimants, holds},
    read::{Found, claim, get, page},
    write::{Claiming, advance, put, put_over, remove},
};

use crate::{
    Keyring, SealError, SealedSecret, SecretName, SecretPurpose, StoreError, id::Token, registry::ID_BYTES_MAX,
};

/// A connection that was made at run time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked {
    /// Under which integration.
    pub integration: IntegrationId,
    /// Its id, unique within the integration.
    pub id: ConnectionId,
    /// Who owns it; while it is pending, who might.
    pub tenant: TenantId,
    /// The provider's account keys, byte for byte; at most [`ACCOUNTS_MAX`].
    #[serde(default)]
    pub accounts: Vec<String>,
    /// Its own signing secrets, sealed; at most [`SECRETS_MAX`].
    #[serde(default)]
    pub secrets: Vec<OwnSecret>,
    /// What the operator wants to remember of it; at most [`METADATA_MAX`].
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Its events wait until it is enabled.
    #[serde(default)]
    pub disabled: bool,
    /// Where its events go instead of where routes forward them: what is accepted or released from now on carries it
    /// ([`crate::Meta::destination`]).
    #[serde(default)]
    pub destination: Option<DestinationId>,
    /// How far it is on its way to receive events.
    pub phase: Phase,
    /// When it became active last.
    #[serde(default)]
    pub active_since: Option<Timestamp>,
    /// The event that announced it, where one did.
    #[serde(default)]
    pub announced_by: Option<String>,
    /// The last event that said that its account is no more: heeded once, whatever somebody did afterwards.
    #[serde(default)]
    pub ended_by: Option<String>,
    /// Grows with every change but those of its phase, also over a removal: what a writer expects to find.
    #[serde(default)]
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last, but for its phase.
    pub updated_at: Timestamp,
}

/// How far a connection is on its way to receive events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It announced itself; it receives nothing until an operator confirms it.
    Pending,
    /// Its events are parked, and a router releases what is parked under its keys.
    Binding,
    /// Everything parked is released but what came just now: its requests wait for a moment.
    Settling,
    /// Its events go to the log.
    Active,
}

/// A signing secret of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnSecret {
    /// Names it without telling it ([`Secret::key_id`]).
    pub id: String,
    /// The secret, which only a master key opens.
    pub sealed: SealedSecret,
    /// When it was given.
    pub created_at: Timestamp,
    /// When it stops being accepted, if it does.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

/// Whose an account key is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Under which integration.
    pub integration: IntegrationId,
    /// The provider's account key.
    pub account: String,
    /// Whose, and nobody else's.
    pub tenant: TenantId,
    /// The tenant's connections that have it; several only where the operator allows it.
    pub connections: Vec<ConnectionId>,
    /// Somebody is about to take it from a connection that does not name the account.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doubted: bool,
}

/// Why a connection can't be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Another tenant has the account.
    #[error("the account {0:?} is another tenant's; that tenant's connection must give it up first")]
    AccountTaken(String),
    /// Other connections of the tenant have the account.
    #[error("the account {account:?} is that of the tenant's connection {}; take it over, or set shared_accounts = \"all\" for the integration", .connections.iter().map(ConnectionId::as_str).collect::<Vec<_>>().join(", "))]
    AccountShared {
        /// The account.
        account: String,
        /// The connections that have it.
        connections: Vec<ConnectionId>,
    },
    /// The connection is another tenant's, and its move was not asked for.
    #[error("the connection is another tenant's; ask for its move explicitly")]
    OtherTenant,
    /// It is not what was expected.
    #[error("the connection {}", .0.map_or("does not exist".to_owned(), |version| format!("exists with version {version}, which is not the expected one")))]
    Conflict(Option<u64>),
    /// A field is not as it must be.
    #[error("{field} {message}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong, and the remedy.
        message: String,
    },
    /// The store could not do it; a part may have happened, and a repeat completes it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Phase {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Binding => "binding",
            Self::Settling => "settling",
            Self::Active => "active",
        }
    }
}

impl Linked {
    /// A connection with nothing but an owner, to be bound.
    pub fn new(integration: IntegrationId, id: ConnectionId, tenant: TenantId, now: Timestamp) -> Self {
        Self {
            integration,
            id,
            tenant,
            accounts: Vec::new(),
            secrets: Vec::new(),
            metadata: BTreeMap::new(),
            disabled: false,
            destination: None,
            phase: Phase::Binding,
            active_since: None,
            announced_by: None,
            ended_by: None,
            version: 0,
            created_at: now,
            updated_at: now,
        }
    }

    /// The registry's id of a connection.
    pub fn entry_id(integration: &IntegrationId, id: &ConnectionId) -> String {
        format!("{integration}/{id}")
    }

    /// Whether its record names an account.
    pub fn names(&self, account: &str) -> bool {
        self.accounts.iter().any(|own| own == account)
    }

    /// Whether an account may be its own: its record names it, and it is somebody's.
    pub fn claims(&self, account: &str) -> bool {
        self.phase != Phase::Pending && self.names(account)
    }

    /// Seals a secret as this connection's own.
    ///
    /// # Errors
    /// When there is no master key, or no random number.
    pub fn seal(
        &self,
        keys: &Keyring,
        secret: &[u8],
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<OwnSecret, SealError> {
        let id = Secret::new(secret.to_vec(), "the API").key_id();
        Ok(OwnSecret { id, sealed: keys.seal(self.secret_name(), secret, now)?, created_at: now, until })
    }

    /// Opens one of its own secrets.
    ///
    /// # Errors
    /// When no master key opens it, or it was sealed for another connection.
    pub fn open(&self, keys: &Keyring, secret: &OwnSecret) -> Result<Secret, SealError> {
        if secret.sealed.name != self.secret_name() {
            return Err(SealError::Broken);
        }
        let opened = keys.open(&secret.sealed)?;
        Ok(secret.until.map_or(opened.clone(), |until| opened.expiring(until)))
    }

    fn secret_name(&self) -> SecretName {
        SecretName {
            integration: self.integration.clone(),
            connection: Some(self.id.clone()),
            purpose: SecretPurpose::Own,
        }
    }
}

impl Claim {
    /// The registry's id of an account's claim. No integration's id has a `#` or `/`, so no two accounts share one.
    pub fn entry_id(integration: &IntegrationId, account: &str) -> String {
        let plain = format!("{integration}/{account}");
        if plain.len() <= ID_BYTES_MAX {
            return plain;
        }
        format!("#{}", Token::hash(&[b"claim", integration.as_str().as_bytes(), account.as_bytes()]))
    }

    /// Whether it lists a connection.
    pub fn lists(&self, connection: &ConnectionId) -> bool {
        self.connections.contains(connection)
    }
}

#[cfg(test)]
mod tests;
