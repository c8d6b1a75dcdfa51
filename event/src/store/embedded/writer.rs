//! The one thread that writes: it takes what waits, commits it together and answers everybody after the commit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::SyncSender,
    },
    time::{Duration, Instant},
};

use gatepost_config::{Retention, Timestamp};
use rusqlite::{Connection, TransactionBehavior};

use super::{
    append,
    body::Bodies,
    checkpoint, deliver,
    desk::{Answers, Said},
    frames::{self, Frames},
    ids::Ids,
    job::Job,
    queue::Queue,
    retention,
    shared::Shared,
    sql::{disk_error, is_environment, store_error},
    work::{Effects, State, Work},
};
use crate::StoreError;

/// The longest the writer sleeps: a wall clock that jumps is noticed within it.
const SLEEP_MAX: Duration = Duration::from_secs(30);

/// The shortest pause between two sweeps that found nothing to do.
const SWEEP_PAUSE_MIN: Duration = Duration::from_millis(100);

/// The pause after work of its own failed.
const FAILED_PAUSE: Duration = Duration::from_secs(1);

/// Bytes or commits after which the write-ahead log is copied into the database. What is copied is synced together, and a
/// commit's own sync waits behind it on the disk: so it is little at a time.
const CHECKPOINT_BYTES: usize = 1024 * 1024;
const CHECKPOINT_COMMITS: u32 = 1_000;

/// About what an event's row takes in the database when its frame stands beside it.
const ROW_BYTES: usize = 256;

/// The writer and all it needs.
pub(super) struct Writer {
    pub(super) db: Connection,
    pub(super) state: State,
    pub(super) ids: Ids,
    pub(super) bodies: Bodies,
    pub(super) frames: Frames,
    pub(super) queue: Arc<Queue>,
    pub(super) shared: Arc<Shared>,
    /// Asks for a checkpoint.
    pub(super) checkpoint: SyncSender<()>,
    /// What is left of a long write-ahead log is for the writer to copy.
    pub(super) help: Arc<AtomicBool>,
    /// Whether SQLite syncs the next commit.
    pub(super) database_syncs: bool,
}

/// What makes a transaction last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SyncedBy {
    /// A sync of the write-ahead log, and with it all that was committed before.
    Database,
    /// That of the frames: so many events go to a bucket, in so many bytes at most.
    Frames { bucket: i64, now: Timestamp, events: usize, bytes: usize },
}

/// When the writer has something of its own to do, and what it wrote since the last checkpoint.
struct Duties {
    sweep_at: Instant,
    fire_after: Instant,
    roll_after: Instant,
    bytes: usize,
    commits: u32,
}

impl Writer {
    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self) -> Connection {
        let now = Instant::now();
        let mut duties = Duties { sweep_at: now, fire_after: now, roll_after: now, bytes: 0, commits: 0 };
        while let Some(jobs) = self.queue.next(self.until_duty(&duties)) {
            if !jobs.is_empty() {
                self.commit(jobs, &mut duties);
            }
            self.do_duties(&mut duties);
        }
        self.db
    }

    /// How long nothing of the writer's own is due.
    fn until_duty(&self, duties: &Duties) -> Duration {
        let now = Instant::now();
        let sweep = duties.sweep_at.saturating_duration_since(now);
        let fire = self.state.next_due.map_or(SLEEP_MAX, |due| {
            let until_due = Timestamp::from_millis(due).since(Timestamp::now());
            until_due.max(duties.fire_after.saturating_duration_since(now))
        });
        sweep.min(fire).min(SLEEP_MAX)
    }

    fn do_duties(&mut self, duties: &mut Duties) {
        let now = Instant::now();
        let is_due = self.state.next_due.is_some_and(|due| due <= Timestamp::now().millis());
        if is_due && duties.fire_after <= now {
            match self.transact(deliver::fire_due) {
                Ok(_) => duties.commits += 1,
                Err(error) => {
                    tracing::error!(%error, "due retries could not be moved into their lanes; trying again");
                    duties.fire_after = now + FAILED_PAUSE;
                }
            }
        }
        if duties.roll_after <= now && !self.write_runs() {
            duties.roll_after = now + FAILED_PAUSE;
        }
        if duties.sweep_at <= now {
            let sweep_pause = self.sweep_pause();
            duties.sweep_at = now
                + match self.transact(retention::sweep) {
                    Ok(true) => Duration::ZERO,
                    Ok(false) => sweep_pause,
                    Err(error) => {
                        tracing::error!(%error, "what has reached its retention could not be ended; trying again");
                        sweep_pause.max(FAILED_PAUSE)
                    }
                };
        }
        if duties.bytes >= CHECKPOINT_BYTES || duties.commits >= CHECKPOINT_COMMITS {
            // One that is under way already will do.
            let _ = self.checkpoint.try_send(());
            (duties.bytes, duties.commits) = (0, 0);
        }
        // Nothing can be written meanwhile, so it is done when little is left to copy.
        if self.help.swap(false, Ordering::Acquire) {
            checkpoint::passive(&self.db);
        }
    }

    /// Short enough that what is over goes within a part of its time.
    fn sweep_pause(&self) -> Duration {
        let kept = self.shared.retention();
        let least = |all: &Retention| all.events.min(all.dead_letters).min(all.unmatched).min(all.quarantine);
        let shortest = kept.shortest(least).min(kept.all.audit).min(self.state.buckets.span() * 8);
        (shortest / 8).clamp(SWEEP_PAUSE_MIN, SLEEP_MAX)
    }

    /// Writes the ids that are enough for a run; whether that worked.
    pub(super) fn write_runs(&mut self) -> bool {
        while let Some(full) = self.ids.full() {
            if let Err(error) = self.transact(|work| full.write(work.db)) {
                tracing::error!(%error, "a run of ids could not be written; trying again, they are in memory meanwhile");
                return false;
            }
            self.ids.written(&full);
        }
        true
    }

    /// Commits jobs together. Where they only log events, that needs no sync of the database's; where one does anything else,
    /// there is no need of a second one.
    fn commit(&mut self, mut jobs: Vec<Job>, duties: &mut Duties) {
        let (now, mut answers) = (Instant::now(), Answers::default());
        // Nobody waits for them any more, and not storing them is the honest answer under overload.
        for late in jobs.extract_if(.., |job| job.deadline < now) {
            answer(late, Err(StoreError::Unavailable("not written in time".to_owned())), &mut answers);
        }
        answers.give();
        let (now, bytes) = (Timestamp::now(), jobs.iter().map(|job| job.bytes).sum());
        let logged: Option<usize> = jobs.iter().map(Job::logs).sum();
        let (by, written) = match (logged, self.state.buckets.open(now)) {
            (Some(events), Some(bucket)) => {
                (SyncedBy::Frames { bucket: bucket.number, now, events, bytes }, events * ROW_BYTES)
            }
            _ => (SyncedBy::Database, bytes),
        };
        duties.bytes += written;
        duties.commits += u32::from(!jobs.is_empty());
        self.commit_by(by, jobs);
    }

    /// Commits jobs together; when one of them fails, each by itself, so that it fails alone.
    fn commit_by(&mut self, by: SyncedBy, jobs: Vec<Job>) {
        let mut answers = Answers::default();
        match self.attempt(by, &jobs) {
            Ok(said) => jobs.into_iter().zip(said).for_each(|(job, said)| answer(job, said, &mut answers)),
            Err(error) if jobs.len() > 1 && !is_environment(&error) => {
                for job in jobs {
                    let said = self.attempt(by, std::slice::from_ref(&job)).map_err(|error| store_error(&error));
                    let said = said.and_then(|mut answers| answers.pop().unwrap_or(Err(StoreError::Closed)));
                    answer(job, said, &mut answers);
                    std::mem::take(&mut answers).give();
                }
            }
            Err(error) => jobs.into_iter().for_each(|job| answer(job, Err(store_error(&error)), &mut answers)),
        }
        answers.give();
    }

    fn attempt(&mut self, by: SyncedBy, jobs: &[Job]) -> rusqlite::Result<Vec<Said>> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        self.transact_by(by, |work| jobs.iter().map(|job| work.apply(&job.change)).collect())
    }

    /// Makes the rows anew of events that were stored when the power failed; how many.
    pub(super) fn restore(&mut self) -> rusqlite::Result<u64> {
        let after = self.state.last_sequence;
        // Starting a bucket syncs the database, so that nothing of those before can be missing.
        let Some(bucket) = self.state.buckets.all().last().copied() else { return Ok(0) };
        let store = self.bodies.store_folder().to_owned();
        self.transact(|work| frames::lost(&store, bucket.number, after, |lost| append::restore(work, &lost)))?;
        Ok(self.state.last_sequence - after)
    }

    /// Runs one transaction, and after its commit what follows from it.
    pub(super) fn transact<T>(
        &mut self,
        act: impl FnOnce(&mut Work<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.transact_by(SyncedBy::Database, act)
    }

    fn transact_by<T>(
        &mut self,
        by: SyncedBy,
        act: impl FnOnce(&mut Work<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let is_database = by == SyncedBy::Database;
        if self.database_syncs != is_database {
            let level = if is_database { "FULL" } else { "NORMAL" };
            self.db.prepare_cached(&format!("PRAGMA synchronous = {level}"))?.execute([])?;
            self.database_syncs = is_database;
        }
        let (now, mut frames) = match by {
            SyncedBy::Database => (Timestamp::now(), None),
            SyncedBy::Frames { bucket, now, events, bytes } => {
                self.frames.begin(bucket, events, bytes).map_err(|error| disk_error(&error))?;
                (now, Some(&mut self.frames))
            }
        };
        let mut state = self.state.clone();
        let mut effects = Effects::default();
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut work = Work {
            db: &transaction,
            state: &mut state,
            effects: &mut effects,
            ids: &self.ids,
            bodies: &self.bodies,
            insert: None,
            frames: frames.as_deref_mut(),
            is_followed: self.shared.is_followed(),
            retention: self.shared.retention(),
            now,
        };
        let done = act(&mut work)?;
        work.write_counts()?;
        drop(work);
        // From here on a row may refer to them, even if the commit says it failed.
        effects.kept.iter().for_each(|file| file.keep());
        self.bodies.frames.overwrite(&effects.wiped).map_err(|error| disk_error(&error))?;
        if let Some(frames) = &mut frames {
            frames.sync().map_err(|error| disk_error(&error))?;
        }
        transaction.commit()?;
        if let Some(frames) = frames {
            frames.keep();
        }
        self.state = state;
        self.ids.commit(effects.added, self.state.buckets.all());
        self.ids.keep(self.state.buckets.in_window(now));
        self.shared.keep_fresh(effects.logged);
        self.shared.announce(self.state.last_sequence, effects.arrived, effects.sooner);
        self.shared.announce_changes(effects.changes);
        if effects.secrets {
            self.shared.secrets.send_replace(());
        }
        effects.dropped.iter().for_each(|bucket| self.bodies.frames.remove(*bucket));
        self.bodies.remove(&effects.doomed);
        self.bodies.overwrite(&effects.overwritten);
        Ok(done)
    }
}

/// Notes what a caller is to be told, if one waits.
fn answer(job: Job, said: Said, answers: &mut Answers) {
    if let Some(caller) = job.caller {
        answers.add(caller, said, job.change);
    }
}
