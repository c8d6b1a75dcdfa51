//! Ending what has been kept long enough, a bounded part at a time. Nothing that is owed ends in silence.

use gatepost_config::{Retention, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::{
    bucket::Bucket,
    sql::{execute, int, uint},
    work::Work,
};
use crate::{DeadReason, DeliveryId, Ending, Task, dead::DeadNote};

/// Rows that one transaction ends.
const PART: usize = 256;

/// Ends a part of what is over; whether there may be more.
pub(super) fn sweep(work: &mut Work<'_>, retention: &Retention) -> rusqlite::Result<bool> {
    let mut more = sweep_events(work, retention)?;
    let parked = forget(work, "parked", "received_at", work.now.before(retention.unmatched))?;
    if parked > 0 {
        tracing::warn!(events = parked, "parked events that no connection claimed have reached their retention");
        work.count(Ending::Expired, parked as u64)?;
    }
    more |= parked == PART;
    more |= forget(work, "dead", "died_at", work.now.before(retention.dead_letters))? == PART;
    let attempts = "DELETE FROM attempt WHERE position IN (SELECT position FROM attempt WHERE at <= ?1 LIMIT ?2)";
    let before = work.now.before(retention.events).millis();
    more |= execute(work.db, attempts, params![before, PART as i64])? == PART;
    let refusals =
        "DELETE FROM quarantine WHERE position IN (SELECT position FROM quarantine WHERE received_at <= ?1 LIMIT ?2)";
    let before = work.now.before(retention.quarantine).millis();
    more |= execute(work.db, refusals, params![before, PART as i64])? == PART;
    Ok(more)
}

/// Ends a part of what the oldest bucket's events are owed, or drops it when they are owed nothing.
fn sweep_events(work: &mut Work<'_>, retention: &Retention) -> rusqlite::Result<bool> {
    let Some((bucket, next)) = work.state.buckets.oldest() else { return Ok(false) };
    let newest = format!("SELECT max(received_at), max(stored_at) FROM event_{}", bucket.number);
    let (received_at, stored_at): (Option<i64>, Option<i64>) = if next.is_none() && work.now < bucket.ends_at {
        return Ok(false);
    } else {
        work.db.query_row(&newest, [], |row| Ok((row.get(0)?, row.get(1)?)))?
    };
    let kept = received_at.map(|at| Timestamp::from_millis(at).after(retention.events));
    let deduped = stored_at.map(|at| work.state.buckets.window_end(Timestamp::from_millis(at)));
    if kept.max(deduped).is_some_and(|until| work.now < until) {
        return Ok(false);
    }
    let behind = next.unwrap_or(work.state.last_sequence + 1);
    let mut ended = expire_tasks(work, "task", &bucket, behind)?;
    ended += expire_tasks(work, "retry", &bucket, behind)?;
    ended += expire_unrouted(work, &bucket, behind)?;
    if ended > 0 {
        tracing::warn!(deliveries = ended, "deliveries outlived their event's retention and are dead letters now");
        return Ok(true);
    }
    drop_bucket(work, &bucket)?;
    Ok(true)
}

/// Drops a bucket whose events are owed nothing any more.
fn drop_bucket(work: &mut Work<'_>, bucket: &Bucket) -> rusqlite::Result<()> {
    let files = format!("SELECT file FROM event_{} WHERE file IS NOT NULL", bucket.number);
    let doomed: Vec<String> = work.db.prepare(&files)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    work.effects.doomed.extend(doomed);
    work.state.buckets.drop(work.db, bucket.number)
}

/// Makes dead letters of what a bucket's events are owed in `table`; how many.
fn expire_tasks(work: &mut Work<'_>, table: &str, bucket: &Bucket, behind: u64) -> rusqlite::Result<usize> {
    let key = if table == "retry" { "id" } else { "position" };
    let find = format!("SELECT {key}, sequence, task FROM {table} WHERE sequence >= ?1 AND sequence < ?2 LIMIT ?3");
    let rows: Vec<(i64, i64, String)> = work
        .db
        .prepare_cached(&find)?
        .query_map(params![int(bucket.first_sequence), int(behind), PART as i64], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<Result<_, _>>()?;
    for (id, sequence, json) in &rows {
        bury(work, bucket, *sequence, serde_json::from_str(json).ok())?;
        execute(work.db, &format!("DELETE FROM {table} WHERE {key} = ?1"), [id])?;
    }
    if table == "retry" && !rows.is_empty() {
        work.state.next_due = super::work::next_due(work.db)?;
    }
    Ok(rows.len())
}

/// Makes dead letters of a bucket's events that were never routed, and moves the cursor behind them; how many.
fn expire_unrouted(work: &mut Work<'_>, bucket: &Bucket, behind: u64) -> rusqlite::Result<usize> {
    let find = format!(
        "SELECT sequence FROM event_{} WHERE sequence > ?1 AND sequence < ?2 ORDER BY sequence LIMIT ?3",
        bucket.number
    );
    let sequences: Vec<i64> = work
        .db
        .prepare_cached(&find)?
        .query_map(params![int(work.state.cursor), int(behind), PART as i64], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for sequence in &sequences {
        bury(work, bucket, *sequence, None)?;
    }
    if let Some(last) = sequences.last() {
        work.move_cursor(uint(*last))?;
    }
    Ok(sequences.len())
}

/// Keeps an expired delivery as a dead letter with the event's bytes.
fn bury(work: &mut Work<'_>, bucket: &Bucket, sequence: i64, task: Option<Task>) -> rusqlite::Result<()> {
    let note = DeadNote {
        delivery: task.as_ref().map_or_else(|| DeliveryId::fresh(work.now), |task| task.delivery),
        attempts: task.as_ref().map_or(0, |task| task.attempt.saturating_sub(1)),
        destination: task.as_ref().map(|task| task.destination.clone()),
        route: task.map(|task| task.route),
        reason: DeadReason::Expired,
        detail: None,
        last: None,
        died_at: work.now,
    };
    let note = serde_json::to_string(&note).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let find = format!("SELECT file FROM event_{} WHERE sequence = ?1", bucket.number);
    let file: Option<Option<String>> =
        work.db.prepare_cached(&find)?.query_row([sequence], |row| row.get(0)).optional()?;
    let copy = match file.flatten() {
        // The letter lives on without the event: it takes a name of its own.
        Some(name) => Some(work.bodies.copy(&name).map_err(|error| {
            tracing::error!(file = name, %error, "a body's file could not be kept for a dead letter");
            rusqlite::Error::ToSqlConversionFailure(error.into())
        })?),
        None => None,
    };
    let insert = format!(
        "INSERT INTO dead (died_at, note, file, frame)
         VALUES (?1, ?2, ?3, (SELECT frame FROM event_{} WHERE sequence = ?4))",
        bucket.number
    );
    let name = copy.as_ref().map(|file| file.name.as_str());
    execute(work.db, &insert, params![work.now.millis(), note, name, sequence])?;
    work.effects.kept.extend(copy);
    work.count(Ending::Expired, 1)
}

/// Deletes a part of a table's rows that are over, and their files; how many.
fn forget(work: &mut Work<'_>, table: &str, time: &str, before: Timestamp) -> rusqlite::Result<usize> {
    let sql = format!(
        "DELETE FROM {table} WHERE position IN (SELECT position FROM {table} WHERE {time} <= ?1 LIMIT ?2)
         RETURNING file"
    );
    let files: Vec<Option<String>> = work
        .db
        .prepare_cached(&sql)?
        .query_map(params![before.millis(), PART as i64], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let count = files.len();
    work.effects.doomed.extend(files.into_iter().flatten());
    Ok(count)
}
