//! Refused requests: the newest of each integration, within bounds.

use rusqlite::params;

use super::{
    job::{Answer, RefusalRow},
    sql::execute,
    work::{Outcome, Work},
};

/// Refused requests that an integration keeps.
const COUNT_MAX: i64 = 200;

/// Bytes of refused requests that an integration keeps; also the most that one may have.
pub(super) const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Keeps a refused request; the oldest of its integration go when there are too many.
pub(super) fn keep(work: &Work<'_>, refusal: &RefusalRow) -> Outcome {
    let integration = refusal.integration.as_str();
    let bytes = i64::try_from(refusal.json.len() + refusal.body.len()).unwrap_or(i64::MAX);
    let insert = "INSERT INTO quarantine (integration, received_at, bytes, refusal, body) VALUES (?1, ?2, ?3, ?4, ?5)";
    let row = params![integration, refusal.received_at.millis(), bytes, refusal.json, &*refusal.body];
    execute(work.db, insert, row)?;

    let trim = "DELETE FROM quarantine WHERE position IN (
            SELECT position FROM (
                SELECT position, row_number() OVER newest AS number, sum(bytes) OVER newest AS total
                FROM quarantine WHERE integration = ?1 WINDOW newest AS (ORDER BY position DESC)
            ) WHERE number > ?2 OR total > ?3
        )";
    execute(work.db, trim, params![integration, COUNT_MAX, BYTES_MAX as i64])?;
    Ok(Ok(Answer::Done))
}
