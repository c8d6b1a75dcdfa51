//! Keys in memory, and where their events stand.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasherDefault, Hash, Hasher},
};

use super::{Key, RUN};

/// Sequences by their keys, in no order. Those of a run's length take eight bytes each.
#[derive(Debug)]
pub(super) struct Recent {
    /// No sequence is before it.
    from: u64,
    /// How far behind `from`, by keys.
    first: HashMap<Short, u16, BuildHasherDefault<AsItIs>>,
    /// Those of keys that have several, and those too far behind: next to none.
    more: BTreeSet<(Key, u64)>,
}

/// A key without the zeros at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Short([u8; 6]);

/// A key is a part of a hash already.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Recent {
    pub(super) fn new(from: u64) -> Self {
        Self { from, first: HashMap::default(), more: BTreeSet::new() }
    }

    /// An event of a key stands there.
    pub(super) fn add(&mut self, key: Key, sequence: u64) {
        let offset = sequence.checked_sub(self.from).filter(|offset| *offset < RUN);
        let is_first = match offset.and_then(|offset| u16::try_from(offset).ok()) {
            Some(offset) => *self.first.entry(Short::of(key)).or_insert(offset) == offset,
            None => false,
        };
        if !is_first {
            self.more.insert((key, sequence));
        }
    }

    /// Where events of a key stand.
    pub(super) fn of(&self, key: Key) -> impl Iterator<Item = u64> {
        let first = self.first.get(&Short::of(key)).map(|offset| self.from + u64::from(*offset));
        first.into_iter().chain(self.more.range((key, 0)..=(key, u64::MAX)).map(|(_, sequence)| *sequence))
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, u64)> {
        let first = self.first.iter().map(|(key, offset)| (key.key(), self.from + u64::from(*offset)));
        first.chain(self.more.iter().copied())
    }

    /// Forgets what stands before a sequence.
    pub(super) fn keep_from(&mut self, from: u64) {
        let left: Vec<(Key, u64)> = self.iter().filter(|(_, sequence)| *sequence >= from).collect();
        self.from = from;
        self.first.clear();
        self.more.clear();
        for (key, sequence) in left {
            self.add(key, sequence);
        }
    }
}

impl Short {
    fn of(Key(key): Key) -> Self {
        let [a, b, c, d, e, f, ..] = key.to_be_bytes();
        Self([a, b, c, d, e, f])
    }

    fn key(self) -> Key {
        let [a, b, c, d, e, f] = self.0;
        Key(u64::from_be_bytes([a, b, c, d, e, f, 0, 0]))
    }
}

impl Hash for Short {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.key().0);
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
