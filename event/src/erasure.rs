//! Erasing what is stored of one connection or tenant: from when it is asked for nobody is shown or sent any of it, its
//! deliveries end, and its bytes are overwritten on disk.
//!
//! A **job** of the registry says what is erased ([`Job`]). Whoever shows or delivers something asks [`Known`] whether it
//! is taken. One router takes what is known by name out of the registry ([`unlink`]), waits until nothing of it can come
//! any more, and then walks through everything that is stored ([`walk`]). A walk may be repeated however far it came:
//! what is gone is not found again.

mod job;
mod known;
mod reach;
mod swept;
mod unlink;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use gatepost_config::{Connection, ConnectionId, IntegrationId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::{
    job::{ENDED_KEPT, Job, Wish},
    known::Known,
    reach::Reach,
    swept::{forget_swept, is_swept, note_swept},
    unlink::{forget_secrets, forget_syncs, lives, unlink},
    walk::{count, walk},
};
use crate::{
    Claim, DeliveryId, EventRef, Queued, RefusalKey, Store, StoreError,
    connection::{self, Found},
    id::Token,
    subject,
};

/// What is erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Whose.
    pub whose: Whose,
    /// Stand for the account keys that are its own: what no connection has of them is erased too.
    #[serde(default)]
    pub accounts: BTreeMap<IntegrationId, BTreeSet<Token>>,
    /// How many account keys other connections have too: what no connection has of those is theirs, and stays.
    #[serde(default)]
    pub shared_accounts: u64,
    /// Stand for the connections that are meant.
    #[serde(default)]
    pub connections: BTreeSet<Token>,
    /// What was received later is somebody else's.
    pub until: Timestamp,
    /// What a gateway that had not heard of it received for a connection that is no more, until then.
    #[serde(default)]
    pub late: Option<Timestamp>,
}

/// Whose traces are erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// Of one connection.
    Connection(IntegrationId, ConnectionId),
    /// Of all connections of a tenant.
    Tenant(TenantId),
}

/// Something stored that is to be erased.
#[derive(Debug, Clone)]
pub enum Remains {
    /// An event of the log that was routed; what it was owed has ended.
    Event(EventRef),
    /// A parked event, by its position. It ends as erased.
    Parked(u64),
    /// A dead letter, by its position.
    Letter(u64),
    /// Attempts' records of these deliveries, by the position that they share. What they count stays counted.
    Attempts(u64, Vec<DeliveryId>),
    /// A delivery that is owed, with its shard. It ends as erased.
    Owed(u16, Waits, Box<Queued>),
    /// A refused request that is kept.
    Refused(RefusalKey),
    /// A secret that is kept, by its name's token.
    Secret(Token),
}

/// Where a delivery that is owed waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// In its lane.
    InLane,
    /// For a retry's time.
    Scheduled,
}

/// How much was erased; on a dry run, how much would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = ErasureProgress)]
pub struct Counts {
    /// Events of the log.
    pub events: u64,
    /// Parked events.
    pub parked: u64,
    /// Deliveries that were owed.
    pub deliveries: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Records of attempts, with what destinations answered.
    pub attempts: u64,
}

/// What a walk came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Walked {
    /// What it erased.
    pub erased: Counts,
    /// Events that are to be routed first: another walk is needed.
    pub left: u64,
}

impl Erasure {
    /// Of what is known now: the connections that are declared, and those in the registry, with their account keys.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn of(
        store: &Store,
        declared: &[Connection],
        whose: Whose,
        until: Timestamp,
    ) -> Result<Self, StoreError> {
        let (accounts, connections) = (BTreeMap::new(), BTreeSet::new());
        let mut erasure = Self { whose: whose.clone(), accounts, shared_accounts: 0, connections, until, late: None };
        let mut named = BTreeSet::new();
        if let Whose::Connection(integration, id) = &whose {
            erasure.means(integration, id);
        }
        for meant in unlink::declared_of(declared, &whose) {
            erasure.means(&meant.integration, &meant.id);
            named.extend(meant.account.iter().map(|account| (meant.integration.clone(), account.clone())));
        }
        for Found { linked, .. } in unlink::linked_of(store, &whose).await? {
            erasure.means(&linked.integration, &linked.id);
            named.extend(linked.accounts.into_iter().map(|account| (linked.integration.clone(), account)));
        }
        for (integration, account) in named {
            if erasure.is_shared(store, declared, &integration, &account).await? {
                erasure.shared_accounts += 1;
            } else {
                let token = subject::account_token(&integration, &account);
                erasure.accounts.entry(integration).or_default().insert(token);
            }
        }
        Ok(erasure)
    }

    fn means(&mut self, integration: &IntegrationId, id: &ConnectionId) {
        self.connections.insert(subject::connection_token(integration, Some(id), None));
    }

    /// Whether connections have an account that are not meant.
    async fn is_shared(
        &self,
        store: &Store,
        declared: &[Connection],
        integration: &IntegrationId,
        account: &str,
    ) -> Result<bool, StoreError> {
        let has = |other: &&Connection| other.integration == *integration && other.account.as_deref() == Some(account);
        if declared.iter().filter(has).any(|other| !self.means_connection(integration, &other.id, &other.tenant)) {
            return Ok(true);
        }
        // Usually nobody else is listed, which saves a look at each.
        let claim = connection::claim(store, integration, account).await?;
        let is_meant = |claim: &Claim| {
            claim.connections.iter().all(|other| self.means_connection(integration, other, &claim.tenant))
        };
        if claim.is_none_or(|claim| is_meant(&claim)) {
            return Ok(false);
        }
        let claimants = connection::claimants(store, integration, account).await?;
        Ok(claimants.iter().any(|Found { linked, .. }| !self.means_connection(integration, &linked.id, &linked.tenant)))
    }

    /// Whether a connection is meant.
    pub fn means_connection(&self, integration: &IntegrationId, id: &ConnectionId, owner: &TenantId) -> bool {
        match &self.whose {
            Whose::Connection(theirs, connection) => theirs == integration && connection == id,
            Whose::Tenant(tenant) => tenant == owner,
        }
    }

    /// The time up to which what is received as the connection's or tenant's own is taken.
    pub(crate) fn own_until(&self) -> Timestamp {
        self.late.map_or(self.until, |late| late.max(self.until))
    }
}

impl Counts {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            parked: self.parked + other.parked,
            deliveries: self.deliveries + other.deliveries,
            dead_letters: self.dead_letters + other.dead_letters,
            attempts: self.attempts + other.attempts,
        }
    }
}
