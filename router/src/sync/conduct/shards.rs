//! Which engines the conductor works on: those of the shards that this router owns.

use std::time::Duration;

use tokio::{sync::oneshot, time::timeout};

use super::{Conductor, Done};
use crate::{
    backoff::Backoff,
    sync::{record, worked::Worked},
};

/// How long writing what changed last may hold a shard up that another router is to take.
const STORE_MAX: Duration = Duration::from_secs(1);

impl Conductor {
    /// Lets go of a shard: what is under way is dropped, and made again by whoever has it next.
    pub(super) fn close(&mut self, shard: u16, drained: oneshot::Sender<()>) {
        self.shards.remove(&shard);
        let mut states = Vec::new();
        let metrics = &self.desk.metrics.syncs;
        self.worked.retain(|_, worked| {
            if worked.shard == shard {
                metrics.gone(&worked.board.engine().config.id);
                states.extend(record::newest(std::mem::take(&mut worked.unstored), worked.board.take_stale()));
            }
            worked.shard != shard
        });
        for begun in self.begun.values().filter(|begun| !self.worked.contains_key(&begun.engine)) {
            begun.task.abort();
        }
        self.to_look.retain(|lane| self.worked.contains_key(&lane.destination));
        let desk = self.desk.clone();
        self.done.spawn(async move {
            let _ = timeout(STORE_MAX, record::store(desk, states)).await;
            // The follower may be gone already.
            let _ = drained.send(());
            Done::Other
        });
    }

    /// Works on the engines whose shards are owned and that are configured, and on no others.
    pub(super) fn take_engines(&mut self) {
        let plan = self.plan.borrow().clone();
        let metrics = &self.desk.metrics.syncs;
        self.worked.retain(|token, worked| {
            let stays = plan.engines.contains_key(token);
            if !stays {
                metrics.gone(&worked.board.engine().config.id);
            }
            stays
        });
        for begun in self.begun.values().filter(|begun| !self.worked.contains_key(&begun.engine)) {
            begun.task.abort();
        }
        for (token, engine) in &plan.engines {
            let shard = token.spread(self.desk.store.shards());
            let Some(held) = self.shards.get(&shard).filter(|_| !self.worked.contains_key(token)) else { continue };
            self.lives += 1;
            let known = self.standings.borrow().clone();
            self.worked.insert(*token, Worked::new(engine.clone(), &known, shard, self.lives));
            let (desk, held, id) = (self.desk.clone(), held.clone(), engine.config.id.clone());
            let (token, life, kept) = (*token, self.lives, plan.config.retention.events);
            self.done.spawn(async move {
                let loading = async {
                    let mut backoff = Backoff::store();
                    loop {
                        match record::load(desk.clone(), id.clone(), kept).await {
                            Ok(remembered) => return Done::Loaded(token, life, Box::new(remembered)),
                            Err(error) => {
                                tracing::debug!(engine = %id, %error, "what is known of its syncs can't be read")
                            }
                        }
                        backoff.wait().await;
                    }
                };
                tokio::select! {
                    () = held.ended() => Done::Other,
                    loaded = loading => loaded,
                }
            });
        }
    }
}
