//! Erasing: rows go, what they were is overwritten, and the write-ahead log that may still show it is emptied.
//!
//! The writer always overwrites what it deletes inside pages (`secure_delete = FAST`, which costs nothing). Pages that
//! become free keep what was on them until they are used again: when something is erased its pages are overwritten at
//! once, and [`scrub`] fills those that became free before.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    Embedded,
    frames::Place,
    history,
    job::{Answer, Change},
    queue::Kind,
    read::{Read, Snapshot},
    replay,
    sql::{execute, int, store_error, uint},
    work::{self, Outcome, Work},
};
use crate::{
    Ending, EventRef, Queued, StoreError, Task,
    erasure::{Remains, Waits},
};

/// Free pages filled in one transaction.
const PAGES: i64 = 512;

/// Longest wait until the write-ahead log can be emptied: a reader may need what stands in it.
const EMPTY_MAX: Duration = Duration::from_secs(30);

/// The pause between two tries.
const EMPTY_AGAIN: Duration = Duration::from_millis(50);

impl Embedded {
    pub(in crate::store) async fn scheduled(
        &self,
        _shard: u16,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Queued>, StoreError> {
        self.0.readers.ask(move |from| scheduled(from, after, limit)).await
    }

    pub(in crate::store) async fn routed_to(&self, _partition: u16) -> Result<u64, StoreError> {
        self.0.readers.ask(history::cursor).await
    }

    pub(in crate::store) async fn erase(&self, remains: Vec<Remains>) -> Result<(), StoreError> {
        self.write(Kind::Completion, Change::Erase(remains), 0).await.map(drop)
    }

    pub(in crate::store) async fn scrub(&self) -> Result<(), StoreError> {
        while let Answer::Count(1..) = self.write(Kind::Completion, Change::Scrub, 0).await? {}
        let folder = self.0.bodies.store_folder().to_owned();
        let emptied = tokio::task::spawn_blocking(move || empty_log(&folder)).await;
        emptied.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }
}

/// Ends and deletes rows; what they were is overwritten.
pub(super) fn erase(work: &mut Work<'_>, remains: &[Remains]) -> Outcome {
    work.db.execute_batch("PRAGMA secure_delete = ON")?;
    let erased = remains.iter().try_for_each(|remains| one(work, remains));
    work.db.execute_batch("PRAGMA secure_delete = FAST")?;
    work.state.next_due = work::next_due(work.db)?;
    erased.map(|()| Ok(Answer::Done))
}

fn one(work: &mut Work<'_>, remains: &Remains) -> rusqlite::Result<()> {
    match remains {
        Remains::Event(at) => event(work, at),
        Remains::Parked(position) => {
            if let Some(file) = delete(work, "DELETE FROM parked WHERE position = ?1 RETURNING file", *position)? {
                work.effects.overwritten.extend(file);
                work.count(Ending::Erased, 1);
            }
            Ok(())
        }
        Remains::Letter(position) => {
            let file = delete(work, "DELETE FROM dead WHERE position = ?1 RETURNING file", *position)?;
            work.effects.overwritten.extend(file.flatten());
            Ok(())
        }
        Remains::Attempts(position, _) => {
            execute(work.db, "DELETE FROM attempt WHERE position = ?1", [int(*position)]).map(drop)
        }
        Remains::Owed(_, waits, queued) => {
            let sql = match waits {
                Waits::InLane => "DELETE FROM task WHERE position = ?1 RETURNING task",
                Waits::Scheduled => "DELETE FROM retry WHERE id = ?1 RETURNING task",
            };
            if let Some(Some(task)) = delete(work, sql, queued.position)? {
                replay::forget_copy(work, &task)?;
                work.count(Ending::Erased, 1);
            }
            Ok(())
        }
        Remains::Refused(key) => {
            let sql = "DELETE FROM quarantine WHERE request = ?1";
            execute(work.db, sql, [key.request.token().as_str()]).map(drop)
        }
        Remains::Secret(name) => execute(work.db, "DELETE FROM secret WHERE name = ?1", [name.as_str()]).map(drop),
    }
}

/// An event that was routed; another one may not go, or nothing would end it.
fn event(work: &mut Work<'_>, at: &EventRef) -> rusqlite::Result<()> {
    if at.sequence > work.state.cursor {
        return Ok(());
    }
    let find = "SELECT number FROM bucket WHERE first_sequence <= ?1 ORDER BY number DESC LIMIT 1";
    let mut find = work.db.prepare_cached(find)?;
    let Some(bucket) = find.query_row([int(at.sequence)], |row| row.get::<_, i64>(0)).optional()? else {
        return Ok(());
    };
    drop(find);
    let sql = format!("DELETE FROM event_{bucket} WHERE sequence = ?1 AND id = ?2 RETURNING file, frame");
    let values = params![int(at.sequence), at.id.token().as_str()];
    let gone = work.db.prepare_cached(&sql)?.query_row(values, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((file, frame)): Option<(Option<String>, Vec<u8>)> = gone else { return Ok(()) };
    work.effects.overwritten.extend(file);
    work.effects.wiped.extend(Place::read(&frame));
    Ok(())
}

/// Deletes a row; what it gives back, if it was there.
fn delete(work: &Work<'_>, sql: &str, position: u64) -> rusqlite::Result<Option<Option<String>>> {
    work.db.prepare_cached(sql)?.query_row([int(position)], |row: &Row<'_>| row.get(0)).optional()
}

/// Fills some of the free pages with nothing; how many are left.
pub(super) fn scrub(work: &Work<'_>) -> Outcome {
    let number = |sql: &str| work.db.query_row(sql, [], |row| row.get::<_, i64>(0));
    let (free, page) = (number("PRAGMA freelist_count")?, number("PRAGMA page_size")?);
    work.db.execute_batch("CREATE TABLE IF NOT EXISTS scrub (filled BLOB NOT NULL)")?;
    let free = number("PRAGMA freelist_count")?.min(free);
    if free == 0 {
        work.db.execute_batch("DROP TABLE scrub")?;
        return Ok(Ok(Answer::Count(0)));
    }
    execute(work.db, "INSERT INTO scrub (filled) VALUES (zeroblob(?1))", [free.min(PAGES) * page])?;
    Ok(Ok(Answer::Count(uint(free))))
}

/// Copies all of the write-ahead log into the database, and empties it.
fn empty_log(folder: &Path) -> Result<(), StoreError> {
    let db = super::open::truncater(folder).map_err(|error| store_error(&error))?;
    let until = Instant::now() + EMPTY_MAX;
    loop {
        let busy = |db: &Connection| db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        match busy(&db) {
            Ok(false) => return Ok(()),
            Ok(true) if Instant::now() < until => std::thread::sleep(EMPTY_AGAIN),
            Ok(true) => {
                return Err(StoreError::Unavailable("the write-ahead log is read all the time".to_owned()));
            }
            Err(error) => return Err(store_error(&error)),
        }
    }
}

fn scheduled(from: &Snapshot<'_>, after: u64, limit: usize) -> Read<Vec<Queued>> {
    let sql = "SELECT id, task FROM retry WHERE id > ?1 ORDER BY id LIMIT ?2";
    let mut rows = from.db.prepare_cached(sql)?;
    let values = params![int(after), int(limit as u64)];
    let found = rows.query_map(values, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    found
        .map(|row| {
            let (id, json) = row?;
            Ok(Queued { position: uint(id), task: serde_json::from_str::<Task>(&json)? })
        })
        .collect()
}
