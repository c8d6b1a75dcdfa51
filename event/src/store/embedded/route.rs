//! What routing made of events: tasks, ends, dead letters and the cursor in one transaction, so exactly once.

use rusqlite::params;

use super::{
    deliver,
    job::{Answer, RoutedRows, TaskRow},
    sql::{execute, int, uint},
    work::{Outcome, Work},
};
use crate::{Outcomes, Queued, StoreError};

pub(super) fn route(work: &mut Work<'_>, routed: &RoutedRows) -> Outcome {
    if work.state.epochs.get(&routed.key) != Some(&routed.epoch) {
        return Ok(Err(StoreError::LeaseLost));
    }
    // A repeat, or what retention ended in the meantime.
    let done = work.state.cursor;
    if routed.after > done {
        return Ok(Err(StoreError::Unavailable("what comes before it is not stored yet".to_owned())));
    }
    for task in routed.tasks.iter().filter(|task| task.sequence > done) {
        enqueue(work, task)?;
    }
    for (_, ending) in routed.ended.iter().filter(|(sequence, _)| *sequence > done) {
        work.count(*ending, 1);
    }
    for (_, letter) in routed.dead.iter().filter(|(sequence, _)| *sequence > done) {
        deliver::keep_letter(work, letter)?;
    }
    for outcomes in &routed.outcomes {
        let mut outcomes = outcomes.clone();
        if outcomes.after(done) {
            record(work, &outcomes)?;
        }
    }
    if routed.through > done {
        work.move_cursor(routed.through)?;
    }
    Ok(Ok(Answer::Done))
}

/// Writes down what became of events.
pub(super) fn record(work: &Work<'_>, outcomes: &Outcomes) -> rusqlite::Result<()> {
    let json =
        serde_json::to_string(outcomes).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let sql = "INSERT INTO outcome (at, outcome) VALUES (?1, ?2)";
    execute(work.db, sql, params![outcomes.at.millis(), json]).map(drop)
}

/// Puts a task at the end of its lane.
pub(super) fn enqueue(work: &mut Work<'_>, row: &TaskRow) -> rusqlite::Result<()> {
    let lane = work.lane(&row.lane)?;
    let sql = "INSERT INTO task (lane, sequence, task) VALUES (?1, ?2, ?3)";
    execute(work.db, sql, params![lane, int(row.sequence), row.json])?;
    let position = uint(work.db.last_insert_rowid());
    work.effects.arrived.push((row.lane, Queued { position, task: row.task.clone() }));
    Ok(())
}
