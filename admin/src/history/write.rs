//! The one thread that writes: a batch a transaction, and now and then what has reached its retention.

mod delivery;
mod event;
mod sweep;

use std::{
    collections::{BTreeSet, HashMap},
    thread,
    time::{Duration, Instant},
};

use gatepost_config::{Retention, Timestamp};
use rusqlite::{Connection, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use self::delivery::Row;
pub(super) use self::event::{first_number, time_of};
use super::{
    batch::{Batch, Feed},
    file::Place,
    words::Words,
};

/// How often what is over is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// A batch, and who waits for it.
pub(super) struct Job {
    /// What to write.
    pub(super) batch: Batch,
    /// Hears when it is written.
    pub(super) done: oneshot::Sender<rusqlite::Result<()>>,
}

/// The writer's connection and memory.
pub(super) struct Writer {
    db: Connection,
    words: Words,
    retention: Retention,
    swept_at: Option<Instant>,
    /// Kept as long as somebody writes.
    _place: Place,
}

/// One transaction.
struct Work<'a> {
    db: &'a Connection,
    words: &'a mut Words,
    retention: &'a Retention,
    now: Timestamp,
    /// Deliveries that the batch is about, as they will be written.
    deliveries: HashMap<String, Row>,
    /// Events whose state may be another one now.
    touched: BTreeSet<i64>,
}

impl Writer {
    pub(super) fn new(place: Place, retention: Retention) -> rusqlite::Result<Self> {
        let db = place.writer()?;
        Ok(Self { db, words: Words::default(), retention, swept_at: None, _place: place })
    }

    /// How far a feed is read.
    pub(super) fn reached(&self) -> rusqlite::Result<HashMap<String, u64>> {
        let mut rows = self.db.prepare("SELECT feed, after FROM cursor")?;
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
        rows.collect()
    }

    /// Writes what comes, in a thread of its own, until nobody sends any more.
    pub(super) fn start(mut self, mut jobs: mpsc::Receiver<Job>) -> std::io::Result<thread::JoinHandle<()>> {
        thread::Builder::new().name("history-writer".to_owned()).spawn(move || {
            while let Some(Job { batch, done }) = jobs.blocking_recv() {
                let written = self.write(batch);
                // Whoever asked may be gone.
                drop(done.send(written));
            }
        })
    }

    fn write(&mut self, batch: Batch) -> rusqlite::Result<()> {
        let written = self.transact(|work| work.apply(batch));
        if written.is_err() {
            self.words.forget();
        }
        if self.swept_at.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
            while self.transact(|work| work.sweep())? {}
            self.swept_at = Some(Instant::now());
        }
        written
    }

    fn transact<T>(&mut self, act: impl FnOnce(&mut Work<'_>) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut work = Work {
            db: &transaction,
            words: &mut self.words,
            retention: &self.retention,
            now: Timestamp::now(),
            deliveries: HashMap::new(),
            touched: BTreeSet::new(),
        };
        let done = act(&mut work)?;
        transaction.commit()?;
        Ok(done)
    }
}

impl Work<'_> {
    fn apply(&mut self, batch: Batch) -> rusqlite::Result<()> {
        if batch.anew {
            self.forget_all()?;
        }
        for parked in &batch.parked {
            self.parked(parked)?;
        }
        for stored in &batch.events {
            self.stored(stored)?;
        }
        for outcomes in &batch.outcomes {
            self.outcomes(outcomes)?;
        }
        for attempt in &batch.attempts {
            self.attempt(attempt)?;
        }
        for letter in &batch.letters {
            self.letter(letter)?;
        }
        self.flush_deliveries()?;
        self.restate()?;
        for (feed, after) in batch.reached {
            self.reach(feed, after)?;
        }
        Ok(())
    }

    fn reach(&self, feed: Feed, after: u64) -> rusqlite::Result<()> {
        let sql = "INSERT INTO cursor (feed, after) VALUES (?1, ?2)
            ON CONFLICT (feed) DO UPDATE SET after = excluded.after";
        self.run(sql, params![feed.name(), int(after)])?;
        Ok(())
    }

    fn forget_all(&mut self) -> rusqlite::Result<()> {
        self.words.forget();
        self.db.execute_batch(
            "DELETE FROM event; DELETE FROM delivery; DELETE FROM attempt; DELETE FROM anew; DELETE FROM cursor;
             DELETE FROM word; INSERT INTO text (text) VALUES ('delete-all');",
        )
    }

    /// Runs a statement that is kept prepared; how many rows it changed.
    fn run(&self, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<usize> {
        self.db.prepare_cached(sql)?.execute(params)
    }
}

/// A place as SQLite's integer.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
