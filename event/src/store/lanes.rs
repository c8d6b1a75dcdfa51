//! Deliveries that are owed, and how each goes on.

use gatepost_config::Timestamp;

use super::{LaneCount, NextAttempt, Store, StoreError, Tail, Tailed};
use crate::{Attempt, DeadLetter, DeliveryId, Lane, Queued, Task};

impl Store {
    /// Opens a shard's tail: everything that arrives from now on. Open it before asking for [`Self::lanes`].
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn tail(&self, shard: u16) -> Result<Tail, StoreError> {
        match self {
            Self::Embedded(engine) => Ok(Tail::Embedded(engine.tail(shard).await?)),
            Self::Nats(engine) => Ok(Tail::Nats(Box::new(engine.tail(shard).await?))),
        }
    }

    /// The shard's lanes that hold tasks that may be attempted now, with how many.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn lanes(&self, shard: u16) -> Result<Vec<LaneCount>, StoreError> {
        engine!(self.lanes(shard).await)
    }

    /// The first `limit` tasks of a lane after a position, in order, whatever waits elsewhere. Retries that are not due
    /// yet are not in the lane.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn heads(&self, shard: u16, lane: &Lane, after: u64, limit: usize) -> Result<Vec<Queued>, StoreError> {
        engine!(self.heads(shard, lane, after, limit).await)
    }

    /// The last task of a lane, as far as is known: one that arrived just now may be missing.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn newest(&self, shard: u16, lane: &Lane) -> Result<Option<Queued>, StoreError> {
        engine!(self.newest(shard, lane).await)
    }

    /// Ends as synced what stands in a lane up to a position, however much it is; how many.
    ///
    /// # Errors
    /// When the engine can't confirm; any part may have ended, and a repeat ends the rest and counts nothing twice within
    /// the dedupe window.
    pub async fn finish_through(&self, shard: u16, lane: &Lane, through: u64) -> Result<u64, StoreError> {
        engine!(self.finish_through(shard, lane, through).await)
    }

    /// Ends a delivery as delivered, with its last attempt.
    ///
    /// # Errors
    /// When the engine can't confirm; the task may then be attempted again.
    pub async fn finish(&self, shard: u16, queued: &Queued, attempt: &Attempt) -> Result<(), StoreError> {
        engine!(self.finish(shard, queued, attempt).await)
    }

    /// Takes a task out of its lane until `due`, when it arrives in it again with its next attempt number. An ordered
    /// task stays at the head of its lane, with that number and `due` in it.
    ///
    /// # Errors
    /// When the engine can't confirm; the task may then be attempted again.
    pub async fn retry(
        &self,
        shard: u16,
        queued: &Queued,
        attempt: &Attempt,
        due: Timestamp,
    ) -> Result<(), StoreError> {
        engine!(self.retry(shard, queued, attempt, due).await)
    }

    /// Ends a delivery as a dead letter, which takes its own copy of the event. Ends as `expired` when that is the
    /// letter's reason, else as `dead`.
    ///
    /// # Errors
    /// When the engine can't confirm; the task may then be attempted again.
    pub async fn bury(&self, shard: u16, queued: &Queued, letter: &DeadLetter) -> Result<(), StoreError> {
        engine!(self.bury(shard, queued, letter).await)
    }

    /// Owes deliveries of stored events once more. Each must be of a replay ([`Task::replay`]), and is owed once per
    /// replay, event and destination, within the dedupe window at least. Returns how many are newly owed.
    ///
    /// # Errors
    /// When the engine can't confirm; any subset may be owed, and a repeat completes it.
    pub async fn enqueue(&self, tasks: Vec<Task>) -> Result<u64, StoreError> {
        engine!(self.enqueue(tasks).await)
    }

    /// Makes a delivery due at once that waits for a retry's time; `ordered` is the lane it waits in if its route is
    /// ordered. `false` when it does not wait for a time: it is in its lane already, or has ended, or never was.
    ///
    /// # Errors
    /// When the engine can't confirm; repeat it.
    pub async fn hasten(&self, delivery: DeliveryId, ordered: &Lane, now: Timestamp) -> Result<bool, StoreError> {
        engine!(self.hasten(delivery, ordered, now).await)
    }

    /// The attempt whose time a delivery waits for: its own, or that of the first one in its ordered lane, which may be
    /// another delivery's. `ordered` is as in [`Self::hasten`]. `None` when neither waits for a time after `now`.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn next_attempt(
        &self,
        delivery: DeliveryId,
        ordered: &Lane,
        now: Timestamp,
    ) -> Result<Option<NextAttempt>, StoreError> {
        engine!(self.next_attempt(delivery, ordered, now).await)
    }

    /// Deliveries of a shard that wait for a retry's time, after a position, in no order that means anything. Positions
    /// are not those of lanes.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn scheduled(&self, shard: u16, after: u64, limit: usize) -> Result<Vec<Queued>, StoreError> {
        engine!(self.scheduled(shard, after, limit).await)
    }
}

impl Tail {
    /// The next arrival, waiting for it. Cancel safe.
    ///
    /// # Errors
    /// When the engine can't be asked; open the tail again and ask for the lanes.
    pub async fn next(&mut self) -> Result<Tailed, StoreError> {
        engine!(self.next().await)
    }
}
