//! Telling which destinations don't answer: in the log once each time, in the metrics, and to who writes it down.

use std::sync::Arc;

use gatepost_config::{DestinationId, Timestamp};
use tokio::sync::watch;

use crate::{answering::Shards, metrics::Metrics};

/// Those that were told of.
#[derive(Debug)]
pub(super) struct Told(watch::Sender<Arc<Shards>>);

impl Told {
    /// Of none yet.
    pub(super) const fn new(to: watch::Sender<Arc<Shards>>) -> Self {
        Self(to)
    }

    /// Tells what has changed since it was last asked, and has the metrics say how it stands. `owned` are the shards that
    /// this router works on, `silent` the destinations of each that don't answer.
    pub(super) fn tell<'a>(
        &self,
        owned: impl Iterator<Item = u16>,
        silent: impl Iterator<Item = (u16, &'a DestinationId)>,
        now: Timestamp,
        metrics: &Metrics,
    ) {
        let before = Arc::clone(&self.0.borrow());
        let since = |shard, id| before.get(&shard).and_then(|silent| silent.get(id)).copied();
        let mut shards: Shards = owned.map(|shard| (shard, Default::default())).collect();
        for (shard, id) in silent {
            if let Some(silent) = shards.get_mut(&shard) {
                silent.insert(id.clone(), since(shard, id).unwrap_or(now));
            }
        }
        log(&before, &shards);
        metrics.unanswering(shards.values().flat_map(|silent| silent.keys()));
        if *before != shards {
            self.0.send_replace(Arc::new(shards));
        }
    }
}

fn log(before: &Shards, now: &Shards) {
    let is_in = |shards: &Shards, shard, id| shards.get(shard).is_some_and(|silent| silent.contains_key(id));
    for (shard, destination) in now.iter().flat_map(|(shard, silent)| silent.keys().map(move |id| (shard, id))) {
        if !is_in(before, shard, destination) {
            tracing::warn!(
                %destination,
                "the destination doesn't answer, or only with 429 or 5xx; its deliveries wait, and one at a time probes"
            );
        }
    }
    for (shard, destination) in before.iter().flat_map(|(shard, silent)| silent.keys().map(move |id| (shard, id))) {
        if !is_in(now, shard, destination) {
            tracing::info!(%destination, "nothing is held back for the destination any more");
        }
    }
}
