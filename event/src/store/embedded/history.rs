//! Reading what waits in lanes and what has ended.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, params};
use serde::de::DeserializeOwned;

use super::{
    events,
    read::{Read, ReadError, Snapshot},
    replay::REPLAYED,
    sql::{int, uint},
};
use crate::{
    Attempt, DeadLetter, DeliveryId, Ending, Lane, Outcomes, Queued, Task,
    dead::DeadNote,
    store::types::{Census, LaneCount},
};

/// Bytes of dead letters after which no further one is read at once.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// The lanes that hold tasks, with how many.
pub(super) fn lanes(from: &Snapshot<'_>) -> Read<Vec<LaneCount>> {
    let sql = "SELECT lane.name, waiting.count
        FROM (SELECT lane, count(*) AS count FROM task GROUP BY lane) AS waiting
        JOIN lane ON lane.id = waiting.lane ORDER BY lane.name";
    let mut rows = from.db.prepare_cached(sql)?;
    let found = rows.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
    found
        .map(|row| {
            let (name, count) = row?;
            let lane = name.parse().map_err(|error| ReadError::Corrupt(format!("{name}: {error}")))?;
            Ok(LaneCount { lane, waiting: uint(count) })
        })
        .collect()
}

/// The first tasks of a lane after a position.
pub(super) fn heads(from: &Snapshot<'_>, lane: &Lane, after: u64, limit: usize) -> Read<Vec<Queued>> {
    let sql = "SELECT position, task FROM task
        WHERE lane = (SELECT id FROM lane WHERE name = ?1) AND position > ?2 ORDER BY position LIMIT ?3";
    let mut rows = from.db.prepare_cached(sql)?;
    let values = params![lane.to_string(), int(after), int(limit as u64)];
    let found = rows.query_map(values, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    found
        .map(|row| {
            let (position, json) = row?;
            Ok(Queued { position: uint(position), task: serde_json::from_str::<Task>(&json)? })
        })
        .collect()
}

/// The last task of a lane.
pub(super) fn newest(from: &Snapshot<'_>, lane: &Lane) -> Read<Option<Queued>> {
    let sql = "SELECT position, task FROM task
        WHERE lane = (SELECT id FROM lane WHERE name = ?1) ORDER BY position DESC LIMIT 1";
    let mut find = from.db.prepare_cached(sql)?;
    let found = find.query_row([lane.to_string()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    found
        .map(|(position, json): (i64, String)| {
            Ok(Queued { position: uint(position), task: serde_json::from_str::<Task>(&json)? })
        })
        .transpose()
}

/// Dead letters, oldest first, after a position.
pub(super) fn dead(from: &Snapshot<'_>, after: u64, limit: usize) -> Read<Vec<(u64, DeadLetter)>> {
    let sql = "SELECT position, note, file, frame FROM dead WHERE position > ?1 ORDER BY position LIMIT ?2";
    let mut rows = from.db.prepare_cached(sql)?;
    let mut rows = rows.query(params![int(after), int(limit as u64)])?;
    let (mut letters, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let (position, letter) = letter(from, row)?;
        bytes += letter.event.as_ref().map_or(0, |event| event.body.len());
        letters.push((position, letter));
        if bytes >= BYTES_MAX {
            break;
        }
    }
    Ok(letters)
}

/// The newest dead letter of a delivery.
pub(super) fn dead_of(from: &Snapshot<'_>, delivery: DeliveryId) -> Read<Option<(u64, DeadLetter)>> {
    let sql = "SELECT position, note, file, frame FROM dead WHERE json_extract(note, '$.delivery') = ?1
        ORDER BY position DESC LIMIT 1";
    let mut rows = from.db.prepare_cached(sql)?;
    let mut rows = rows.query([delivery.to_string()])?;
    rows.next()?.map(|row| letter(from, row)).transpose()
}

fn letter(from: &Snapshot<'_>, row: &Row<'_>) -> Read<(u64, DeadLetter)> {
    let (note, file): (String, Option<String>) = (row.get(1)?, row.get(2)?);
    let mut note: DeadNote = serde_json::from_str(&note)?;
    let frame: Option<Vec<u8>> = row.get(3)?;
    let event = match frame.map(|frame| from.bodies.load(frame, file.as_deref())) {
        Some(Ok(event)) => Some(event),
        // One letter that can't be read must not hide the others.
        Some(Err(error)) => {
            note.detail = Some(note.detail.map_or(error.clone(), |detail| format!("{detail}; {error}")));
            None
        }
        None => None,
    };
    Ok((uint(row.get(0)?), DeadLetter { note, event }))
}

/// Attempt records, oldest first, after a position.
pub(super) fn attempts(from: &Snapshot<'_>, after: u64, limit: usize) -> Read<Vec<(u64, Attempt)>> {
    records(from, "SELECT position, attempt FROM attempt WHERE position > ?1 ORDER BY position LIMIT ?2", after, limit)
}

/// What became of events, oldest first, after a position.
pub(super) fn outcomes(from: &Snapshot<'_>, after: u64, limit: usize) -> Read<Vec<(u64, Outcomes)>> {
    records(from, "SELECT position, outcome FROM outcome WHERE position > ?1 ORDER BY position LIMIT ?2", after, limit)
}

fn records<T: DeserializeOwned>(from: &Snapshot<'_>, sql: &str, after: u64, limit: usize) -> Read<Vec<(u64, T)>> {
    let mut rows = from.db.prepare_cached(sql)?;
    let found = rows.query_map(params![int(after), int(limit as u64)], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
    })?;
    found
        .map(|row| {
            let (position, json) = row?;
            Ok((uint(position), serde_json::from_str(&json)?))
        })
        .collect()
}

/// Counts everything that was acknowledged.
pub(super) fn census(from: &Snapshot<'_>) -> Read<Census> {
    let (mut ended, mut replayed) = (BTreeMap::new(), 0);
    let mut rows = from.db.prepare_cached("SELECT ending, count FROM ended")?;
    let counts = rows.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
    for row in counts {
        let (word, count) = row?;
        if word == REPLAYED {
            replayed = uint(count);
            continue;
        }
        let ending = Ending::ALL.into_iter().find(|ending| ending.word() == word);
        ended.insert(ending.ok_or_else(|| ReadError::Corrupt(format!("{word} is no ending")))?, uint(count));
    }
    Ok(Census {
        ended,
        unrouted_yet: events::count_after(from, cursor(from)?)?,
        in_lanes: count(from, "task")?,
        scheduled: count(from, "retry")?,
        unmatched: count(from, "parked")?,
        replayed,
    })
}

/// The committed cursor of the log.
pub(super) fn cursor(from: &Snapshot<'_>) -> Read<u64> {
    let sql = "SELECT through FROM cursor WHERE partition = 0";
    let through: Option<i64> = from.db.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
    Ok(uint(through.unwrap_or(0)))
}

fn count(from: &Snapshot<'_>, table: &str) -> Read<u64> {
    let sql = format!("SELECT count(*) FROM {table}");
    Ok(uint(from.db.prepare_cached(&sql)?.query_row([], |row| row.get(0))?))
}
