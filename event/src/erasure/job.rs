//! Erasures that were asked for: written by the API, done by a router.

use std::time::Duration;

use bytes::Bytes;
use gatepost_config::{Connection, ConnectionId, IntegrationId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Counts, Erasure, Whose};
use crate::{
    ErasureId, Store, StoreError,
    registry::{Entry, Expect, Kind, Put},
    replay::State,
};

/// How long an ended erasure can be looked at; what comes of it meanwhile, from a late process or an old backup, is not
/// shown and ends too.
pub const ENDED_KEPT: Duration = Duration::from_secs(30 * 86_400);

/// What is asked for: a connection by both its names, or a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ErasureWish)]
pub struct Wish {
    /// The connection's integration.
    #[serde(default)]
    pub integration: Option<IntegrationId>,
    /// The connection.
    #[serde(default)]
    pub connection: Option<ConnectionId>,
    /// Every connection of this tenant.
    #[serde(default)]
    pub tenant: Option<TenantId>,
    /// Only count.
    #[serde(default)]
    pub dry_run: bool,
}

/// An erasure as the registry keeps it, under its id. It stays for a while as the proof: it names whose, and account keys
/// by their hashes only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: ErasureId,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// What is erased.
    pub erasure: Erasure,
    /// Only count.
    #[serde(default)]
    pub dry_run: bool,
    /// Whether it still goes on.
    pub state: State,
    /// When nothing of it can come any more: it is walked through what is stored then.
    #[serde(default)]
    pub settles_at: Option<Timestamp>,
    /// When all was overwritten but refused requests, which gateways overwrite: it ends when one has said so.
    #[serde(default)]
    pub walked_at: Option<Timestamp>,
    /// When everything was overwritten.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// What was erased so far.
    #[serde(default)]
    pub erased: Counts,
}

impl Wish {
    /// Whose is meant; `None` when that can't be told.
    pub fn whose(&self) -> Option<Whose> {
        match (&self.integration, &self.connection, &self.tenant) {
            (Some(integration), Some(connection), None) => {
                Some(Whose::Connection(integration.clone(), connection.clone()))
            }
            (None, None, Some(tenant)) => Some(Whose::Tenant(tenant.clone())),
            _ => None,
        }
    }
}

impl Job {
    /// As it is asked for, with the connections and account keys that are found now.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn new(
        store: &Store,
        declared: &[Connection],
        whose: Whose,
        dry_run: bool,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let erasure = Erasure::of(store, declared, whose, now).await?;
        let id = ErasureId::fresh(now);
        let (settles_at, walked_at, ended_at) = (None, None, None);
        let erased = Counts::default();
        let state = State::Pending;
        Ok(Self { id, created_at: now, erasure, dry_run, state, settles_at, walked_at, ended_at, erased })
    }

    /// What was asked for.
    pub fn wish(&self) -> Wish {
        let nobody = Wish { integration: None, connection: None, tenant: None, dry_run: self.dry_run };
        match self.erasure.whose.clone() {
            Whose::Connection(integration, id) => {
                Wish { integration: Some(integration), connection: Some(id), ..nobody }
            }
            Whose::Tenant(tenant) => Wish { tenant: Some(tenant), ..nobody },
        }
    }

    /// Every erasure that can be read, with its entry.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn all(store: &Store) -> Result<Vec<(Self, Entry)>, StoreError> {
        let entries = store.entries(Kind::Erasure).await?;
        let read = |entry: Entry| match Self::read(&entry) {
            Ok(job) => Some((job, entry)),
            Err(error) => {
                tracing::error!(id = entry.id, %error, "an erasure can't be read; it is left alone");
                None
            }
        };
        Ok(entries.into_iter().filter_map(read).collect())
    }

    /// The erasure of a registry's entry.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(entry: &Entry) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(&entry.value)
    }

    /// Writes it down, over what is expected there.
    ///
    /// # Errors
    /// When the engine can't do it.
    pub async fn write(&self, store: &Store, expect: Expect) -> Result<Put, StoreError> {
        let value = serde_json::to_vec(self).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        store.put(Kind::Erasure, &self.id.to_string(), Bytes::from(value), expect).await
    }

    /// Nothing of it can come any more after this time. Unless its connections live on, what a gateway takes for them
    /// until then, since it has not heard yet, is theirs.
    pub fn begin(&mut self, settles_at: Timestamp, lives: bool) {
        self.state = State::Running;
        self.settles_at = Some(settles_at);
        self.erasure.late = Some(settles_at).filter(|_| !lives);
    }

    /// Whether nothing of it can come any more.
    pub fn is_settled(&self, now: Timestamp) -> bool {
        self.settles_at.is_some_and(|at| at <= now)
    }

    /// Ends it.
    pub fn end(&mut self, now: Timestamp) {
        self.state = State::Done;
        self.ended_at = Some(now);
    }
}
