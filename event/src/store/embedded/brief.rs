//! What integrations keep for less time than `[retention]` says: noted with its end when it is stored, deleted then.
//!
//! Buckets are dropped whole, so an event that ends before its bucket is a row that is deleted. Its sequence is never given
//! again: only events that were routed are deleted, and no event gets a sequence before the cursor.

use gatepost_config::{IntegrationId, Retention, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::{
    frames::Place,
    retention::{self, PART},
    sql::{execute, int, uint},
    work::Work,
};

/// Kinds of what ends, as they stand in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// An event of the log, by its sequence; all others by their position.
    Event = 0,
    Letter = 1,
    Parked = 2,
    Attempt = 3,
    Refusal = 4,
}

impl What {
    const ALL: [Self; 5] = [Self::Event, Self::Letter, Self::Parked, Self::Attempt, Self::Refusal];

    fn kept(self, retention: &Retention) -> std::time::Duration {
        match self {
            Self::Event | Self::Attempt => retention.events,
            Self::Letter => retention.dead_letters,
            Self::Parked => retention.unmatched,
            Self::Refusal => retention.quarantine,
        }
    }
}

/// Notes when an event ends that was stored in the log just now.
pub(super) fn event(work: &Work<'_>, integration: &IntegrationId, sequence: u64) -> rusqlite::Result<()> {
    // Not before its id is looked for no more, so that a repeat of it is recognised.
    let window_end = work.state.buckets.window_end(work.now);
    note(work, integration, What::Event, work.now, int(sequence), window_end)
}

/// Notes when what was inserted last ends, counted from a time.
pub(super) fn inserted(
    work: &Work<'_>,
    integration: &IntegrationId,
    what: What,
    from: Timestamp,
) -> rusqlite::Result<()> {
    note(work, integration, what, from, work.db.last_insert_rowid(), from)
}

fn note(
    work: &Work<'_>,
    integration: &IntegrationId,
    what: What,
    from: Timestamp,
    place: i64,
    not_before: Timestamp,
) -> rusqlite::Result<()> {
    let Some(kept) = work.retention.less(integration, |retention| what.kept(retention)) else { return Ok(()) };
    let sql = "INSERT INTO brief (at, what, place) VALUES (?1, ?2, ?3)";
    execute(work.db, sql, params![from.after(kept).max(not_before).millis(), what as i64, place]).map(drop)
}

/// Ends a part of what is over; whether there may be more. What was not routed yet waits for that.
pub(super) fn sweep(work: &mut Work<'_>) -> rusqlite::Result<bool> {
    let find = "SELECT rowid, what, place FROM brief
        WHERE at <= ?1 AND (what <> ?2 OR place <= ?3) ORDER BY at LIMIT ?4";
    let values = params![work.now.millis(), What::Event as i64, int(work.state.cursor), PART as i64];
    let rows: Vec<(i64, i64, i64)> = work
        .db
        .prepare_cached(find)?
        .query_map(values, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let mut more = rows.len() >= PART;
    let (mut owed, mut parked) = (0, 0);
    for (row, what, place) in rows {
        let is_gone = match What::ALL.into_iter().find(|kind| *kind as i64 == what) {
            Some(What::Event) => {
                let expired = end_event(work, uint(place))?;
                owed += expired;
                expired == 0
            }
            Some(What::Letter) => delete(work, "dead", "position", place).map(|_| true)?,
            Some(What::Parked) => {
                parked += u64::from(delete(work, "parked", "position", place)?);
                true
            }
            Some(What::Attempt) => {
                execute(work.db, "DELETE FROM attempt WHERE position = ?1", [place]).map(|_| true)?
            }
            Some(What::Refusal) => {
                execute(work.db, "DELETE FROM quarantine WHERE position = ?1", [place]).map(|_| true)?
            }
            None => true,
        };
        match is_gone {
            true => drop(execute(work.db, "DELETE FROM brief WHERE rowid = ?1", [row])?),
            false => more = true,
        }
        if owed >= PART {
            break;
        }
    }
    retention::tell_expired(work, owed, parked);
    Ok(more)
}

/// Ends an event, and before it what it is owed; how much that was. It goes when it is owed nothing.
fn end_event(work: &mut Work<'_>, sequence: u64) -> rusqlite::Result<usize> {
    let Some(bucket) = work.state.buckets.of(sequence) else { return Ok(0) };
    let owed = retention::expire_owed(work, &bucket, sequence..sequence + 1)?;
    if owed == 0 {
        let find = format!("SELECT frame FROM event_{} WHERE sequence = ?1", bucket.number);
        let frame: Option<Vec<u8>> =
            work.db.prepare_cached(&find)?.query_row([int(sequence)], |row| row.get(0)).optional()?;
        work.effects.wiped.extend(frame.and_then(|frame| Place::read(&frame)));
        delete(work, &format!("event_{}", bucket.number), "sequence", int(sequence))?;
    }
    Ok(owed)
}

/// Deletes a row with the file of its body; whether it was there.
fn delete(work: &mut Work<'_>, table: &str, key: &str, place: i64) -> rusqlite::Result<bool> {
    let sql = format!("DELETE FROM {table} WHERE {key} = ?1 RETURNING file");
    let mut delete = work.db.prepare_cached(&sql)?;
    let file: Option<Option<String>> = delete.query_row([place], |row| row.get(0)).optional()?;
    let was_there = file.is_some();
    work.effects.doomed.extend(file.flatten());
    Ok(was_there)
}
