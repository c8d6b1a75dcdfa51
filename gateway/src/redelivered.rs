//! Notes that providers sent stored events once more, so that a router re-arms what they are still owed.
//!
//! Beside the answer: nothing waits for a note, and one that finds no place is dropped and counted.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gatepost_config::Timestamp;
use gatepost_event::{
    EventId, Noted, Redelivery, ReplayId, Store,
    store::{Appended, Place},
};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::metrics::Metrics;

/// Notes under way at once.
const NOTES_MAX: usize = 256;

/// How long one may take.
const NOTE_TIME_MAX: Duration = Duration::from_secs(5);

/// The way of notes to the store.
pub(crate) struct Redeliveries {
    store: Store,
    under_way: TaskTracker,
    slots: Arc<Semaphore>,
    metrics: Metrics,
}

impl Redeliveries {
    /// Notes go to `store`, and `under_way` waits for them.
    pub(crate) fn new(store: Store, under_way: TaskTracker, metrics: Metrics) -> Self {
        Self { store, under_way, slots: Arc::new(Semaphore::new(NOTES_MAX)), metrics }
    }

    /// Notes those of a request's events that stood in the log already. Returns at once.
    pub(crate) fn note(&self, events: &[(EventId, Place)], appended: &[Appended]) {
        for ((event, _), appended) in events.iter().zip(appended) {
            let Appended::Duplicate(Some(place)) = *appended else { continue };
            let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
                self.metrics.redelivered("dropped");
                continue;
            };
            let at = Timestamp::now();
            let redelivery = Redelivery { event: *event, place, at, replay: ReplayId::fresh(at) };
            let (store, metrics) = (self.store.clone(), self.metrics.clone());
            self.under_way.spawn(async move {
                let result = match store.note_redelivery(&redelivery, Instant::now() + NOTE_TIME_MAX).await {
                    Ok(Noted::New) => "noted",
                    Ok(Noted::Enough) => "enough",
                    Err(error) => {
                        tracing::debug!(event = %redelivery.event, %error, "a redelivery was not noted");
                        "failed"
                    }
                };
                metrics.redelivered(result);
                drop(slot);
            });
        }
    }
}
