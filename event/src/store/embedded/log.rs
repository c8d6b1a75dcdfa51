//! Readers that wait: of the log, and of arrivals in lanes.

use std::sync::Arc;

use tokio::sync::{broadcast, watch};

use super::{events, read::Readers, shared::Shared};
use crate::{
    StoreError,
    store::types::{StoredEvent, Tailed},
};

/// The log, read from the committed cursor on.
pub struct Log {
    readers: Readers,
    shared: Arc<Shared>,
    last_sequence: watch::Receiver<u64>,
    read: u64,
}

/// Arrivals in lanes from now on.
pub struct Tail {
    shared: Arc<Shared>,
    arrivals: broadcast::Receiver<Tailed>,
}

impl Log {
    pub(super) fn new(readers: Readers, shared: Arc<Shared>, cursor: u64) -> Self {
        let last_sequence = shared.last_sequence.subscribe();
        Self { readers, shared, last_sequence, read: cursor }
    }

    /// The next events, waiting for them. Cancel safe: what was read moves on only when it is returned.
    pub(in crate::store) async fn next(&mut self, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        loop {
            if self.shared.closed.is_cancelled() {
                return Err(StoreError::Closed);
            }
            let (last, read) = (*self.last_sequence.borrow_and_update(), self.read);
            if last > read {
                let mut events = self.shared.fresh.after(read, limit.max(1));
                if events.is_empty() {
                    events = self.readers.ask(move |from| events::log(from, read, limit.max(1))).await?;
                }
                // Nothing: retention has ended all of them.
                self.read = events.last().map_or(last, |event| event.at.sequence);
                if !events.is_empty() {
                    return Ok(events);
                }
            }
            tokio::select! {
                changed = self.last_sequence.changed() => changed.map_err(|_| StoreError::Closed)?,
                () = self.shared.closed.cancelled() => {}
            }
        }
    }
}

impl Tail {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let arrivals = shared.arrivals.subscribe();
        Self { shared, arrivals }
    }

    /// The next arrival, waiting for it.
    pub(in crate::store) async fn next(&mut self) -> Result<Tailed, StoreError> {
        Ok(self.shared.hear(&mut self.arrivals).await?.unwrap_or(Tailed::Missed))
    }
}
