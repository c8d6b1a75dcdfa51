//! The log: events in, events out, and how far they are routed.

use std::time::Instant;

use gatepost_config::Timestamp;

use super::{Appended, Item, Lease, Log, Routed, Span, Store, StoreError, StoredEvent};
use crate::{Event, EventRef, Task};

impl Store {
    /// Stores the items of one request, all in flight together.
    ///
    /// `Ok` only after every item is confirmed, with one answer each, in order. On an error any subset may have been
    /// stored: the provider's retry completes it. An id is stored once within the dedupe window, also when its copies
    /// are appended at the same time; [`Appended::Duplicate`] means that the first copy is confirmed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the engine can't confirm before `deadline` (at once when it is known to be
    /// away), [`StoreError::Full`] when it has no room.
    pub async fn append(&self, items: Vec<Item>, deadline: Instant) -> Result<Vec<Appended>, StoreError> {
        engine!(self.append(items, deadline).await)
    }

    /// Opens a partition's log at its committed cursor.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn log(&self, lease: &Lease, partition: u16) -> Result<Log, StoreError> {
        match self {
            Self::Embedded(engine) => Ok(Log::Embedded(engine.log(lease, partition).await?)),
            Self::Nats(engine) => Ok(Log::Nats(Box::new(engine.log(lease, partition).await?))),
        }
    }

    /// Records what routing made of the events up to `routed.through`: tasks, ends and dead letters first, then the
    /// cursor (at once embedded; at most a second or 1,000 events late on NATS). A repeat after a crash adds nothing
    /// within the dedupe window.
    ///
    /// Several may be under way at once, in the order of their events, each `after` the one before it: the cursor does
    /// not pass what is not recorded. Tasks of ordered lanes may be under way in one at a time.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when another owner has moved the cursor; otherwise when the engine can't confirm.
    pub async fn routed(&self, lease: &Lease, routed: Routed) -> Result<(), StoreError> {
        engine!(self.routed(lease, routed).await)
    }

    /// Reads one event; `None` when its retention has ended.
    ///
    /// # Errors
    /// When the engine can't be asked or the stored bytes are not an event.
    pub async fn event(&self, event: &EventRef) -> Result<Option<Event>, StoreError> {
        engine!(self.event(event).await)
    }

    /// Reads the event that a task is about: its own copy when it carries one, else the log's. `None` when it is gone.
    ///
    /// # Errors
    /// As [`Self::event`].
    pub async fn event_of(&self, task: &Task) -> Result<Option<Event>, StoreError> {
        match task.copy() {
            Some(copy) => engine!(self.copied(&copy).await),
            None => self.event(&task.event).await,
        }
    }

    /// Reads some events together that will be wanted soon, those that it is cheap to read so: any may be missing, as are
    /// those with bodies too large to stand in the log. What is read may be another event than the one at its place.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn events_at(&self, places: Vec<EventRef>) -> Result<Vec<StoredEvent>, StoreError> {
        match places.len() {
            0 | 1 => Ok(Vec::new()),
            _ => engine!(self.events_at(places).await),
        }
    }

    /// Where the part of a partition's log stands that was stored from `since` on, or all that is kept.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn span(&self, partition: u16, since: Option<Timestamp>) -> Result<Span, StoreError> {
        engine!(self.span(partition, since).await)
    }

    /// Stored events of a partition in their order, after a place: at most `limit`, fewer when they are large, none only
    /// at the log's end.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn events(&self, partition: u16, after: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        engine!(self.events(partition, after, limit).await)
    }

    /// Up to where a partition's events were routed, as far as that is written down.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn routed_through(&self, partition: u16) -> Result<u64, StoreError> {
        engine!(self.routed_to(partition).await)
    }
}

impl Log {
    /// The next events, at least one and at most `limit`, waiting for them. Cancel safe: what was not returned comes
    /// again.
    ///
    /// # Errors
    /// When the engine can't be asked; open the log again.
    pub async fn next(&mut self, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        engine!(self.next(limit).await)
    }
}
