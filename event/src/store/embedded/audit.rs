//! The audit log: one row an act, the oldest go when there are too many.

use rusqlite::params;

use super::{
    Embedded,
    job::{ActRow, Answer, Change, unwritable},
    queue::Kind,
    read::{Read, Snapshot},
    sql::{execute, int, uint},
    work::{Outcome, Work},
};
use crate::{Act, StoreError, audit::ACTS_MAX};

impl Embedded {
    pub(in crate::store) async fn note_act(&self, act: &Act) -> Result<(), StoreError> {
        let row = ActRow { id: act.id, at: act.at, json: serde_json::to_string(act).map_err(unwritable)? };
        let bytes = row.json.len();
        self.write(Kind::Completion, Change::Note(row), bytes).await.map(drop)
    }

    pub(in crate::store) async fn acts(&self, before: u64, limit: usize) -> Result<Vec<(u64, Act)>, StoreError> {
        self.0.readers.ask(move |from| newest(from, before, limit)).await
    }
}

/// Adds an act, unless it is there.
pub(super) fn note(work: &Work<'_>, row: &ActRow) -> Outcome {
    let insert = "INSERT INTO act (id, at, act) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO NOTHING";
    if execute(work.db, insert, params![row.id.to_string(), row.at.millis(), row.json])? > 0 {
        let last = uint(work.db.last_insert_rowid());
        execute(work.db, "DELETE FROM act WHERE position <= ?1", [int(last.saturating_sub(ACTS_MAX))])?;
    }
    Ok(Ok(Answer::Done))
}

fn newest(from: &Snapshot<'_>, before: u64, limit: usize) -> Read<Vec<(u64, Act)>> {
    let sql = "SELECT position, act FROM act WHERE position < ?1 ORDER BY position DESC LIMIT ?2";
    let mut rows = from.db.prepare_cached(sql)?;
    let before = i64::try_from(before).unwrap_or(i64::MAX);
    let found = rows
        .query_map(params![before, int(limit as u64)], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    found
        .map(|row| {
            let (position, json) = row?;
            Ok((uint(position), serde_json::from_str(&json)?))
        })
        .collect()
}
