//! Events that were just routed: what is attempted at once need not be read from the store again.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use gatepost_event::{Event, EventRef, Task, store::StoredEvent};

/// Longest time that an event is remembered: what ends meanwhile in the store is remembered no longer than this.
const AGE_MAX: Duration = Duration::from_secs(5);

/// Most bytes of bodies that are remembered, and of one.
const BYTES_MAX: usize = 8 * 1024 * 1024;
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What an event counts for besides its body.
const META_BYTES: usize = 4 * 1024;

/// The last events, as they were read from the log.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    events: HashMap<Place, Event>,
    order: VecDeque<(Instant, Place, usize)>,
    bytes: usize,
}

/// A partition and a sequence.
type Place = (u16, u64);

impl Recent {
    /// Remembers events; the oldest make room.
    pub(crate) fn remember(&self, events: &[StoredEvent], now: Instant) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for StoredEvent { at, event } in events {
            if let Ok(event) = event
                && event.body.len() <= BODY_BYTES_MAX
            {
                remembered.add(place(at), event.clone(), now);
            }
        }
        remembered.forget(now);
    }

    /// The event of a task, if it is remembered.
    pub(crate) fn event_of(&self, task: &Task, now: Instant) -> Option<Event> {
        if task.copy().is_some() {
            return None;
        }
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.forget(now);
        let event = remembered.events.get(&place(&task.event))?;
        // Another event at its place: the log was made anew since.
        (event.meta.id == task.event.id).then(|| event.clone())
    }
}

impl Remembered {
    fn add(&mut self, place: Place, event: Event, now: Instant) {
        let bytes = event.body.len() + META_BYTES;
        if self.events.insert(place, event).is_none() {
            self.order.push_back((now, place, bytes));
            self.bytes += bytes;
        }
    }

    fn forget(&mut self, now: Instant) {
        while let Some((since, place, bytes)) = self.order.front().copied()
            && (self.bytes > BYTES_MAX || now.saturating_duration_since(since) > AGE_MAX)
        {
            self.order.pop_front();
            self.events.remove(&place);
            self.bytes -= bytes;
        }
    }
}

const fn place(at: &EventRef) -> Place {
    (at.partition, at.sequence)
}

#[cfg(test)]
mod tests;
