//! Writing a delivery's end to the store.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use gatepost_config::Timestamp;
use gatepost_event::{
    Attempt, DeadLetter, DeliveryId, Queued, StoreError, Task,
    erasure::{Remains, Waits},
};

use crate::{backoff::Backoff, delivery::STORE_PATIENCE, step, work::Desk};

/// What a delivery came to, this time.
#[derive(Debug, Clone)]
pub(crate) enum End {
    /// It was taken.
    Done(Attempt),
    /// It goes out again.
    Retry {
        /// The attempt that failed.
        attempt: Attempt,
        /// When.
        at: Timestamp,
    },
    /// It ended without success.
    Dead(Box<DeadLetter>),
    /// Its connection or tenant is erased.
    Erased,
}

/// Whether the store has it, and where the task is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Settled {
    /// The task left its lane.
    Gone,
    /// The task is at the head of its ordered lane, as it stands there now.
    Stays(Box<Queued>),
    /// The store did not confirm: the task is still in its lane, as far as is known.
    No,
    /// The lease ended: whoever owns the shard now decides.
    Abandoned,
}

/// Ends that were reached and not yet confirmed by the store, so that an attempt is not made twice because the store was
/// away when it ended.
#[derive(Debug, Default)]
pub(crate) struct Unconfirmed(Mutex<HashMap<DeliveryId, Reached>>);

/// An end, and of which attempt.
#[derive(Debug)]
struct Reached {
    at: Instant,
    attempt: u32,
    created_at: Timestamp,
    end: Arc<End>,
}

/// Most ends remembered.
const ENDS_MAX: usize = 10_000;

/// Longest time that an end is remembered. What is attempted after a longer outage is attempted again.
const END_AGE_MAX: Duration = Duration::from_secs(120);

/// Largest event that a remembered end may hold.
const END_BODY_BYTES_MAX: usize = 64 * 1024;

/// Writes an end to the store, trying for as long as a slot may be kept.
pub(crate) async fn settle(desk: &Desk, shard: u16, queued: &Queued, end: Arc<End>) -> Settled {
    desk.unconfirmed.remember(&queued.task, &end, Instant::now());
    let writing = async {
        let mut backoff = Backoff::store();
        loop {
            match write(desk, shard, queued, &end).await {
                Ok(()) => return left(queued, &end),
                Err(StoreError::LeaseLost | StoreError::Closed) => return Settled::Abandoned,
                Err(StoreError::Unavailable(_) | StoreError::Full(_)) => backoff.wait().await,
                Err(error @ StoreError::Corrupt(_)) => {
                    let delivery = queued.task.delivery;
                    tracing::error!(%delivery, %error, "a delivery's end could not be stored; it is tried again");
                    return Settled::No;
                }
            }
        }
    };
    let settled = tokio::time::timeout(STORE_PATIENCE, writing).await.unwrap_or(Settled::No);
    if matches!(settled, Settled::Gone | Settled::Stays(_)) {
        desk.unconfirmed.forget(&queued.task);
        tell(desk, &queued.task, &end);
    }
    settled
}

/// Where a task is whose end is stored.
fn left(queued: &Queued, end: &End) -> Settled {
    match end {
        End::Retry { at, .. } if queued.task.ordered => {
            Settled::Stays(Box::new(Queued { position: queued.position, task: queued.task.next_attempt(*at) }))
        }
        _ => Settled::Gone,
    }
}

async fn write(desk: &Desk, shard: u16, queued: &Queued, end: &End) -> Result<(), StoreError> {
    match end {
        End::Done(attempt) => desk.store.finish(shard, queued, attempt).await,
        End::Retry { attempt, at } => desk.store.retry(shard, queued, attempt, *at).await,
        End::Dead(letter) => desk.store.bury(shard, queued, letter).await,
        End::Erased => {
            let owed = Remains::Owed(shard, Waits::InLane, Box::new(queued.clone()));
            desk.store.erase(vec![owed]).await
        }
    }
}

fn tell(desk: &Desk, task: &Task, end: &End) {
    desk.metrics.ended(&task.destination, end);
    match end {
        End::Done(attempt) => step::delivered(task, attempt),
        End::Retry { attempt, at } => step::retrying(task, attempt, *at),
        End::Dead(letter) => step::dead(&task.event, &letter.note),
        End::Erased => {}
    }
}

impl Unconfirmed {
    /// The end that this very attempt reached a little before `now`, when it is known.
    pub(crate) fn recall(&self, task: &Task, now: Instant) -> Option<Arc<End>> {
        let ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let reached = ends.get(&task.delivery)?;
        // A replay begins anew: it has another time of creation.
        let same = reached.attempt == task.attempt && reached.created_at == task.created_at;
        (same && reached.is_fresh(now)).then(|| reached.end.clone())
    }

    fn remember(&self, task: &Task, end: &Arc<End>, now: Instant) {
        let body_bytes = match &**end {
            End::Dead(letter) => letter.event.as_ref().map_or(0, |event| event.body.len()),
            End::Done(_) | End::Retry { .. } | End::Erased => 0,
        };
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.len() >= ENDS_MAX {
            ends.retain(|_, reached| reached.is_fresh(now));
        }
        if ends.len() < ENDS_MAX && body_bytes <= END_BODY_BYTES_MAX {
            let Task { attempt, created_at, .. } = *task;
            ends.insert(task.delivery, Reached { at: now, attempt, created_at, end: end.clone() });
        }
    }

    fn forget(&self, task: &Task) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&task.delivery);
    }
}

impl Reached {
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < END_AGE_MAX
    }
}

#[cfg(test)]
mod tests;
