//! A run: the ids of [`RUN`] sequences of a bucket, sorted, in rows by the first byte of their keys.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Key, RUN, Spot};
use crate::store::embedded::sql::{execute, int, uint};

/// Rows of a run.
const PARTS: u64 = 256;

/// Bytes of an entry: its key, and which of the run's sequences it has.
const ENTRY_BYTES: usize = 8;

/// Which run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Of which bucket.
    pub(super) bucket: i64,
    /// From 0.
    pub(super) number: u64,
    /// Its first sequence.
    pub(super) from: u64,
}

impl Run {
    /// An id's entry, if it belongs into this run.
    pub(super) fn entry(&self, key: Key, sequence: u64) -> Option<u64> {
        let offset = sequence.checked_sub(self.from).filter(|offset| *offset < RUN)?;
        Some(key.0 | offset)
    }

    /// Writes sorted entries.
    pub(super) fn write(&self, db: &Connection, entries: &[u64]) -> rusqlite::Result<()> {
        let sql = format!("INSERT INTO ids_{} (place, entries) VALUES (?1, ?2)", self.bucket);
        let mut rest = entries;
        for part in 0..PARTS {
            let (these, others) = rest.split_at(rest.partition_point(|entry| part_of(*entry) <= part));
            let bytes: Vec<u8> = these.iter().flat_map(|entry| entry.to_be_bytes()).collect();
            execute(db, &sql, params![self.place(part), bytes])?;
            rest = others;
        }
        Ok(())
    }

    /// Adds where events of a key may stand.
    pub(super) fn find(&self, db: &Connection, key: Key, spots: &mut Vec<Spot>) -> rusqlite::Result<()> {
        let sql = format!("SELECT entries FROM ids_{} WHERE place = ?1", self.bucket);
        let mut find = db.prepare_cached(&sql)?;
        let mut rows = find.query([self.place(part_of(key.0))])?;
        if let Some(row) = rows.next()? {
            let found = entries(row.get_ref(0)?.as_blob()?).filter(|entry| entry & !Key::OFFSET == key.0);
            let sequences = found.map(|entry| self.from + (entry & Key::OFFSET));
            spots.extend(sequences.map(|sequence| Spot { bucket: self.bucket, sequence }));
        }
        Ok(())
    }

    /// All its entries.
    pub(super) fn read(&self, db: &Connection) -> rusqlite::Result<Vec<u64>> {
        let sql = format!("SELECT entries FROM ids_{} WHERE place BETWEEN ?1 AND ?2", self.bucket);
        let mut read = db.prepare_cached(&sql)?;
        let mut rows = read.query([self.place(0), self.place(PARTS - 1)])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.extend(entries(row.get_ref(0)?.as_blob()?));
        }
        Ok(all)
    }

    fn place(&self, part: u64) -> i64 {
        int(self.number * PARTS + part)
    }
}

/// How many runs a bucket has.
pub(super) fn count(db: &Connection, bucket: i64) -> rusqlite::Result<u64> {
    let sql = format!("SELECT max(place) FROM ids_{bucket}");
    let last: Option<Option<i64>> = db.query_row(&sql, [], |row| row.get(0)).optional()?;
    Ok(last.flatten().map_or(0, |place| uint(place) / PARTS + 1))
}

/// The first byte of a key.
const fn part_of(entry: u64) -> u64 {
    entry >> 56
}

fn entries(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks_exact(ENTRY_BYTES).filter_map(|entry| entry.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)))
}
