//! Storing events, each id once within the dedupe window.

use std::io;

use bytes::Bytes;
use gatepost_config::{IntegrationId, Timestamp};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::{
    brief,
    frames::Lost,
    fresh::Logged,
    ids::{Key, Spot},
    job::Incoming,
    packed, park,
    sql::{disk_error, int},
    work::Work,
};
use crate::store::types::{Appended, LogPlace, Place};

/// An event's row.
#[derive(Clone, Copy)]
pub(super) struct EventRow<'a> {
    pub(super) id: &'a str,
    pub(super) key: Key,
    pub(super) integration: &'a IntegrationId,
    pub(super) received_at: Timestamp,
    pub(super) file: Option<&'a str>,
    pub(super) frame: &'a [u8],
}

pub(super) fn append(work: &mut Work<'_>, items: &[Incoming]) -> rusqlite::Result<Vec<Appended>> {
    items.iter().map(|item| append_one(work, item)).collect()
}

fn append_one(work: &mut Work<'_>, item: &Incoming) -> rusqlite::Result<Appended> {
    if let Some(place) = first_copy(work, item)? {
        return Ok(Appended::Duplicate(place));
    }
    match item.place {
        Place::Log => {
            let id = item.id.token().as_str();
            let file = item.stored.file.as_ref().map(|file| file.name.as_str());
            let (key, received_at, frame) = (item.key, item.received_at, &*item.stored.frame);
            log(work, &EventRow { id, key, integration: &item.integration, received_at, file, frame })?;
            if work.is_followed && file.is_none() {
                let (sequence, frame) = (work.state.last_sequence, item.stored.frame.clone());
                work.effects.logged.push(Logged { sequence, id: item.id, received_at, frame });
            }
        }
        Place::Unmatched => park::park(work, item)?,
    }
    work.effects.kept.extend(item.stored.file.clone());
    Ok(Appended::Stored)
}

/// Where an event was stored within the window, if it was; no place when it is parked.
fn first_copy(work: &Work<'_>, item: &Incoming) -> rusqlite::Result<Option<Option<LogPlace>>> {
    let id = item.id.token().as_str();
    let since = work.state.buckets.window_start(work.now);
    for spot in work.ids.spots(work.db, &work.effects.added, item.key)? {
        if is_copy(work, &spot, id, since)? {
            return Ok(Some(Some(LogPlace { partition: 0, sequence: spot.sequence })));
        }
    }
    if !work.state.parks {
        return Ok(None);
    }
    let sql = "SELECT 1 FROM parked WHERE id = ?1 AND stored_at > ?2";
    Ok(work.db.prepare_cached(sql)?.exists(params![id, since.millis()])?.then_some(None))
}

/// Whether an event that was stored since then has this very id.
fn is_copy(work: &Work<'_>, spot: &Spot, id: &str, since: Timestamp) -> rusqlite::Result<bool> {
    let sql = format!("SELECT id = ?2 AND stored_at > ?3 FROM event_{} WHERE sequence = ?1", spot.bucket);
    let mut find = work.db.prepare_cached(&sql)?;
    let is_copy = find.query_row(params![int(spot.sequence), id, since.millis()], |row| row.get(0)).optional()?;
    Ok(is_copy.unwrap_or(false))
}

/// Puts an event at the end of the log, whatever else has its id.
pub(super) fn log(work: &mut Work<'_>, row: &EventRow<'_>) -> rusqlite::Result<()> {
    let sequence = work.state.last_sequence + 1;
    let bucket = work.state.buckets.current(work.db, work.now, sequence)?.number;
    let place = match work.frames.as_mut().filter(|_| row.file.is_none()) {
        Some(frames) => Some(frames.add(sequence, work.now, row.frame).map_err(|error| disk_error(&error))?.write()),
        None => None,
    };
    let frame = place.as_ref().map_or(row.frame, |place| place.as_slice());
    insert(work, bucket, sequence, work.now, &EventRow { frame, ..*row })
}

/// Makes an event's row anew, whose frame stands where it was stored.
pub(super) fn restore(work: &mut Work<'_>, lost: &Lost) -> rusqlite::Result<()> {
    let event =
        packed::event(Bytes::copy_from_slice(&lost.frame)).map_err(|error| disk_error(&io::Error::other(error)))?;
    let (id, received_at, integration) = (event.meta.id.token(), event.meta.received_at, &event.meta.integration);
    let (key, place) = (Key::of(id.as_str()), lost.place.write());
    let row = EventRow { id: id.as_str(), key, integration, received_at, file: None, frame: &place };
    insert(work, lost.place.bucket(), lost.sequence, lost.stored_at, &row)
}

fn insert(
    work: &mut Work<'_>,
    bucket: i64,
    sequence: u64,
    stored_at: Timestamp,
    row: &EventRow<'_>,
) -> rusqlite::Result<()> {
    let mut insert = match work.insert.take() {
        Some((into, insert)) if into == bucket => insert,
        _ => insert_into(work.db, bucket)?,
    };
    insert.execute(params![
        int(sequence),
        row.id,
        stored_at.millis(),
        row.received_at.millis(),
        row.file,
        row.frame
    ])?;
    work.insert = Some((bucket, insert));
    work.state.last_sequence = sequence;
    work.effects.added.add(row.key, Spot { bucket, sequence });
    brief::event(work, row.integration, sequence)
}

fn insert_into(db: &Connection, bucket: i64) -> rusqlite::Result<CachedStatement<'_>> {
    db.prepare_cached(&format!(
        "INSERT INTO event_{bucket} (sequence, id, stored_at, received_at, file, frame) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
    ))
}
