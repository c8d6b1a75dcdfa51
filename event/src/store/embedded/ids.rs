//! Which ids the log has within the dedupe window, and where.
//!
//! An index of random ids in a B-tree writes a page of its own for almost every event. So ids are in none: the last ones of
//! each bucket are in memory, and every [`RUN`] of them are written as one sorted run. A filter in memory says which runs
//! may have an id. Memory and filter are made anew when the store opens, from the runs and from the events behind them.
//!
//! What is kept of an id is a [`Key`], a part of its hash. Where a key leads, the event's own id decides: keys that are
//! the same by chance cost a look and nothing else, and so does a key whose event was deleted.

mod filter;
mod load;
mod recent;
mod run;

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use self::{filter::Filter, recent::Recent, run::Run};
use super::bucket::Bucket;

/// Sequences of one run; few in tests, so that they meet many runs.
const RUN: u64 = if cfg!(test) { 16 } else { 65_536 };

/// 48 bits of an id's hash, before 16 zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key(u64);

/// Where an event of a key may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) bucket: i64,
    pub(super) sequence: u64,
}

/// The ids of one transaction under way.
#[derive(Debug, Default)]
pub(super) struct Added(BTreeSet<(Key, Spot)>);

/// The ids of everything that is committed, of the buckets that reach into the window.
#[derive(Debug, Default)]
pub(super) struct Ids {
    latest: BTreeMap<i64, Latest>,
    filter: Filter,
}

/// The ids of a bucket that are in no run yet.
#[derive(Debug)]
struct Latest {
    /// The sequence that the next run begins with.
    from: u64,
    /// The number of the next run.
    number: u64,
    /// The bucket's last sequence.
    last: u64,
    ids: Recent,
}

/// Ids that are to be written as a run.
#[derive(Debug)]
pub(super) struct Full {
    run: Run,
    /// Each in eight bytes: its key, and in place of the zeros which of the run's sequences it has.
    entries: Vec<u64>,
}

impl Key {
    /// Marks the part of an entry that is not the key.
    const OFFSET: u64 = 0xffff;

    pub(super) fn of(id: &str) -> Self {
        let hash = Sha256::digest(id.as_bytes()).first_chunk().map_or(0, |head| u64::from_be_bytes(*head));
        // In tests there are only 4096 keys, so that they meet some that are the same by chance.
        let hash = if cfg!(test) { (hash >> 52).wrapping_mul(0x9e37_79b9_7f4a_7c15) } else { hash };
        Self(hash & !Self::OFFSET)
    }
}

impl Added {
    /// An event is at the end of the log.
    pub(super) fn add(&mut self, key: Key, spot: Spot) {
        self.0.insert((key, spot));
    }

    fn spots(&self, key: Key) -> impl Iterator<Item = Spot> {
        let (first, last) = (Spot { bucket: i64::MIN, sequence: 0 }, Spot { bucket: i64::MAX, sequence: u64::MAX });
        self.0.range((key, first)..=(key, last)).map(|(_, spot)| *spot)
    }
}

impl Ids {
    /// Where events of a key may stand, oldest first, those of the transaction under way too.
    pub(super) fn spots(&self, db: &Connection, added: &Added, key: Key) -> rusqlite::Result<Vec<Spot>> {
        let mut spots: Vec<Spot> = added.spots(key).collect();
        for (bucket, latest) in &self.latest {
            spots.extend(latest.ids.of(key).map(|sequence| Spot { bucket: *bucket, sequence }));
        }
        for run in self.filter.candidates(key) {
            run.find(db, key, &mut spots)?;
        }
        spots.sort_unstable();
        Ok(spots)
    }

    /// A transaction was committed.
    pub(super) fn commit(&mut self, added: Added, buckets: &[Bucket]) {
        for (key, Spot { bucket, sequence }) in added.0 {
            let first = || buckets.iter().find(|one| one.number == bucket).map_or(sequence, |one| one.first_sequence);
            self.latest.entry(bucket).or_insert_with(|| Latest::new(first(), 0)).add(key, sequence);
        }
    }

    /// Forgets the ids of all other buckets, which nobody looks for any more.
    pub(super) fn keep(&mut self, in_window: &[Bucket]) {
        let Some(first) = in_window.first().map(|bucket| bucket.number) else {
            *self = Self::default();
            return;
        };
        while self.latest.first_key_value().is_some_and(|(number, _)| *number < first) {
            self.latest.pop_first();
        }
        self.filter.forget_before(first);
    }

    /// Ids that are to be written as a run by now, if there are so many.
    pub(super) fn full(&self) -> Option<Full> {
        let (bucket, latest) = self.latest.iter().find(|(_, latest)| latest.is_full())?;
        let run = Run { bucket: *bucket, number: latest.number, from: latest.from };
        let mut entries = Vec::with_capacity(RUN as usize);
        entries.extend(latest.ids.iter().filter_map(|(key, sequence)| run.entry(key, sequence)));
        entries.sort_unstable();
        Some(Full { run, entries })
    }

    /// A run was written.
    pub(super) fn written(&mut self, full: &Full) {
        let Full { run, entries } = full;
        self.filter.add(*run, entries.iter().copied());
        if let Some(latest) = self.latest.get_mut(&run.bucket) {
            latest.from = run.from + RUN;
            latest.number = run.number + 1;
            latest.ids.keep_from(latest.from);
        }
    }
}

impl Latest {
    fn new(from: u64, number: u64) -> Self {
        Self { from, number, last: 0, ids: Recent::new(from) }
    }

    fn add(&mut self, key: Key, sequence: u64) {
        self.last = self.last.max(sequence);
        self.ids.add(key, sequence);
    }

    const fn is_full(&self) -> bool {
        self.last + 1 >= self.from + RUN
    }
}

impl Full {
    /// Writes the run.
    pub(super) fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        self.run.write(db, &self.entries)
    }
}

#[cfg(test)]
mod tests;
