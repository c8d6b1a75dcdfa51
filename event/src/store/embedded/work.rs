//! One transaction of the writer: what changes work on, and what follows their commit.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use gatepost_config::{Retentions, Timestamp};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::{
    append, audit,
    body::{Bodies, BodyFile},
    bucket::Buckets,
    deliver, erase,
    frames::{Frames, Place},
    fresh::Logged,
    ids::{Added, Ids},
    job::{Answer, Change},
    park, quarantine, redelivery, registry, replay, route, secret,
    sql::{execute, int, uint},
};
use crate::{Ending, Lane, Queued, StoreError, store::types::LeaseKey};

/// What the writer remembers of the database. A transaction that fails puts it back.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) buckets: Buckets,
    /// The sequence of the last event.
    pub(super) last_sequence: u64,
    /// The last event that was routed.
    pub(super) cursor: u64,
    /// Who may route: the epoch of the last lease.
    pub(super) epochs: HashMap<LeaseKey, u64>,
    /// When the next retry is due, in milliseconds.
    pub(super) next_due: Option<i64>,
    /// Whether events may be parked: none are, as long as this is false.
    pub(super) parks: bool,
}

/// What follows a commit.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Tasks that arrived in lanes.
    pub(super) arrived: Vec<(Lane, Queued)>,
    /// Ordered lanes whose first task may go earlier than was said.
    pub(super) sooner: Vec<Lane>,
    /// What was counted, by the words it is counted under.
    pub(super) counted: BTreeMap<&'static str, u64>,
    /// Ids that the log has now.
    pub(super) added: Added,
    /// Events that the log has now, those that were at hand as a whole, if somebody follows it.
    pub(super) logged: Vec<Logged>,
    /// Files that rows now refer to.
    pub(super) kept: Vec<Arc<BodyFile>>,
    /// Files that no row refers to any more.
    pub(super) doomed: Vec<String>,
    /// Files of what was erased.
    pub(super) overwritten: Vec<String>,
    /// Frames of what was deleted, which are overwritten before the commit.
    pub(super) wiped: Vec<Place>,
    /// Buckets that are gone.
    pub(super) dropped: Vec<i64>,
    /// Whether a secret was kept.
    pub(super) secrets: bool,
    /// Changes of the registry.
    pub(super) changes: Vec<(crate::registry::Kind, crate::registry::Change)>,
}

/// One transaction under way.
pub(super) struct Work<'a> {
    pub(super) db: &'a Connection,
    pub(super) state: &'a mut State,
    pub(super) effects: &'a mut Effects,
    pub(super) ids: &'a Ids,
    pub(super) bodies: &'a Bodies,
    /// Puts events into a bucket: found once for all events of the transaction.
    pub(super) insert: Option<(i64, CachedStatement<'a>)>,
    /// Where events' frames go, where it is that and not SQLite that syncs the transaction.
    pub(super) frames: Option<&'a mut Frames>,
    /// Whether somebody follows the log.
    pub(super) is_followed: bool,
    /// How long what is stored now is kept.
    pub(super) retention: Arc<Retentions>,
    pub(super) now: Timestamp,
}

/// A change's answer; the outer error fails the whole transaction.
pub(super) type Outcome = rusqlite::Result<Result<Answer, StoreError>>;

impl State {
    pub(super) fn load(db: &Connection, buckets: Buckets) -> rusqlite::Result<Self> {
        let cursor: Option<i64> =
            db.query_row("SELECT through FROM cursor WHERE partition = 0", [], |row| row.get(0)).optional()?;
        let cursor = uint(cursor.unwrap_or(0));
        // Events behind the cursor may all be gone; their sequences are never given again.
        let last_sequence = buckets.last_sequence(db)?.max(cursor);
        let next_due = next_due(db)?;
        let parks = db.query_row("SELECT EXISTS (SELECT 1 FROM parked)", [], |row| row.get(0))?;
        Ok(Self { buckets, last_sequence, cursor, epochs: HashMap::new(), next_due, parks })
    }
}

/// When the next retry is due, in milliseconds.
pub(super) fn next_due(db: &Connection) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT min(due) FROM retry")?.query_row([], |row| row.get(0))
}

impl Work<'_> {
    /// Writes one caller's change.
    pub(super) fn apply(&mut self, change: &Change) -> Outcome {
        match change {
            Change::Append(items) => Ok(Ok(Answer::Appended(append::append(self, items)?))),
            Change::Route(routed) => route::route(self, routed),
            Change::Finish { position, copy, attempt } => deliver::finish(self, *position, copy.as_ref(), attempt),
            Change::FinishThrough { lane, through } => deliver::finish_through(self, lane, *through),
            Change::Retry { position, attempt, due, task } => deliver::retry(self, *position, attempt, *due, task),
            Change::Bury { position, attempt, letter } => deliver::bury(self, *position, attempt.as_ref(), letter),
            Change::Unpark(release, through) => Ok(Ok(Answer::Count(park::unpark(self, release, *through)?))),
            Change::Revive { position, tasks } => replay::revive(self, *position, tasks),
            Change::Enqueue(tasks) => Ok(Ok(Answer::Count(replay::enqueue(self, tasks)?))),
            Change::Hasten { delivery, ordered, now } => redelivery::hasten(self, *delivery, ordered, *now),
            Change::Redelivered(row) => redelivery::note(self, row),
            Change::RedeliveredThrough(position) => redelivery::dealt_with(self, *position),
            Change::Refuse(refusal) => quarantine::keep(self, refusal),
            Change::Forget(requests) => quarantine::forget(self, requests),
            Change::Erase(remains) => erase::erase(self, remains),
            Change::Scrub => erase::scrub(self),
            Change::Keep(row) => secret::keep(self, row),
            Change::Register(row) => registry::write(self, row),
            Change::Note(row) => audit::note(self, row),
            Change::Lease(key) => self.grant(*key),
            #[cfg(test)]
            Change::Batch(sql) => self.db.execute_batch(sql).map(|()| Ok(Answer::Done)),
        }
    }

    /// Counts ends of what was owed.
    pub(super) fn count(&mut self, ending: Ending, count: u64) {
        self.count_as(ending.word(), count);
    }

    /// Counts under a word: an ending's, or [`super::replay::REPLAYED`].
    pub(super) fn count_as(&mut self, word: &'static str, count: u64) {
        *self.effects.counted.entry(word).or_default() += count;
    }

    /// Writes what was counted: once for all changes of the transaction, at its end.
    pub(super) fn write_counts(&self) -> rusqlite::Result<()> {
        let sql = "INSERT INTO ended (ending, count) VALUES (?1, ?2)
            ON CONFLICT (ending) DO UPDATE SET count = count + excluded.count";
        self.effects
            .counted
            .iter()
            .try_for_each(|(word, count)| execute(self.db, sql, params![word, int(*count)]).map(drop))
    }

    /// A lane's row, made if need be.
    pub(super) fn lane(&self, lane: &Lane) -> rusqlite::Result<i64> {
        let name = lane.to_string();
        let mut find = self.db.prepare_cached("SELECT id FROM lane WHERE name = ?1")?;
        if let Some(id) = find.query_row([&name], |row| row.get(0)).optional()? {
            return Ok(id);
        }
        execute(self.db, "INSERT INTO lane (name) VALUES (?1)", [&name])?;
        Ok(self.db.last_insert_rowid())
    }

    /// Moves the cursor and remembers it.
    pub(super) fn move_cursor(&mut self, through: u64) -> rusqlite::Result<()> {
        let sql = "INSERT INTO cursor (partition, through) VALUES (0, ?1)
            ON CONFLICT (partition) DO UPDATE SET through = excluded.through";
        execute(self.db, sql, [int(through)])?;
        self.state.cursor = through;
        Ok(())
    }

    /// The next epoch of a lease, which ends all earlier ones.
    fn grant(&mut self, key: LeaseKey) -> Outcome {
        let name = match key {
            LeaseKey::Partition(number) => format!("partition.{number}"),
            LeaseKey::Shard(number) => format!("shard.{number}"),
            LeaseKey::Replays => "replays".to_owned(),
            LeaseKey::Quarantine => "quarantine".to_owned(),
            LeaseKey::Bindings => "bindings".to_owned(),
            LeaseKey::Heals => "heals".to_owned(),
        };
        let sql = "INSERT INTO lease (key, epoch) VALUES (?1, 1)
            ON CONFLICT (key) DO UPDATE SET epoch = epoch + 1 RETURNING epoch";
        let epoch: i64 = self.db.prepare_cached(sql)?.query_row([name], |row| row.get(0))?;
        self.state.epochs.insert(key, uint(epoch));
        Ok(Ok(Answer::Count(uint(epoch))))
    }
}
