//! Keys in memory, and where their events stand.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use super::Key;

/// Sequences by their keys, in no order.
#[derive(Debug, Default)]
pub(super) struct Recent {
    first: HashMap<Key, u64, BuildHasherDefault<AsItIs>>,
    /// Of keys that have several: next to none.
    more: Vec<(Key, u64)>,
}

/// A key is a part of a hash already.
#[derive(Debug, Default)]
pub(super) struct AsItIs(u64);

impl Recent {
    /// An event of a key stands there.
    pub(super) fn add(&mut self, key: Key, sequence: u64) {
        if *self.first.entry(key).or_insert(sequence) != sequence {
            self.more.push((key, sequence));
        }
    }

    /// Where events of a key stand.
    pub(super) fn of(&self, key: Key) -> impl Iterator<Item = u64> {
        let more = self.more.iter().filter(move |(of, _)| *of == key).map(|(_, sequence)| *sequence);
        self.first.get(&key).copied().into_iter().chain(more)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, u64)> {
        self.first.iter().map(|(key, sequence)| (*key, *sequence)).chain(self.more.iter().copied())
    }

    /// Forgets what stands before a sequence.
    pub(super) fn keep_from(&mut self, from: u64) {
        self.first.retain(|_, sequence| *sequence >= from);
        self.more.retain(|(_, sequence)| *sequence >= from);
    }
}

impl Hasher for AsItIs {
    fn write_u64(&mut self, key: u64) {
        // A table goes by the highest and the lowest bits; a key's lowest are zeros.
        self.0 = key.rotate_left(32);
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
