//! Whether destinations answer, as the routers say that own their deliveries; they may be other processes.

use std::collections::HashMap;

use gatepost_config::{DestinationId, Timestamp};
use gatepost_event::{
    Store, StoreError,
    answering::{self, Answering, Told},
    registry::{Entry, Kind},
};
use serde::Serialize;

/// Whether a destination answers.
#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
pub(crate) struct Answers {
    /// `false` while it doesn't answer, or only with 429 or 5xx: its deliveries wait, and one at a time probes. `true` when
    /// nothing is held back for that. `null` when no router has said so in the last three minutes.
    answering: Option<bool>,
    /// Since when it doesn't, as far as the router knows that owns its deliveries now.
    unanswering_since: Option<Timestamp>,
    /// When that router said so last: at once when something changes, else every minute.
    answering_told_at: Option<Timestamp>,
}

/// What routers said of the shards.
pub(crate) struct Words {
    shards: u16,
    said: HashMap<String, Told>,
}

impl Words {
    /// Of all shards.
    pub(crate) async fn all(store: &Store) -> Result<Self, StoreError> {
        Ok(Self::of_entries(store, store.entries(Kind::Answering).await?))
    }

    /// Of the shard of one destination.
    pub(crate) async fn about(store: &Store, destination: &DestinationId) -> Result<Self, StoreError> {
        let shard = answering::shard_of(destination, store.shards());
        let entry = store.entry(Kind::Answering, &answering::entry_id(shard)).await?;
        Ok(Self::of_entries(store, entry))
    }

    fn of_entries(store: &Store, entries: impl IntoIterator<Item = Entry>) -> Self {
        // What a later version says in another way is no word.
        let read = |entry: Entry| Some((entry.id, serde_json::from_slice(&entry.value).ok()?));
        Self { shards: store.shards(), said: entries.into_iter().filter_map(read).collect() }
    }

    /// What they say of a destination.
    pub(crate) fn of(&self, destination: &DestinationId, now: Timestamp) -> Answers {
        let shard = answering::shard_of(destination, self.shards);
        let told = self.said.get(&answering::entry_id(shard));
        let (answering, unanswering_since) = match told.map(|told| told.of(destination, now)) {
            Some(Answering::Yes) => (Some(true), None),
            Some(Answering::No { since }) => (Some(false), Some(since)),
            Some(Answering::Unknown) | None => (None, None),
        };
        Answers { answering, unanswering_since, answering_told_at: told.map(|told| told.at) }
    }
}
