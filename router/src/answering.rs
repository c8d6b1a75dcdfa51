//! Tells other processes which destinations don't answer: what the dispatcher knows is memory of this one.
//!
//! It is written beside the deliveries' way, for each shard at most once a second and only when it changed, or to be
//! believed on ([`answering::TOLD_EVERY`]).

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use gatepost_config::Timestamp;
use gatepost_event::{
    Store, StoreError,
    answering::{self, Told, Unanswering},
    registry::{Expect, Kind},
};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};

/// Least time between two writes of a shard.
const EVERY: Duration = Duration::from_secs(1);

/// Longest time that a write may take.
const WRITE_MAX: Duration = Duration::from_secs(5);

/// Of every shard that this router works on, which of its destinations don't answer.
pub(crate) type Shards = BTreeMap<u16, Unanswering>;

/// What was written last of a shard.
struct Written {
    at: Instant,
    unanswering: Unanswering,
}

/// Writes down what changes. Never returns.
pub(crate) async fn tell(store: &Store, known: watch::Receiver<Arc<Shards>>) {
    let mut written = HashMap::new();
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let shards = Arc::clone(&known.borrow());
        // Whoever has a shard meanwhile says something else.
        written.retain(|shard, _| shards.contains_key(shard));
        if let Err(error) = write_all(store, &shards, &mut written).await {
            tracing::debug!(%error, "which destinations don't answer could not be written down; trying again");
        }
    }
}

async fn write_all(store: &Store, shards: &Shards, written: &mut HashMap<u16, Written>) -> Result<(), StoreError> {
    for (shard, unanswering) in shards {
        if written.get(shard).is_some_and(|last| last.still_says(unanswering, Instant::now())) {
            continue;
        }
        let writing = timeout(WRITE_MAX, write(store, *shard, unanswering));
        writing.await.map_err(|_| StoreError::Unavailable("it did not answer in time".to_owned()))??;
        written.insert(*shard, Written { at: Instant::now(), unanswering: unanswering.clone() });
    }
    Ok(())
}

async fn write(store: &Store, shard: u16, unanswering: &Unanswering) -> Result<(), StoreError> {
    let told = Told::new(unanswering, Timestamp::now());
    let value = serde_json::to_vec(&told).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let id = answering::entry_id(shard);
    store.put(Kind::Answering, &id, value.into(), Expect::Any).await.map(drop)
}

impl Written {
    fn still_says(&self, unanswering: &Unanswering, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < answering::TOLD_EVERY && self.unanswering == *unanswering
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_written_and_what_did_not_once_in_a_while() {
        let since = Timestamp::from_millis(1_800_000_000_000);
        let down: Unanswering = [("down".parse().expect("an id"), since)].into();
        let now = Instant::now();
        let last = Written { at: now, unanswering: down.clone() };
        assert!(last.still_says(&down, now + answering::TOLD_EVERY - EVERY));
        assert!(!last.still_says(&down, now + answering::TOLD_EVERY));
        assert!(!last.still_says(&Unanswering::new(), now));
    }
}
