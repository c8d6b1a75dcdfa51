//! Events at hand: those that were just routed, and those that were read because their turn is near. What is attempted
//! soon need not be read from the store by itself.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use gatepost_event::{EventRef, Task};

use crate::carried::Carried;

/// Longest time that an event is remembered: what ends meanwhile in the store is remembered no longer than this.
pub(crate) const AGE_MAX: Duration = Duration::from_secs(5);

/// Most bytes of bodies that are remembered, and of one.
const BYTES_MAX: usize = 8 * 1024 * 1024;
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;

/// What an event counts for besides its body.
pub(crate) const META_BYTES: usize = 4 * 1024;

/// The last events, as they were read from the store.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    events: HashMap<Place, Arc<Carried>>,
    order: VecDeque<(Instant, Place, usize)>,
    bytes: usize,
}

/// A partition and a sequence.
type Place = (u16, u64);

impl Recent {
    /// Remembers events; the oldest make room.
    pub(crate) fn remember(&self, events: impl Iterator<Item = (EventRef, Carried)>, now: Instant) {
        // Made ready before anybody is kept waiting.
        let fits = |(_, event): &(EventRef, Carried)| event.body.len() <= BODY_BYTES_MAX;
        let events: Vec<_> = events.filter(fits).map(|(at, event)| (place(&at), Arc::new(event))).collect();
        let mut remembered = self.remembered();
        for (place, event) in events {
            remembered.add(place, event, now);
        }
        remembered.forget(now);
    }

    /// The event of a task, if it is remembered.
    pub(crate) fn event_of(&self, task: &Task, now: Instant) -> Option<Arc<Carried>> {
        if task.copy().is_some() {
            return None;
        }
        let mut remembered = self.remembered();
        remembered.forget(now);
        let event = remembered.events.get(&place(&task.event))?;
        // Another event at its place: the log was made anew since.
        (event.meta.id == task.event.id).then(|| event.clone())
    }

    /// Leaves out what is remembered.
    pub(crate) fn missing(&self, mut places: Vec<EventRef>) -> Vec<EventRef> {
        let remembered = self.remembered();
        places.retain(|at| !remembered.events.contains_key(&place(at)));
        places
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    fn add(&mut self, place: Place, event: Arc<Carried>, now: Instant) {
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
