//! Ending what has been kept long enough, a bounded part at a time. Nothing that is owed ends in silence.

use std::{io, ops::Range, sync::Arc};

use gatepost_config::{IntegrationId, Retention, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::{
    brief::{self, What},
    bucket::Bucket,
    packed, redelivery,
    sql::{disk_error, execute, int, uint},
    work::Work,
};
use crate::{DeadReason, DeliveryId, Ending, Task, dead::DeadNote};

/// Rows that one transaction ends.
pub(super) const PART: usize = 256;

/// Ends a part of what is over; whether there may be more.
pub(super) fn sweep(work: &mut Work<'_>) -> rusqlite::Result<bool> {
    let kept = Arc::clone(&work.retention);
    let retention = &kept.all;
    let mut more = sweep_events(work, retention)?;
    more |= brief::sweep(work)?;
    let parked = forget(work, "parked", "received_at", work.now.before(retention.unmatched))?;
    tell_expired(work, 0, parked as u64);
    more |= parked == PART;
    more |= forget(work, "dead", "died_at", work.now.before(retention.dead_letters))? == PART;
    let attempts = "DELETE FROM attempt WHERE position IN (SELECT position FROM attempt WHERE at <= ?1 LIMIT ?2)";
    let before = work.now.before(retention.events).millis();
    more |= execute(work.db, attempts, params![before, PART as i64])? == PART;
    let outcomes = "DELETE FROM outcome WHERE position IN (SELECT position FROM outcome WHERE at <= ?1 LIMIT ?2)";
    more |= execute(work.db, outcomes, params![before, PART as i64])? == PART;
    let owed = "DELETE FROM owed_anew WHERE id IN (SELECT id FROM owed_anew WHERE at <= ?1 LIMIT ?2)";
    more |= execute(work.db, owed, params![before, PART as i64])? == PART;
    let acts = "DELETE FROM act WHERE position IN (SELECT position FROM act WHERE at <= ?1 LIMIT ?2)";
    more |= execute(work.db, acts, params![work.now.before(retention.audit).millis(), PART as i64])? == PART;
    more |= redelivery::forget(work, PART)? == PART;
    let refusals =
        "DELETE FROM quarantine WHERE position IN (SELECT position FROM quarantine WHERE received_at <= ?1 LIMIT ?2)";
    let before = work.now.before(retention.quarantine).millis();
    more |= execute(work.db, refusals, params![before, PART as i64])? == PART;
    Ok(more)
}

/// Ends a part of what the oldest bucket's events are owed, or drops it when they are owed nothing.
fn sweep_events(work: &mut Work<'_>, retention: &Retention) -> rusqlite::Result<bool> {
    let Some((bucket, next)) = work.state.buckets.oldest() else { return Ok(false) };
    // Nothing was stored in it after that, and an event is received before it is stored.
    let ended_at = next.map_or(bucket.ends_at, |next| bucket.ends_at.min(next.started_at));
    if work.now < ended_at.after(retention.events).max(work.state.buckets.window_end(ended_at)) {
        return Ok(false);
    }
    let behind = next.map_or(work.state.last_sequence + 1, |next| next.first_sequence);
    let mut ended = expire_owed(work, &bucket, bucket.first_sequence..behind)?;
    ended += expire_unrouted(work, &bucket, behind)?;
    if ended > 0 {
        tell_expired(work, ended, 0);
        return Ok(true);
    }
    drop_bucket(work, &bucket)?;
    Ok(true)
}

/// Says what ended otherwise than by being delivered, and counts what was parked.
pub(super) fn tell_expired(work: &mut Work<'_>, deliveries: usize, parked: u64) {
    if deliveries > 0 {
        tracing::warn!(deliveries, "deliveries outlived their event's retention and are dead letters now");
    }
    if parked > 0 {
        tracing::warn!(events = parked, "parked events that no connection claimed have reached their retention");
        work.count(Ending::Expired, parked);
    }
}

/// Drops a bucket whose events are owed nothing any more.
fn drop_bucket(work: &mut Work<'_>, bucket: &Bucket) -> rusqlite::Result<()> {
    let files = format!("SELECT file FROM event_{} WHERE file IS NOT NULL", bucket.number);
    let doomed: Vec<String> = work.db.prepare(&files)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    work.effects.doomed.extend(doomed);
    work.effects.dropped.push(bucket.number);
    work.state.buckets.drop(work.db, bucket.number)
}

/// Makes dead letters of a part of what some of a bucket's events are owed; how many.
pub(super) fn expire_owed(work: &mut Work<'_>, bucket: &Bucket, events: Range<u64>) -> rusqlite::Result<usize> {
    let in_lanes = expire_tasks(work, "task", bucket, &events)?;
    Ok(in_lanes + expire_tasks(work, "retry", bucket, &events)?)
}

/// Of what they are owed in `table`.
fn expire_tasks(work: &mut Work<'_>, table: &str, bucket: &Bucket, events: &Range<u64>) -> rusqlite::Result<usize> {
    let key = if table == "retry" { "id" } else { "position" };
    let find = format!("SELECT {key}, sequence, task FROM {table} WHERE sequence >= ?1 AND sequence < ?2 LIMIT ?3");
    let rows: Vec<(i64, i64, String)> = work
        .db
        .prepare_cached(&find)?
        .query_map(params![int(events.start), int(events.end), PART as i64], |row| {
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
    let find = format!("SELECT file FROM event_{} WHERE sequence = ?1", bucket.number);
    let file: Option<Option<String>> =
        work.db.prepare_cached(&find)?.query_row([sequence], |row| row.get(0)).optional()?;
    // The letter lives on without the event: it takes a name of its own.
    let (copy, detail) = match file.flatten().map(|name| work.bodies.copy(&name)) {
        Some(Ok(copy)) => (Some(copy), None),
        // Without its bytes it is still a letter; waiting for them would keep everything else for ever.
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => (None, Some("its body's file is gone")),
        Some(Err(error)) => return Err(rusqlite::Error::ToSqlConversionFailure(error.into())),
        None => (None, None),
    };
    let integration = task.as_ref().map(|task| task.integration.clone());
    let integration = integration.map_or_else(|| integration_of(work, bucket, sequence), |known| Ok(Some(known)))?;
    let note = DeadNote {
        delivery: task.as_ref().map_or_else(|| DeliveryId::fresh(work.now), |task| task.delivery),
        attempts: task.as_ref().map_or(0, |task| task.attempt.saturating_sub(1)),
        destination: task.as_ref().map(|task| task.destination.clone()),
        sync: task.as_ref().and_then(|task| task.sync.clone()),
        route: task.map(|task| task.route),
        reason: DeadReason::Expired,
        detail: detail.map(str::to_owned),
        last: None,
        died_at: work.now,
    };
    let note = serde_json::to_string(&note).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let frame = if detail.is_none() { frame_of(work, bucket, sequence)? } else { None };
    let insert = "INSERT INTO dead (died_at, note, file, frame) VALUES (?1, ?2, ?3, ?4)";
    let name = copy.as_ref().map(|file| file.name.as_str());
    execute(work.db, insert, params![work.now.millis(), note, name, frame])?;
    if let Some(integration) = &integration {
        brief::inserted(work, integration, What::Letter, work.now)?;
    }
    work.effects.kept.extend(copy);
    work.count(Ending::Expired, 1);
    Ok(())
}

/// Whose an event is that was never routed, as far as it can be read.
fn integration_of(work: &Work<'_>, bucket: &Bucket, sequence: i64) -> rusqlite::Result<Option<IntegrationId>> {
    let event = frame_of(work, bucket, sequence)?.and_then(|frame| packed::event(frame.into()).ok());
    Ok(event.map(|event| event.meta.integration))
}

/// An event's frame, wherever it stands; none when there is no such event.
fn frame_of(work: &Work<'_>, bucket: &Bucket, sequence: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    let find = format!("SELECT frame FROM event_{} WHERE sequence = ?1", bucket.number);
    let frame: Option<Vec<u8>> = work.db.prepare_cached(&find)?.query_row([sequence], |row| row.get(0)).optional()?;
    match frame.map(|frame| work.bodies.frame(frame)).transpose() {
        // Waiting for it would keep everything else for ever.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => Ok(None),
        frame => frame.map_err(|error| disk_error(&error)),
    }
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
