//! How a sync of a connection stands: kept in the registry by whoever owns its engine, for the next owner and for people.

pub mod backstop;

use gatepost_config::{ConnectionId, IntegrationId, SyncEngineId, SyncName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    id::Token,
    registry::{self, ID_BYTES_MAX},
};

/// One sync of one connection: what names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SyncKey {
    /// What runs it.
    pub engine: SyncEngineId,
    /// The connection's integration.
    pub integration: IntegrationId,
    /// The connection.
    pub connection: ConnectionId,
    /// What the engine calls it.
    pub sync: SyncName,
}

/// What is known of its runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SyncState {
    /// Which sync.
    #[serde(flatten)]
    pub key: SyncKey,
    /// When a run was last asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triggered_at: Option<Timestamp>,
    /// When one was last known to have succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded_at: Option<Timestamp>,
    /// When the backstop asks for one, unless events do before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backstop_at: Option<Timestamp>,
    /// Tries in a row that failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// When it is tried again, after a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// Why the last try failed, for people; none when it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Somebody asks for a run: what stands under the sync's id in the registry, until a run that began after it was read has
/// ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncWish {
    /// Of which sync.
    #[serde(flatten)]
    pub key: SyncKey,
    /// Since when.
    pub asked_at: Timestamp,
}

impl SyncKey {
    /// Its id in the registry: the four names, or a hash of them when they are too long together.
    pub fn id(&self) -> String {
        let Self { engine, integration, connection, sync } = self;
        let id = format!("{engine}/{integration}/{connection}/{sync}");
        match id.len() > ID_BYTES_MAX {
            true => Token::hash(&[b"sync id", id.as_bytes()]).to_string(),
            false => id,
        }
    }
}

impl SyncState {
    /// Nothing is known yet.
    pub const fn new(key: SyncKey) -> Self {
        Self {
            key,
            triggered_at: None,
            succeeded_at: None,
            backstop_at: None,
            failures: 0,
            retry_at: None,
            error: None,
        }
    }

    /// What an entry of [`registry::Kind::Sync`] says; none when that can't be read.
    pub fn of(entry: &registry::Entry) -> Option<Self> {
        serde_json::from_slice(&entry.value).ok()
    }
}

impl SyncWish {
    /// What an entry of [`registry::Kind::SyncWish`] says; none when that can't be read.
    pub fn of(entry: &registry::Entry) -> Option<Self> {
        serde_json::from_slice(&entry.value).ok()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks it like this")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syncs_id_names_it_and_fits_the_registry() {
        let of = |engine: &str, connection: &str| SyncKey {
            engine: engine.parse().expect("an id"),
            integration: "hubspot".parse().expect("an id"),
            connection: connection.parse().expect("an id"),
            sync: "contacts".parse().expect("a name"),
        };
        assert_eq!(of("nango", "acme").id(), "nango/hubspot/acme/contacts");
        let long = "x".repeat(128);
        assert!(
            SyncKey {
                integration: long.parse().expect("an id"),
                sync: long.parse().expect("a name"),
                ..of(&long, &long)
            }
            .id()
            .len()
                <= ID_BYTES_MAX
        );
        let state = SyncState::new(of("nango", "acme"));
        let json = serde_json::to_string(&state).expect("it is written");
        assert_eq!(json, r#"{"engine":"nango","integration":"hubspot","connection":"acme","sync":"contacts"}"#);
        assert_eq!(serde_json::from_str::<SyncState>(&json).expect("it is read"), state);
    }
}
