//! What a sync was owed for that failed too often: dead letters, each with its own copy of its event.

use std::sync::Arc;

use gatepost_config::Timestamp;
use gatepost_event::{DeadLetter, DeadReason, Lane, Queued, StoreError, dead::DeadNote};

use super::board::Go;
use crate::{
    delivery::note_of,
    lease::Held,
    settle::{self, End, Settled},
    work::Desk,
};

/// Tasks read at a time.
const PAGE: usize = 64;

/// What is given up.
pub(super) struct Lost {
    /// The run that failed last.
    pub(super) go: Go,
    /// Where its tasks wait.
    pub(super) lane: Lane,
    /// In which shard.
    pub(super) shard: u16,
    /// How often it was tried.
    pub(super) tries: u32,
    /// Why it failed last, for people.
    pub(super) error: String,
}

/// Ends as dead what stands in the lane up to what the run was for; `false` when the store did not confirm all of it.
pub(super) async fn give_up(desk: Arc<Desk>, held: Held, lost: Lost) -> bool {
    tokio::select! {
        biased;
        () = held.attempts_ended() => false,
        done = bury_all(&desk, &lost) => done,
    }
}

async fn bury_all(desk: &Desk, lost: &Lost) -> bool {
    let through = lost.go.through.unwrap_or(0);
    loop {
        let Ok(mut heads) = desk.store.heads(lost.shard, &lost.lane, 0, PAGE).await else { return false };
        heads.retain(|head| head.position <= through);
        if heads.is_empty() {
            return true;
        }
        for head in heads {
            if !bury(desk, lost, head).await {
                return false;
            }
        }
    }
}

async fn bury(desk: &Desk, lost: &Lost, queued: Queued) -> bool {
    let event = match desk.store.event_of(&queued.task).await {
        Ok(event) => event,
        Err(StoreError::Corrupt(_)) => None,
        Err(_) => return false,
    };
    let detail = Some(format!("the sync failed too often: {}", lost.error));
    let note = note_of(&queued.task, DeadReason::Exhausted, detail, None, Timestamp::now());
    let note = DeadNote { attempts: lost.tries, ..note };
    let end = End::Dead(Box::new(DeadLetter { note, event }));
    settle::settle(desk, lost.shard, &queued, Arc::new(end)).await == Settled::Gone
}
