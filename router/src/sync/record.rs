//! What the store remembers of syncs: read when an engine's shard is taken, written a little later than it changes.

use std::{collections::HashMap, sync::Arc, time::Duration};

use gatepost_config::{SyncEngineId, Timestamp};
use gatepost_event::{
    StoreError,
    registry::{Expect, Kind, Put},
    sync::{SyncState, SyncWish},
};

use tokio::task::JoinSet;

use crate::work::Desk;

/// Entries read at a time.
const PAGE: usize = 2048;

/// Writes under way at once.
const AT_ONCE: usize = 32;

/// What is known of an engine's syncs.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) states: Vec<SyncState>,
    pub(super) wishes: Vec<(String, u64, SyncWish)>,
}

/// Reads what is known of an engine's syncs, and forgets what is older than `kept`.
pub(super) async fn load(desk: Arc<Desk>, engine: SyncEngineId, kept: Duration) -> Result<Remembered, StoreError> {
    let limit = Timestamp::now().before(kept);
    let (mut states, mut old, mut after) = (HashMap::new(), Vec::new(), 0);
    loop {
        let page = desk.store.entries_after(Kind::Sync, after, PAGE).await?;
        after = page.last().map_or(after, |entry| entry.revision);
        let is_last = page.len() < PAGE;
        for entry in page {
            let Some(state) = SyncState::of(&entry).filter(|state| state.key.engine == engine) else { continue };
            let last = state.triggered_at.max(state.succeeded_at).max(state.retry_at);
            match last.is_some_and(|last| last < limit) {
                true => old.push((entry.id, entry.revision)),
                // One that was written meanwhile comes again, newer.
                false => drop(states.insert(entry.id, state)),
            }
        }
        if is_last {
            break;
        }
    }
    for (id, revision) in old {
        let _ = desk.store.remove(Kind::Sync, &id, Expect::Revision(revision)).await?;
    }
    let of_engine = |entry: gatepost_event::registry::Entry| {
        let wish = SyncWish::of(&entry).filter(|wish| wish.key.engine == engine)?;
        Some((entry.id, entry.revision, wish))
    };
    let wishes = desk.store.entries(Kind::SyncWish).await?.into_iter().filter_map(of_engine).collect();
    Ok(Remembered { states: states.into_values().collect(), wishes })
}

/// Writes states; those that the store did not confirm come back.
pub(super) async fn store(desk: Arc<Desk>, states: Vec<SyncState>) -> Vec<SyncState> {
    let (mut writes, mut unstored) = (JoinSet::new(), Vec::new());
    for state in states {
        if writes.len() >= AT_ONCE {
            unstored.extend(writes.join_next().await.and_then(Result::ok).flatten());
        }
        writes.spawn(write(desk.clone(), state));
    }
    while let Some(written) = writes.join_next().await {
        unstored.extend(written.ok().flatten());
    }
    unstored
}

async fn write(desk: Arc<Desk>, state: SyncState) -> Option<SyncState> {
    let json = serde_json::to_vec(&state).ok()?;
    match desk.store.put(Kind::Sync, &state.key.id(), json.into(), Expect::Any).await {
        Ok(Put::Stored(_) | Put::TooLong | Put::Conflict(_)) => None,
        Err(_) => Some(state),
    }
}

/// A wish has come true. What was asked since then stays.
pub(super) async fn fulfil(desk: Arc<Desk>, id: String, revision: u64) {
    if let Err(error) = desk.store.remove(Kind::SyncWish, &id, Expect::Revision(revision)).await {
        tracing::debug!(sync = id, %error, "a wish for a run could not be taken away; it runs again");
    }
}

/// The newest states of each sync, when some that were not stored meet newer ones.
pub(super) fn newest(older: Vec<SyncState>, newer: Vec<SyncState>) -> Vec<SyncState> {
    let mut states: HashMap<String, SyncState> = older.into_iter().map(|state| (state.key.id(), state)).collect();
    states.extend(newer.into_iter().map(|state| (state.key.id(), state)));
    states.into_values().collect()
}
