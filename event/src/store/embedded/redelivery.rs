//! What providers sent once more, and the retries that go at once because of it.

use std::time::Instant;

use gatepost_config::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

use super::{
    Embedded,
    job::{Answer, Change, RedeliveryRow, unwritable},
    queue::Kind,
    read::{Read, Snapshot},
    sql::{execute, int, uint},
    work::{Outcome, Work},
};
use crate::{
    DeliveryId, Lane, Noted, Redelivery, StoreError, Task,
    redelivery::{KEPT_BEYOND, KEPT_MAX, PER_EVENT_MAX},
    store::NextAttempt,
};

impl Embedded {
    pub(in crate::store) async fn hasten(
        &self,
        delivery: DeliveryId,
        ordered: &Lane,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // Most have nothing that could: they need not wait for the writer.
        let (lane, at) = (*ordered, now);
        if self.0.readers.ask(move |from| Ok(waiting(from.db, delivery, &lane, at)?)).await?.is_none() {
            return Ok(false);
        }
        let answer = self.write(Kind::Completion, Change::Hasten { delivery, ordered: *ordered, now }, 0).await?;
        Ok(matches!(answer, Answer::Count(1)))
    }

    pub(in crate::store) async fn next_attempt(
        &self,
        delivery: DeliveryId,
        ordered: &Lane,
        now: Timestamp,
    ) -> Result<Option<NextAttempt>, StoreError> {
        let lane = *ordered;
        self.0.readers.ask(move |from| next_attempt(from.db, delivery, &lane, now)).await
    }

    pub(in crate::store) async fn note_redelivery(
        &self,
        redelivery: &Redelivery,
        deadline: Instant,
    ) -> Result<Noted, StoreError> {
        let row = RedeliveryRow {
            event: redelivery.event.token().to_string(),
            slot: redelivery.slot(),
            at: redelivery.at,
            json: serde_json::to_string(redelivery).map_err(unwritable)?,
        };
        let bytes = row.json.len();
        match self.write_by(Kind::Completion, Change::Redelivered(row), bytes, deadline).await? {
            Answer::Count(1) => Ok(Noted::New),
            _ => Ok(Noted::Enough),
        }
    }

    pub(in crate::store) async fn redeliveries(
        &self,
        limit: usize,
    ) -> Result<Vec<(u64, Result<Redelivery, String>)>, StoreError> {
        self.0.readers.ask(move |from| open(from, limit)).await
    }

    pub(in crate::store) async fn redelivered_through(&self, position: u64) -> Result<(), StoreError> {
        self.write(Kind::Completion, Change::RedeliveredThrough(position), 0).await.map(drop)
    }
}

/// What waits for a time.
enum Waiting {
    /// A retry's row.
    Retry(i64),
    /// The first task of an ordered lane.
    Head(i64, Box<Task>),
}

/// Makes a delivery due now; counts it, 0 or 1.
pub(super) fn hasten(work: &mut Work<'_>, delivery: DeliveryId, ordered: &Lane, now: Timestamp) -> Outcome {
    let found = waiting(work.db, delivery, ordered, now)?;
    match &found {
        None => {}
        Some(Waiting::Retry(id)) => {
            execute(work.db, "UPDATE retry SET due = ?2 WHERE id = ?1", params![id, now.millis()])?;
            work.state.next_due = Some(work.state.next_due.map_or(now.millis(), |next| next.min(now.millis())));
        }
        Some(Waiting::Head(position, task)) => {
            let task = Task { not_before: Some(now), ..Task::clone(task) };
            let json = match serde_json::to_string(&task).map_err(unwritable) {
                Ok(json) => json,
                Err(error) => return Ok(Err(error)),
            };
            execute(work.db, "UPDATE task SET task = ?2 WHERE position = ?1", params![position, json])?;
            work.effects.sooner.push(*ordered);
        }
    }
    Ok(Ok(Answer::Count(u64::from(found.is_some()))))
}

/// Notes a redelivery unless there are enough; counts it, 0 or 1.
pub(super) fn note(work: &Work<'_>, row: &RedeliveryRow) -> Outcome {
    let sql = "INSERT INTO redelivery (event, slot, at, redelivery) SELECT ?1, ?2, ?3, ?4
        WHERE (SELECT count(*) FROM redelivery WHERE event = ?1) < ?5
            AND ifnull((SELECT max(position) FROM redelivery) - (SELECT min(position) FROM redelivery), 0) < ?6
        ON CONFLICT (event, slot) DO NOTHING";
    let values = params![row.event, row.slot, row.at.millis(), row.json, int(PER_EVENT_MAX), KEPT_MAX];
    Ok(Ok(Answer::Count(execute(work.db, sql, values)? as u64)))
}

/// All up to a position were dealt with.
pub(super) fn dealt_with(work: &Work<'_>, position: u64) -> Outcome {
    let sql = "UPDATE redelivery SET dealt_with = 1 WHERE NOT dealt_with AND position <= ?1";
    execute(work.db, sql, [int(position)])?;
    Ok(Ok(Answer::Done))
}

/// Forgets a part of those whose event is not recognised any more when it comes again; how many.
pub(super) fn forget(work: &Work<'_>, part: usize) -> rusqlite::Result<usize> {
    let before = work.state.buckets.window_start(work.now).before(KEPT_BEYOND);
    let sql = "DELETE FROM redelivery WHERE position IN (SELECT position FROM redelivery WHERE at <= ?1 LIMIT ?2)";
    execute(work.db, sql, params![before.millis(), int(part as u64)])
}

fn open(from: &Snapshot<'_>, limit: usize) -> Read<Vec<(u64, Result<Redelivery, String>)>> {
    let sql = "SELECT position, redelivery FROM redelivery WHERE NOT dealt_with ORDER BY position LIMIT ?1";
    let mut rows = from.db.prepare_cached(sql)?;
    let found = rows.query_map([int(limit as u64)], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    found
        .map(|row| {
            let (position, json) = row?;
            Ok((uint(position), serde_json::from_str(&json).map_err(|error| error.to_string())))
        })
        .collect()
}

/// The row of a delivery that waits for a time after `now`.
fn waiting(
    db: &rusqlite::Connection,
    delivery: DeliveryId,
    ordered: &Lane,
    now: Timestamp,
) -> rusqlite::Result<Option<Waiting>> {
    let sql = "SELECT id FROM retry WHERE json_extract(task, '$.delivery') = ?1 AND due > ?2 LIMIT 1";
    let mut find = db.prepare_cached(sql)?;
    let retry = find.query_row(params![delivery.to_string(), now.millis()], |row| row.get(0)).optional()?;
    if let Some(id) = retry {
        return Ok(Some(Waiting::Retry(id)));
    }
    let head = head(db, ordered)?.filter(|(_, task)| task.delivery == delivery);
    let head = head.filter(|(_, task)| task.not_before.is_some_and(|until| until > now));
    Ok(head.map(|(position, task)| Waiting::Head(position, Box::new(task))))
}

/// The attempt whose time a delivery waits for, or the first one in its ordered lane.
fn next_attempt(
    db: &rusqlite::Connection,
    delivery: DeliveryId,
    ordered: &Lane,
    now: Timestamp,
) -> Read<Option<NextAttempt>> {
    let sql = "SELECT due, task FROM retry WHERE json_extract(task, '$.delivery') = ?1 AND due > ?2 LIMIT 1";
    let mut find = db.prepare_cached(sql)?;
    let row = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
    if let Some((due, json)) = find.query_row(params![delivery.to_string(), now.millis()], row).optional()? {
        let task = serde_json::from_str::<Task>(&json)?;
        return Ok(Some(NextAttempt { delivery, number: task.attempt, due: Timestamp::from_millis(due) }));
    }
    Ok(head(db, ordered)?.and_then(|(_, task)| NextAttempt::of_head(&task, now)))
}

/// The first task of a lane, with its place.
fn head(db: &rusqlite::Connection, lane: &Lane) -> rusqlite::Result<Option<(i64, Task)>> {
    let sql = "SELECT position, task FROM task WHERE lane = (SELECT id FROM lane WHERE name = ?1)
        ORDER BY position LIMIT 1";
    let mut find = db.prepare_cached(sql)?;
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?));
    let found = find.query_row([lane.to_string()], row).optional()?;
    // A task that can't be read is found by whoever reads its lane.
    Ok(found.and_then(|(position, json)| Some((position, serde_json::from_str(&json).ok()?))))
}
