//! Deliveries that are owed anew: of dead letters, and of stored events.

use std::io;

use rusqlite::{OptionalExtension, params};

use super::{
    job::{Answer, TaskRow},
    read::{Read, ReadError, Snapshot},
    route,
    sql::{execute, int},
    work::{Outcome, Work},
};
use crate::{Event, Outcomes, Task, dead::DeadNote, id::Token};

/// The word that deliveries owed anew are counted under, beside the endings.
pub(super) const REPLAYED: &str = "replayed";

/// Owes tasks that were not owed by the same replay before; how many.
pub(super) fn enqueue(work: &mut Work<'_>, tasks: &[TaskRow]) -> rusqlite::Result<u64> {
    let mut owed = Vec::new();
    for task in tasks {
        let id = format!("{}:{}", task.task.delivery.token(), task.task.life());
        let sql = "INSERT INTO owed_anew (id, at) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING";
        if execute(work.db, sql, params![id, work.now.millis()])? == 1 {
            route::enqueue(work, task)?;
            owed.push(task.task.clone());
        }
    }
    for outcomes in Outcomes::of_tasks(&owed, work.now) {
        route::record(work, &outcomes)?;
    }
    let count = owed.len() as u64;
    work.count_as(REPLAYED, count);
    Ok(count)
}

/// Puts tasks in a dead letter's place, each with a copy of its event; counts the letter, 0 or 1.
pub(super) fn revive(work: &mut Work<'_>, position: u64, tasks: &[TaskRow]) -> Outcome {
    let sql = "SELECT file, frame, note FROM dead WHERE position = ?1 AND frame IS NOT NULL";
    let mut find = work.db.prepare_cached(sql)?;
    let found = find.query_row([int(position)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    drop(find);
    let Some((file, frame, note)): Option<(Option<String>, Vec<u8>, String)> = found else {
        return Ok(Ok(Answer::Count(0)));
    };
    for task in tasks {
        let copy = match file.as_deref().map(|name| work.bodies.copy(name)).transpose() {
            Ok(copy) => copy,
            // There is nothing to deliver; the letter stays and says what is known.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ok(Answer::Count(0))),
            Err(error) => return Err(rusqlite::Error::ToSqlConversionFailure(error.into())),
        };
        let Some(token) = task.task.copy() else { continue };
        let sql = "INSERT OR REPLACE INTO copy (token, file, frame) VALUES (?1, ?2, ?3)";
        execute(work.db, sql, params![token.as_str(), copy.as_ref().map(|file| file.name.as_str()), frame])?;
        work.effects.kept.extend(copy);
    }
    if let Ok(note) = serde_json::from_str::<DeadNote>(&note) {
        route::record(work, &Outcomes::of_revived(note.delivery, work.now))?;
    }
    enqueue(work, tasks)?;
    execute(work.db, "DELETE FROM dead WHERE position = ?1", [int(position)])?;
    work.effects.doomed.extend(file);
    Ok(Ok(Answer::Count(1)))
}

/// A revived delivery has ended: its copy of the event goes.
pub(super) fn forget_copy(work: &mut Work<'_>, task: &str) -> rusqlite::Result<()> {
    // One that can't be read is told of by whoever reads its lane; it carries nothing that could be found.
    match serde_json::from_str::<Task>(task).ok().and_then(|task| task.copy()) {
        Some(copy) => forget(work, &copy),
        None => Ok(()),
    }
}

/// Forgets a copy of an event.
pub(super) fn forget(work: &mut Work<'_>, copy: &Token) -> rusqlite::Result<()> {
    let sql = "DELETE FROM copy WHERE token = ?1 RETURNING file";
    let mut delete = work.db.prepare_cached(sql)?;
    let file: Option<Option<String>> = delete.query_row([copy.as_str()], |row| row.get(0)).optional()?;
    work.effects.doomed.extend(file.flatten());
    Ok(())
}

/// The copy that a revived delivery carries.
pub(super) fn copied(from: &Snapshot<'_>, token: &Token) -> Read<Option<Event>> {
    let sql = "SELECT file, frame FROM copy WHERE token = ?1";
    let mut find = from.db.prepare_cached(sql)?;
    let found = find.query_row([token.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((file, frame)): Option<(Option<String>, Vec<u8>)> = found else { return Ok(None) };
    let event = from.bodies.load(frame, file.as_deref());
    event.map(Some).map_err(|error| ReadError::Corrupt(format!("the event of a revived delivery: {error}")))
}
