//! Which runs may have a key, without reading them.
//!
//! A Bloom filter for each run, those of 32 runs side by side: a word has the same bit of each of them, so that one look
//! asks all 32. A run takes 128 KiB, two bytes an id, and has one of 1,400 keys that it does not know. Words are as long as
//! the runs are many: of one byte for 8 of them, of two for 16, of four for 32.

use std::collections::VecDeque;

use super::{Key, RUN, run::Run};

/// Bytes of a word, at most.
const WORD_MAX: usize = size_of::<u32>();

/// Bits of each run.
const SLOTS: usize = RUN as usize * 16;

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
    /// Bytes of each word.
    word: usize,
    words: Vec<u8>,
}

impl Filter {
    /// Adds a run, which is later than all others.
    pub(super) fn add(&mut self, run: Run, entries: impl Iterator<Item = u64>) {
        if self.groups.back().is_none_or(|group| group.is_full() && group.word == WORD_MAX) {
            self.groups.push_back(Group { runs: Vec::new(), word: 1, words: vec![0; SLOTS] });
        }
        let Some(group) = self.groups.back_mut() else { return };
        if group.is_full() {
            group.widen();
        }
        group.add(run, entries);
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
    const fn is_full(&self) -> bool {
        self.runs.len() == self.word * u8::BITS as usize
    }

    /// Makes each word twice as long.
    fn widen(&mut self) {
        let mut words = vec![0; self.words.len() * 2];
        for (wide, word) in words.chunks_exact_mut(self.word * 2).zip(self.words.chunks_exact(self.word)) {
            wide.iter_mut().zip(word).for_each(|(to, from)| *to = *from);
        }
        (self.word, self.words) = (self.word * 2, words);
    }

    fn add(&mut self, run: Run, entries: impl Iterator<Item = u64>) {
        let (byte, bit) = (self.runs.len() / u8::BITS as usize, 1 << (self.runs.len() % u8::BITS as usize));
        for slot in entries.flat_map(slots) {
            if let Some(word) = self.words.get_mut(slot * self.word + byte) {
                *word |= bit;
            }
        }
        self.runs.push(run);
    }

    /// A slot's word.
    fn word(&self, slot: usize) -> u32 {
        let word = self.words.get(slot * self.word..(slot + 1) * self.word).unwrap_or_default();
        word.iter().rev().fold(0, |word, byte| word << u8::BITS | u32::from(*byte))
    }

    fn candidates(&self, key: Key) -> impl Iterator<Item = Run> {
        let mut found = u32::MAX;
        for slot in slots(key.0) {
            found &= self.word(slot);
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
    (0..PROBES).map(move |probe| ((first + probe * step) % SLOTS as u64) as usize)
}
