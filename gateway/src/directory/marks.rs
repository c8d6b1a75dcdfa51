//! Counters of changes, each of all entries whose ids fall to it.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

/// More counters have fewer answers read again after a change of somebody else's entry.
const COUNTERS: usize = 8192;

/// What one counter stood at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    counter: usize,
    at: u64,
}

/// See the module.
pub(super) struct Marks {
    counters: Vec<AtomicU64>,
    hasher: RandomState,
}

impl Default for Marks {
    fn default() -> Self {
        Self { counters: (0..COUNTERS).map(|_| AtomicU64::new(0)).collect(), hasher: RandomState::new() }
    }
}

impl Marks {
    /// What the counter of an entry stands at.
    pub(super) fn of(&self, id: &str) -> Mark {
        let counter = self.counter(id);
        Mark { counter, at: self.read(counter) }
    }

    /// Whether no counter has moved.
    pub(super) fn stand_at(&self, marks: &[Mark]) -> bool {
        marks.iter().all(|mark| self.read(mark.counter) == mark.at)
    }

    /// Something of an entry has changed.
    pub(super) fn move_on(&self, id: &str) {
        if let Some(counter) = self.counters.get(self.counter(id)) {
            counter.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Anything may have changed.
    pub(super) fn move_all(&self) {
        for counter in &self.counters {
            counter.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// What all counters stand at, to be asked of many entries that are read at once.
    pub(super) fn all(&self) -> impl Fn(&str) -> Mark + use<'_> {
        let now: Vec<u64> = (0..COUNTERS).map(|counter| self.read(counter)).collect();
        move |id| {
            let counter = self.counter(id);
            Mark { counter, at: now.get(counter).copied().unwrap_or_default() }
        }
    }

    fn counter(&self, id: &str) -> usize {
        usize::try_from(self.hasher.hash_one(id) % COUNTERS as u64).unwrap_or_default()
    }

    fn read(&self, counter: usize) -> u64 {
        self.counters.get(counter).map_or(0, |counter| counter.load(Ordering::Acquire))
    }
}
