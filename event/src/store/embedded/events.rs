//! Reading events: the log, single ones, parked ones.

use gatepost_config::{IntegrationId, Timestamp};
use rusqlite::{OptionalExtension, Row, params};

use super::{
    bucket::{self, Bucket},
    frames::Place,
    read::{Read, ReadError, Snapshot},
    sql::{int, uint},
};
use crate::{
    Event, EventId, EventRef,
    store::types::{Parked, ParkedMark, StoredEvent},
};

/// Bytes after which no further event is read at once.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// The same where single events are read together.
const TOGETHER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// An event's stored form.
struct Found {
    number: i64,
    id: String,
    received_at: i64,
    file: Option<String>,
    frame: Vec<u8>,
}

/// The events of the log after a sequence, in order.
pub(super) fn log(from: &Snapshot<'_>, after: u64, limit: usize) -> Read<Vec<StoredEvent>> {
    let mut events = Vec::new();
    let mut bytes = 0;
    for bucket in from_sequence(from, after)? {
        let sql = format!(
            "SELECT sequence, id, received_at, file, frame FROM event_{} WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
            bucket.number
        );
        let mut rows = from.db.prepare_cached(&sql)?;
        let mut rows = rows.query(params![int(after), int((limit - events.len()) as u64)])?;
        while let Some(row) = rows.next()? {
            let event = stored(from, found(row)?)?;
            bytes += event.event.as_ref().map_or(0, |event| event.body.len());
            events.push(event);
            if events.len() >= limit || bytes >= BYTES_MAX {
                return Ok(events);
            }
        }
    }
    Ok(events)
}

/// The place before the first event that was stored at or after a time, or that is kept at all; none when all were stored
/// before.
pub(super) fn before(from: &Snapshot<'_>, since: Option<Timestamp>) -> Read<Option<u64>> {
    let buckets = bucket::list(from.db)?;
    let first = since.map_or(0, |since| buckets.partition_point(|bucket| bucket.started_at <= since).saturating_sub(1));
    for bucket in buckets.iter().skip(first) {
        // Within a bucket the order of sequences is that of times, but only sequences have an index.
        let sql = format!(
            "SELECT sequence, stored_at FROM event_{} WHERE sequence >= ?1 ORDER BY sequence LIMIT 1",
            bucket.number
        );
        let mut find = from.db.prepare_cached(&sql)?;
        let mut at = |sequence: i64| {
            find.query_row([sequence], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).optional()
        };
        let last = format!("SELECT max(sequence) FROM event_{}", bucket.number);
        let last: Option<i64> = from.db.prepare_cached(&last)?.query_row([], |row| row.get(0))?;
        let (mut low, mut high) = (int(bucket.first_sequence), last.unwrap_or(0) + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            match at(middle)? {
                Some((sequence, stored_at)) if since.is_some_and(|since| stored_at < since.millis()) => {
                    low = sequence + 1
                }
                _ => high = middle,
            }
        }
        if let Some((sequence, _)) = at(low)? {
            return Ok(Some(uint(sequence - 1)));
        }
    }
    Ok(None)
}

/// How many events stand in the log after a sequence.
pub(super) fn count_after(from: &Snapshot<'_>, after: u64) -> Read<u64> {
    let mut count = 0;
    for bucket in from_sequence(from, after)? {
        let sql = format!("SELECT count(*) FROM event_{} WHERE sequence > ?1", bucket.number);
        count += uint(from.db.prepare_cached(&sql)?.query_row([int(after)], |row| row.get(0))?);
    }
    Ok(count)
}

/// One event; none when its retention has ended.
pub(super) fn one(from: &Snapshot<'_>, at: &EventRef) -> Read<Option<Event>> {
    let find = "SELECT number FROM bucket WHERE first_sequence <= ?1 ORDER BY number DESC LIMIT 1";
    let mut find = from.db.prepare_cached(find)?;
    let Some(bucket) = find.query_row([int(at.sequence)], |row| row.get::<_, i64>(0)).optional()? else {
        return Ok(None);
    };
    let sql =
        format!("SELECT sequence, id, received_at, file, frame FROM event_{bucket} WHERE sequence = ?1 AND id = ?2");
    let values = params![int(at.sequence), at.id.token().as_str()];
    let Some(found) = from.db.prepare_cached(&sql)?.query_row(values, found).optional()? else {
        return Ok(None);
    };
    let event = from.bodies.load(found.frame, found.file.as_deref());
    event.map(Some).map_err(|error| ReadError::Corrupt(format!("event {}: {error}", at.id)))
}

/// See [`crate::Store::parked_mark`].
pub(super) fn parked_mark(from: &Snapshot<'_>) -> Read<ParkedMark> {
    let mut last = from.db.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'parked'")?;
    let last = uint(last.query_row([], |row| row.get(0)).optional()?.unwrap_or(0));
    let mut some = from.db.prepare_cached("SELECT EXISTS (SELECT 1 FROM parked)")?;
    let is_empty = !some.query_row([], |row| row.get::<_, bool>(0))?;
    Ok(ParkedMark { last, is_empty })
}

/// Those of some events, by sequence, that are here with their bodies.
pub(super) fn at(from: &Snapshot<'_>, places: &[EventRef]) -> Read<Vec<StoredEvent>> {
    let (mut events, mut bytes, mut rest) = (Vec::with_capacity(places.len()), 0, places);
    for bucket in bucket::list(from.db)?.iter().rev() {
        let (before, here) = rest.split_at(rest.partition_point(|at| at.sequence < bucket.first_sequence));
        rest = before;
        if here.is_empty() {
            continue;
        }
        let sql = format!(
            "SELECT sequence, id, received_at, file, frame FROM event_{} WHERE sequence = ?1 AND file IS NULL",
            bucket.number
        );
        let mut find = from.db.prepare_cached(&sql)?;
        for at in here {
            let Some(found) = find.query_row([int(at.sequence)], found).optional()? else { continue };
            bytes += Place::read(&found.frame).map_or(found.frame.len(), Place::length);
            events.push(stored(from, found)?);
            if bytes >= TOGETHER_BYTES_MAX {
                return Ok(events);
            }
        }
    }
    Ok(events)
}

/// Parked events in stored order, of one account or of all, after a position.
pub(super) fn parked(
    from: &Snapshot<'_>,
    integration: Option<&IntegrationId>,
    account: Option<&str>,
    after: u64,
    limit: usize,
) -> Read<Vec<Parked>> {
    let mut sql = "SELECT position, id, received_at, file, frame FROM parked WHERE position > ?1".to_owned();
    // Two texts of the statement instead of `?3 IS NULL OR`, which no index helps.
    sql.push_str(if integration.is_some() { " AND integration = ?3" } else { " AND ?3 IS NULL" });
    sql.push_str(if account.is_some() { " AND account = ?4" } else { " AND ?4 IS NULL" });
    sql.push_str(" ORDER BY position LIMIT ?2");
    let mut rows = from.db.prepare_cached(&sql)?;
    let values = params![int(after), int(limit as u64), integration.map(IntegrationId::as_str), account];
    let mut rows = rows.query(values)?;
    let (mut parked, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let found = found(row)?;
        let event = from.bodies.load(found.frame, found.file.as_deref());
        let event = event.map_err(|error| ReadError::Corrupt(format!("parked event evt_{}: {error}", found.id)))?;
        bytes += event.body.len();
        parked.push(Parked { position: uint(found.number), event });
        if bytes >= BYTES_MAX {
            break;
        }
    }
    Ok(parked)
}

/// The place of the last parked event.
pub(super) fn last_parked(from: &Snapshot<'_>) -> Read<u64> {
    let last: Option<i64> = from.db.query_row("SELECT max(position) FROM parked", [], |row| row.get(0))?;
    Ok(last.map_or(0, uint))
}

/// The buckets that may hold events after a sequence, oldest first.
fn from_sequence(from: &Snapshot<'_>, after: u64) -> Read<Vec<Bucket>> {
    let mut buckets = bucket::list(from.db)?;
    let first = buckets.partition_point(|bucket| bucket.first_sequence <= after.saturating_add(1));
    buckets.drain(..first.saturating_sub(1));
    Ok(buckets)
}

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    Ok(Found { number: row.get(0)?, id: row.get(1)?, received_at: row.get(2)?, file: row.get(3)?, frame: row.get(4)? })
}

fn stored(from: &Snapshot<'_>, found: Found) -> Read<StoredEvent> {
    let id: EventId = format!("{}{}", EventId::PREFIX, found.id)
        .parse()
        .map_err(|_| ReadError::Corrupt(format!("{} is no event's id", found.id)))?;
    let received_at = Timestamp::from_millis(found.received_at);
    let at = EventRef { id, partition: 0, sequence: uint(found.number), received_at };
    Ok(StoredEvent { at, event: from.bodies.load(found.frame, found.file.as_deref()) })
}
