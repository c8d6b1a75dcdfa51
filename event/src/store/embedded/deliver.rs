//! How a delivery goes on after an attempt. All of it is nothing when the task is gone, so a repeat changes nothing.

use gatepost_config::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

use super::{
    brief::{self, What},
    job::{Answer, AttemptRow, LetterRow, TaskRow},
    replay, route,
    sql::{execute, int, uint},
    work::{self, Outcome, Work},
};
use crate::{Ending, Lane, Outcomes, Queued, Task, id::Token};

/// Due retries that are moved in one transaction.
pub(super) const DUE_MAX: usize = 256;

/// Tasks that are ended as synced in one change.
const SYNCED_MAX: usize = 1024;

struct DueRow {
    id: i64,
    lane: i64,
    sequence: i64,
    json: String,
}

/// A task that left its lane.
struct Taken {
    lane: i64,
    sequence: i64,
    task: String,
}

/// Ends a delivery as delivered.
pub(super) fn finish(work: &mut Work<'_>, position: u64, copy: Option<&Token>, attempt: &AttemptRow) -> Outcome {
    if execute(work.db, "DELETE FROM task WHERE position = ?1", [int(position)])? > 0 {
        copy.map_or(Ok(()), |copy| replay::forget(work, copy))?;
        record(work, attempt)?;
        work.count(Ending::Delivered, 1);
    }
    Ok(Ok(Answer::Done))
}

/// Ends as synced the first of what stands in a lane up to a position; how many, 0 when none is left.
pub(super) fn finish_through(work: &mut Work<'_>, lane: &Lane, through: u64) -> Outcome {
    let sql = "DELETE FROM task WHERE position IN (
            SELECT position FROM task
            WHERE lane = (SELECT id FROM lane WHERE name = ?1) AND position <= ?2 ORDER BY position LIMIT ?3
        ) RETURNING task";
    let mut delete = work.db.prepare_cached(sql)?;
    let values = params![lane.to_string(), int(through), SYNCED_MAX as i64];
    let tasks = delete.query_map(values, |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    drop(delete);
    for task in &tasks {
        replay::forget_copy(work, task)?;
    }
    if !tasks.is_empty() {
        // One that can't be read was told of when its lane was.
        let tasks_read = tasks.iter().filter_map(|json| serde_json::from_str::<Task>(json).ok());
        let synced = tasks_read.map(|task| task.delivery).collect();
        route::record(work, &Outcomes::of_synced(synced, work.now))?;
        work.count(Ending::Synced, tasks.len() as u64);
    }
    Ok(Ok(Answer::Count(tasks.len() as u64)))
}

/// Takes a task out of its lane until it is due; an ordered one stays where it is.
pub(super) fn retry(
    work: &mut Work<'_>,
    position: u64,
    attempt: &AttemptRow,
    due: Timestamp,
    task: &TaskRow,
) -> Outcome {
    if task.task.ordered {
        let sql = "UPDATE task SET task = ?2 WHERE position = ?1 AND task <> ?2";
        if execute(work.db, sql, params![int(position), task.json])? > 0 {
            record(work, attempt)?;
        }
    } else if let Some(Taken { lane, sequence, .. }) = take(work, position)? {
        record(work, attempt)?;
        let sql = "INSERT INTO retry (due, lane, sequence, task) VALUES (?1, ?2, ?3, ?4)";
        execute(work.db, sql, params![due.millis(), lane, sequence, task.json])?;
        let next = work.state.next_due.map_or(due.millis(), |next| next.min(due.millis()));
        work.state.next_due = Some(next);
    }
    Ok(Ok(Answer::Done))
}

/// Ends a delivery as a dead letter.
pub(super) fn bury(work: &mut Work<'_>, position: u64, attempt: Option<&AttemptRow>, letter: &LetterRow) -> Outcome {
    if let Some(taken) = take(work, position)? {
        replay::forget_copy(work, &taken.task)?;
        attempt.map_or(Ok(()), |attempt| record(work, attempt))?;
        keep_letter(work, letter)?;
    }
    Ok(Ok(Answer::Done))
}

/// Keeps a dead letter and counts the end.
pub(super) fn keep_letter(work: &mut Work<'_>, letter: &LetterRow) -> rusqlite::Result<()> {
    let sql = "INSERT INTO dead (died_at, note, file, frame) VALUES (?1, ?2, ?3, ?4)";
    let file = letter.file().map(|file| file.name.as_str());
    let frame = letter.event.as_ref().map(|event| &*event.frame);
    execute(work.db, sql, params![letter.died_at.millis(), letter.note, file, frame])?;
    if let Some(integration) = &letter.integration {
        brief::inserted(work, integration, What::Letter, letter.died_at)?;
    }
    work.effects.kept.extend(letter.file().cloned());
    work.count(letter.ending, 1);
    Ok(())
}

/// Moves retries that are due into their lanes, where they arrive anew; how many.
pub(super) fn fire_due(work: &mut Work<'_>) -> rusqlite::Result<usize> {
    let due = due(work)?;
    for row in &due {
        execute(work.db, "DELETE FROM retry WHERE id = ?1", [row.id])?;
        let sql = "INSERT INTO task (lane, sequence, task) VALUES (?1, ?2, ?3)";
        execute(work.db, sql, params![row.lane, row.sequence, row.json])?;
        let position = uint(work.db.last_insert_rowid());
        // A task that can't be read is found by whoever reads its lane.
        if let Ok(task) = serde_json::from_str::<Task>(&row.json) {
            work.effects.arrived.push((Lane::of(&task), Queued { position, task }));
        }
    }
    work.state.next_due = work::next_due(work.db)?;
    Ok(due.len())
}

fn due(work: &Work<'_>) -> rusqlite::Result<Vec<DueRow>> {
    let sql = "SELECT id, lane, sequence, task FROM retry WHERE due <= ?1 ORDER BY due, id LIMIT ?2";
    let mut rows = work.db.prepare_cached(sql)?;
    let found = rows.query_map(params![work.now.millis(), DUE_MAX as i64], |row| {
        Ok(DueRow { id: row.get(0)?, lane: row.get(1)?, sequence: row.get(2)?, json: row.get(3)? })
    })?;
    found.collect()
}

/// Takes a task out of its lane; nothing when it is gone.
fn take(work: &Work<'_>, position: u64) -> rusqlite::Result<Option<Taken>> {
    let sql = "DELETE FROM task WHERE position = ?1 RETURNING lane, sequence, task";
    let mut delete = work.db.prepare_cached(sql)?;
    let taken = |row: &Row<'_>| Ok(Taken { lane: row.get(0)?, sequence: row.get(1)?, task: row.get(2)? });
    delete.query_row([int(position)], taken).optional()
}

fn record(work: &Work<'_>, attempt: &AttemptRow) -> rusqlite::Result<()> {
    let sql = "INSERT INTO attempt (at, attempt) VALUES (?1, ?2)";
    execute(work.db, sql, params![attempt.at.millis(), attempt.json])?;
    brief::inserted(work, &attempt.integration, What::Attempt, attempt.at)
}
