//! The last events of the log, in memory: whoever follows it need not read from the disk what was just committed.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use gatepost_config::Timestamp;

use super::packed;
use crate::{EventId, EventRef, store::types::StoredEvent};

/// Most events that are remembered, and most bytes of them.
const EVENTS_MAX: usize = 4096;
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// An event as it was committed, with its body.
#[derive(Debug, Clone)]
pub(super) struct Logged {
    pub(super) sequence: u64,
    pub(super) id: EventId,
    pub(super) received_at: Timestamp,
    pub(super) frame: Bytes,
}

/// The last events, without a gap between them.
#[derive(Debug, Default)]
pub(super) struct Fresh(Mutex<Events>);

#[derive(Debug, Default)]
struct Events {
    events: VecDeque<Logged>,
    bytes: usize,
}

impl Fresh {
    /// Events were committed, in order. Not all of them: what is behind one that is missing is forgotten.
    pub(super) fn add(&self, logged: Vec<Logged>) {
        let mut fresh = self.lock();
        for event in logged {
            fresh.add(event);
        }
    }

    /// Nobody follows the log.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// The events right after a sequence, if they are here.
    pub(super) fn after(&self, sequence: u64, limit: usize) -> Vec<StoredEvent> {
        let found: Vec<Logged> = {
            let fresh = self.lock();
            let Some(first) = fresh.events.front().map(|event| event.sequence) else { return Vec::new() };
            let Some(skipped) = (sequence + 1).checked_sub(first) else { return Vec::new() };
            fresh.events.iter().skip(skipped as usize).take(limit).cloned().collect()
        };
        found.into_iter().map(Logged::read).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events {
    fn add(&mut self, event: Logged) {
        if self.events.back().is_some_and(|last| last.sequence + 1 != event.sequence) {
            self.clear();
        }
        self.bytes += event.frame.len();
        self.events.push_back(event);
        while self.events.len() > EVENTS_MAX || self.bytes > BYTES_MAX {
            let Some(event) = self.events.pop_front() else { return };
            self.bytes -= event.frame.len();
        }
    }

    fn clear(&mut self) {
        self.events.clear();
        self.bytes = 0;
    }
}

impl Logged {
    fn read(self) -> StoredEvent {
        let at = EventRef { id: self.id, partition: 0, sequence: self.sequence, received_at: self.received_at };
        StoredEvent { at, event: packed::event(self.frame) }
    }
}
