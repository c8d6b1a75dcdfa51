//! The one thread that writes: a batch a transaction, and now and then what has reached its retention.

mod delivery;
mod erase;
mod event;
mod sweep;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use gatepost_config::{Config, Retentions, Timestamp};
use gatepost_event::{ErasureId, erasure::Reach};
use rusqlite::{Connection, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot, watch};

use self::delivery::Row;
pub(super) use self::event::{first_number, time_of};
use super::{
    batch::{Batch, Feed, Pass},
    file::Place,
    words::Words,
};

/// How often what is over is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Erasures that were dealt with, and whether nothing of them could come any more.
pub(super) type Erased = HashMap<ErasureId, bool>;

/// Something to do, and who waits for it.
pub(super) struct Job {
    /// What to do.
    pub(super) what: What,
    /// Hears when it is done.
    pub(super) done: oneshot::Sender<rusqlite::Result<()>>,
}

/// Something to do.
pub(super) enum What {
    /// Write these.
    Write(Batch),
    /// Erase what is gone.
    Erase(Pass),
}

/// The writer's connection and memory.
pub(super) struct Writer {
    db: Connection,
    words: Words,
    config: watch::Receiver<Arc<Config>>,
    retention: Retentions,
    swept_at: Option<Instant>,
    /// Kept as long as somebody writes.
    _place: Place,
}

/// One transaction.
struct Work<'a> {
    db: &'a Connection,
    words: &'a mut Words,
    retention: &'a Retentions,
    now: Timestamp,
    /// What is not to be written any more.
    gone: Arc<Reach>,
    /// Deliveries that the batch is about, as they will be written.
    deliveries: HashMap<String, Row>,
    /// Events whose state may be another one now.
    touched: BTreeSet<i64>,
}

impl Writer {
    pub(super) fn new(place: Place, mut config: watch::Receiver<Arc<Config>>) -> rusqlite::Result<Self> {
        let db = place.writer()?;
        let retention = Retentions::from(&**config.borrow_and_update());
        Ok(Self { db, words: Words::default(), config, retention, swept_at: None, _place: place })
    }

    /// Erasures that were dealt with, and whether for the last time.
    pub(super) fn erased(&self) -> rusqlite::Result<Erased> {
        let mut rows = self.db.prepare("SELECT id, is_last FROM erased")?;
        let rows = rows.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)))?;
        let mut erased = Erased::new();
        for row in rows {
            let (id, is_last) = row?;
            erased.extend(id.parse().ok().map(|id| (id, is_last)));
        }
        Ok(erased)
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
            while let Some(Job { what, done }) = jobs.blocking_recv() {
                let did = match what {
                    What::Write(batch) => self.write(batch),
                    What::Erase(pass) => self.erase(&pass),
                };
                // Whoever asked may be gone.
                drop(done.send(did));
            }
        })
    }

    fn write(&mut self, batch: Batch) -> rusqlite::Result<()> {
        // Who publishes it may have stopped.
        if self.config.has_changed().unwrap_or(false) {
            self.retention = Retentions::from(&**self.config.borrow_and_update());
        }
        let gone = batch.gone.clone();
        let written = self.transact(gone, |work| work.apply(batch));
        if self.swept_at.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
            while self.transact(Arc::default(), |work| work.sweep())? {}
            self.swept_at = Some(Instant::now());
        }
        written
    }

    fn transact<T>(
        &mut self,
        gone: Arc<Reach>,
        act: impl FnOnce(&mut Work<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let done = self.try_transact(gone, act);
        if done.is_err() {
            // Some may have been made by what was undone; their numbers are given anew.
            self.words.forget();
        }
        done
    }

    fn try_transact<T>(
        &mut self,
        gone: Arc<Reach>,
        act: impl FnOnce(&mut Work<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut work = Work {
            db: &transaction,
            words: &mut self.words,
            retention: &self.retention,
            now: Timestamp::now(),
            gone,
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use gatepost_config::{Options, provider::Trust};
    use gatepost_event::{Event, EventId, EventRef, Meta, RequestId, store::StoredEvent};

    use super::*;

    fn config(folder: &Path, own: &str) -> Arc<Config> {
        let text = format!(
            "[store]\npath = {folder:?}\n
             [[integration]]\nid = \"brief\"\nprovider = \"github\"\nsecrets = [{{ env = \"SECRET\" }}]\n{own}\n
             [[integration]]\nid = \"long\"\nprovider = \"github\"\nsecrets = [{{ env = \"SECRET\" }}]\n"
        );
        let env = |_: &str| Some("a secret of this test".to_owned());
        let loaded = gatepost_config::parse(&text, &folder.join("gatepost.toml"), &env, Options::default());
        Arc::new(loaded.unwrap_or_else(|problems| panic!("{problems}")).config)
    }

    fn stored(integration: &str, sequence: u64, received_at: Timestamp) -> StoredEvent {
        let id = EventId::of(integration, "acme", &sequence.to_string(), None);
        let meta = Meta {
            id,
            request: RequestId::fresh(received_at),
            integration: integration.parse().expect("an id"),
            provider: "github".parse().expect("a name"),
            connection: None,
            tenant: None,
            account: None,
            kind: "github.push".to_owned(),
            provider_type: None,
            provider_event_id: None,
            trust: Trust::Verified,
            redacted: false,
            occurred_at: None,
            received_at,
            headers: Vec::new(),
            content_type: None,
            key_id: None,
            destination: None,
        };
        let event = Event { meta, body: "{}".into() };
        StoredEvent { at: EventRef { id, partition: 0, sequence, received_at }, event: Ok(event) }
    }

    fn known(writer: &Writer) -> Vec<String> {
        let sql = "SELECT text FROM event JOIN word ON word.id = event.integration ORDER BY number";
        let mut rows = writer.db.prepare(sql).expect("a statement");
        let rows = rows.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<Result<_, _>>().expect("texts")
    }

    #[test]
    fn what_an_integration_keeps_for_less_time_is_forgotten_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let (publish, follow) = watch::channel(config(folder.path(), ""));
        let place = Place::take(&publish.borrow()).expect("a place");
        let mut writer = Writer::new(place, follow).expect("a file");
        let day = Duration::from_hours(24);
        let (old, new) = (Timestamp::now().before(3 * day), Timestamp::now().before(day));
        let all = [("brief", old), ("long", old), ("brief", new), ("long", new)];
        let events = (1..).zip(all).map(|(sequence, (integration, at))| stored(integration, sequence, at)).collect();
        writer.write(Batch::of_events(0, events)).expect("it is written");
        assert_eq!(known(&writer), ["brief", "long", "brief", "long"], "the control");

        publish.send_replace(config(folder.path(), "retention = { events = \"2d\" }"));
        writer.swept_at = None;
        writer.write(Batch::default()).expect("it is written");
        assert_eq!(known(&writer), ["long", "brief", "long"]);
        // A history that is made anew comes to the same.
        writer.write(Batch { anew: true, ..Batch::default() }).expect("it is forgotten");
        let events = (1..).zip(all).map(|(sequence, (integration, at))| stored(integration, sequence, at)).collect();
        writer.write(Batch::of_events(0, events)).expect("it is written");
        assert_eq!(known(&writer), ["long", "brief", "long"]);
    }
}
