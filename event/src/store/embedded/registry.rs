//! The registry: one row an entry, each write with a revision of its own.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Rows, params};
use tokio::sync::broadcast;

use super::{
    Embedded,
    job::{Answer, Change as Write, EntryRow},
    queue::Kind as Queued,
    read::{Read, ReadError, Snapshot},
    shared::Shared,
    sql::{execute, int, uint},
    work::{Outcome, Work},
};
use crate::{
    StoreError,
    registry::{Change, Entry, Expect, Kind, Put},
};

/// Changes of one kind's entries, from now on.
pub struct Watch {
    shared: Arc<Shared>,
    changes: broadcast::Receiver<(Kind, Change)>,
    kinds: Vec<Kind>,
}

impl Embedded {
    pub(in crate::store) async fn entries(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        self.0.readers.ask(move |from| all(from, kind)).await
    }

    pub(in crate::store) async fn entries_after(
        &self,
        kind: Kind,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.0.readers.ask(move |from| some(from, kind, after, limit)).await
    }

    pub(in crate::store) async fn entry(&self, kind: Kind, id: &str) -> Result<Option<Entry>, StoreError> {
        let id = id.to_owned();
        self.0.readers.ask(move |from| Ok(one(from.db, kind, &id)?)).await
    }

    /// Writes an entry, or removes it when there is no value.
    pub(in crate::store) async fn write_entry(
        &self,
        kind: Kind,
        id: &str,
        value: Option<Bytes>,
        expect: Expect,
    ) -> Result<Put, StoreError> {
        let bytes = value.as_ref().map_or(0, Bytes::len) + id.len();
        let row = EntryRow { kind, id: id.to_owned(), value, expect };
        match self.write(Queued::Completion, Write::Register(row), bytes).await? {
            Answer::Put(put) => Ok(put),
            _ => Err(StoreError::Unavailable("no answer".to_owned())),
        }
    }

    pub(in crate::store) fn watch(&self, kinds: Vec<Kind>) -> Result<Watch, StoreError> {
        self.check_open()?;
        let shared = Arc::clone(&self.0.shared);
        Ok(Watch { changes: shared.changes.subscribe(), shared, kinds })
    }
}

impl Watch {
    /// The next change, waiting for it. Cancel safe.
    pub(in crate::store) async fn next(&mut self) -> Result<Change, StoreError> {
        loop {
            match self.shared.hear(&mut self.changes).await? {
                Some((kind, change)) if self.kinds.contains(&kind) => return Ok(change),
                Some(_) => {}
                None => return Ok(Change::Missed),
            }
        }
    }
}

/// Writes or removes an entry if what stands there is what its writer expects.
pub(super) fn write(work: &mut Work<'_>, row: &EntryRow) -> Outcome {
    let found = one(work.db, row.kind, &row.id)?;
    if !row.expect.is_met(found.as_ref()) || (row.value.is_none() && found.is_none()) {
        return Ok(Ok(Answer::Put(Put::Conflict(found))));
    }
    // A replaced row leaves its revision, and none is given twice: a removal takes one too.
    let sql = "INSERT OR REPLACE INTO registry (kind, id, value) VALUES (?1, ?2, ?3)";
    let value = row.value.as_deref().unwrap_or_default();
    execute(work.db, sql, params![row.kind.word(), row.id.as_bytes(), value])?;
    let revision = work.db.last_insert_rowid();
    let change = match &row.value {
        Some(value) => Change::Put(Entry { id: row.id.clone(), revision: uint(revision), value: value.clone() }),
        None => {
            execute(work.db, "DELETE FROM registry WHERE revision = ?1", [revision])?;
            Change::Removed(row.id.clone())
        }
    };
    work.effects.changes.push((row.kind, change));
    Ok(Ok(Answer::Put(Put::Stored(uint(revision)))))
}

fn one(db: &Connection, kind: Kind, id: &str) -> rusqlite::Result<Option<Entry>> {
    let mut find = db.prepare_cached("SELECT revision, value FROM registry WHERE kind = ?1 AND id = ?2")?;
    let found = find.query_row(params![kind.word(), id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.map(|(revision, value): (i64, Vec<u8>)| Entry {
        id: id.to_owned(),
        revision: uint(revision),
        value: value.into(),
    }))
}

fn all(from: &Snapshot<'_>, kind: Kind) -> Read<Vec<Entry>> {
    let mut rows = from.db.prepare_cached("SELECT id, revision, value FROM registry WHERE kind = ?1 ORDER BY id")?;
    entries(rows.query([kind.word()])?)
}

fn some(from: &Snapshot<'_>, kind: Kind, after: u64, limit: usize) -> Read<Vec<Entry>> {
    // By the table and not by the index of kinds: it is in the order of revisions.
    let sql = "SELECT id, revision, value FROM registry
        WHERE +kind = ?1 AND revision > ?2 ORDER BY revision LIMIT ?3";
    let mut rows = from.db.prepare_cached(sql)?;
    entries(rows.query(params![kind.word(), int(after), int(limit as u64)])?)
}

fn entries(mut rows: Rows<'_>) -> Read<Vec<Entry>> {
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let revision = uint(row.get(1)?);
        let id = String::from_utf8(row.get(0)?)
            .map_err(|error| ReadError::Corrupt(format!("the id of the entry at revision {revision}: {error}")))?;
        found.push(Entry { id, revision, value: row.get::<_, Vec<u8>>(2)?.into() });
    }
    Ok(found)
}
