//! Refused requests: sealed, each under its id.

use rusqlite::{OptionalExtension, Row, params};

use super::{
    brief::{self, What},
    job::{Answer, RefusalRow},
    read::{Read, ReadError, Snapshot},
    sql::{execute, uint},
    work::{Outcome, Work},
};
use crate::{RefusalKey, RequestId, SealedRefusal};

/// Refused requests that one transaction forgets.
pub(super) const FORGOTTEN_MAX: usize = 256;

/// Keeps a refused request.
pub(super) fn keep(work: &Work<'_>, row: &RefusalRow) -> Outcome {
    let insert = "INSERT INTO quarantine (request, integration, reason, source, bytes, received_at, refusal, sealed)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (request) DO NOTHING";
    let key = &row.key;
    let values = params![
        key.request.token().as_str(),
        key.integration.as_str(),
        key.reason,
        key.source,
        i64::try_from(key.bytes).unwrap_or(i64::MAX),
        row.received_at.millis(),
        row.json,
        &*row.sealed
    ];
    if execute(work.db, insert, values)? == 1 {
        brief::inserted(work, &row.integration, What::Refusal, row.received_at)?;
    }
    Ok(Ok(Answer::Done))
}

/// Keeps some no more.
pub(super) fn forget(work: &Work<'_>, requests: &[RequestId]) -> Outcome {
    for request in requests {
        execute(work.db, "DELETE FROM quarantine WHERE request = ?1", [request.token().as_str()])?;
    }
    Ok(Ok(Answer::Done))
}

/// See [`crate::Store::quarantine_mark`].
pub(super) fn mark(from: &Snapshot<'_>) -> Read<u64> {
    let mut find = from.db.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'quarantine'")?;
    Ok(uint(find.query_row([], |row| row.get(0)).optional()?.unwrap_or(0)))
}

/// What says that each is there, or one; ordered by time.
pub(super) fn keys(from: &Snapshot<'_>, request: Option<RequestId>) -> Read<Vec<RefusalKey>> {
    let sql = "SELECT request, integration, reason, source, bytes FROM quarantine
        WHERE ?1 IS NULL OR request = ?1 ORDER BY request";
    let mut rows = from.db.prepare_cached(sql)?;
    let request = request.map(|request| request.token().to_string());
    let mut rows = rows.query(params![request])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(key(row)?);
    }
    Ok(found)
}

/// One of them.
pub(super) fn one(from: &Snapshot<'_>, request: RequestId) -> Read<Option<SealedRefusal>> {
    let mut find = from.db.prepare_cached("SELECT refusal, sealed FROM quarantine WHERE request = ?1")?;
    let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?));
    let found = find.query_row([request.token().as_str()], read).optional()?;
    let Some((json, sealed)) = found else { return Ok(None) };
    Ok(Some(SealedRefusal { sealed: sealed.into(), ..serde_json::from_str(&json)? }))
}

fn key(row: &Row<'_>) -> Read<RefusalKey> {
    let corrupt = |what: &dyn std::fmt::Display| ReadError::Corrupt(format!("a refused request: {what}"));
    let (request, integration): (String, String) = (row.get(0)?, row.get(1)?);
    let request = format!("{}{request}", RequestId::PREFIX).parse().map_err(|error| corrupt(&error))?;
    let integration = integration.parse().map_err(|error| corrupt(&error))?;
    Ok(RefusalKey { request, integration, reason: row.get(2)?, source: row.get(3)?, bytes: uint(row.get(4)?) })
}
