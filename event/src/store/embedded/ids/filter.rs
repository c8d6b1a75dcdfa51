//! Which runs may have a key, without reading them.
//!
//! A Bloom filter for each run, those of 32 runs side by side: a word has the same bit of each of them, so that one look
//! asks all 32. A run takes 128 KiB, two bytes an id, and has one of 1,400 keys that it does not know.

use std::collections::VecDeque;

use super::{Key, RUN, run::Run};

/// Runs side by side: the bits of a word.
const RUNS: usize = u32::BITS as usize;

/// Bits of each run.
const SLOTS: u64 = RUN * 16;

/// Bits that a key sets.
const PROBES: u64 = 7;

/// The filters, oldest runs first.
#[derive(Debug, Default)]
pub(super) struct Filter {
    groups: VecDeque<Group>,
    /// Runs of earlier buckets are forgotten.
    oldest: i64,
}

#[derive(Debug)]
struct Group {
    runs: Vec<Run>,
    words: Vec<u32>,
}

impl Filter {
    /// Adds a run, which is later than all others.
    pub(super) fn add(&mut self, run: Run, entries: impl Iterator<Item = u64>) {
        if self.groups.back().is_none_or(|group| group.runs.len() == RUNS) {
            self.groups.push_back(Group { runs: Vec::new(), words: vec![0; SLOTS as usize] });
        }
        let Some(group) = self.groups.back_mut() else { return };
        let bit = 1 << group.runs.len();
        for slot in entries.flat_map(slots) {
            if let Some(word) = group.words.get_mut(slot) {
                *word |= bit;
            }
        }
        group.runs.push(run);
    }

    /// The runs that may have a key.
    pub(super) fn candidates(&self, key: Key) -> impl Iterator<Item = Run> {
        let runs = self.groups.iter().flat_map(move |group| group.candidates(key));
        runs.filter(|run| run.bucket >= self.oldest)
    }

    /// Forgets the runs of buckets before one.
    pub(super) fn forget_before(&mut self, bucket: i64) {
        self.oldest = self.oldest.max(bucket);
        let over = |group: &Group| group.runs.last().is_none_or(|run| run.bucket < bucket);
        while self.groups.front().is_some_and(over) {
            self.groups.pop_front();
        }
    }
}

impl Group {
    fn candidates(&self, key: Key) -> impl Iterator<Item = Run> {
        let mut found = u32::MAX;
        for slot in slots(key.0) {
            found &= self.words.get(slot).copied().unwrap_or(0);
            if found == 0 {
                break;
            }
        }
        self.runs.iter().enumerate().filter(move |(at, _)| found & (1 << at) != 0).map(|(_, run)| *run)
    }
}

/// The bits that a key sets: two of its parts make all of them, which is as good as more hashes.
fn slots(entry: u64) -> impl Iterator<Item = usize> {
    let (first, step) = (entry >> 44, ((entry >> 24) & 0xf_ffff) | 1);
    (0..PROBES).map(move |probe| ((first + probe * step) % SLOTS) as usize)
}
