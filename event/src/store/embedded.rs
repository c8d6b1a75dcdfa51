//! The engine for one machine: SQLite in a folder, owned by one process.
//!
//! One thread writes. It takes what waits in its queues, commits it together, and answers everybody after the commit
//! is on disk. Readers have connections of their own and never wait for it; neither do checkpoints.

mod append;
mod audit;
mod body;
mod brief;
mod bucket;
mod checkpoint;
mod deliver;
mod desk;
mod erase;
mod events;
mod frames;
mod fresh;
mod history;
mod ids;
mod inspect;
mod job;
mod lease;
mod log;
mod lookup;
mod open;
mod packed;
mod park;
mod quarantine;
mod queue;
mod read;
mod redelivery;
mod registry;
mod replay;
mod retention;
mod route;
mod schema;
mod secret;
mod shared;
mod sql;
mod start;
#[cfg(test)]
mod tests;
mod work;
mod writer;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use gatepost_config::{IntegrationId, Retentions, Timestamp};
use tokio::sync::watch;

pub use inspect::inspect;
pub use log::{Log, Tail};
pub use registry::Watch;
pub use secret::{Secrets, secrets};

use self::{
    body::{Bodies, Stored},
    desk::Desks,
    job::{Answer, AttemptRow, Change, Incoming, Job, LetterRow, RefusalRow, RoutedRows, SecretRow, TaskRow},
    lease::Leases,
    lookup::Lookups,
    queue::{Kind, Queue},
    read::Readers,
    shared::Shared,
    sql::file_error,
};
use super::{
    OpenError,
    types::{
        Appended, Census, Health, Item, Kept, LaneCount, Lease, LeaseKey, Parked, ParkedMark, Promises, Release,
        Routed, Span, StoredEvent,
    },
};
use crate::{
    Attempt, DeadLetter, DeliveryId, Event, EventRef, Lane, Meta, Outcomes, Queued, RefusalKey, RequestId,
    SealedRefusal, SealedSecret, StoreError, Task, id::Token,
};

/// The longest that a change other than an append may wait for its commit.
const WRITE_MAX: Duration = Duration::from_secs(10);

/// The longest that closing waits for what is under way.
const CLOSE_MAX: Duration = Duration::from_secs(30);

/// The engine. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub struct Embedded(Arc<Parts>);

struct Parts {
    queue: Arc<Queue>,
    desks: Desks,
    shared: Arc<Shared>,
    readers: Readers,
    lookups: Lookups,
    bodies: Bodies,
    leases: Leases,
    promises: Promises,
    /// Becomes true, or loses its sender, when the writer has gone and the folder is free.
    finished: watch::Receiver<bool>,
}

impl Embedded {
    pub(super) async fn open(
        path: &Path,
        settings: &gatepost_config::Store,
        retention: Retentions,
    ) -> Result<Self, OpenError> {
        let (path, window) = (path.to_owned(), settings.dedupe_window);
        let started = tokio::task::spawn_blocking(move || start::start(&path, window, &retention));
        let parts = started.await.map_err(|error| OpenError(format!("the store did not open: {error}")))??;
        Ok(Self(Arc::new(parts)))
    }

    pub(super) fn keep_own(&self, retention: Retentions) {
        self.0.shared.keep_own(retention);
    }

    pub(super) fn promises(&self) -> Promises {
        self.0.promises.clone()
    }

    pub(super) fn health(&self) -> Health {
        if self.0.queue.is_closed() { Health::Disconnected } else { Health::Connected }
    }

    pub(super) fn partitions(&self) -> u16 {
        1
    }

    pub(super) fn shards(&self) -> u16 {
        1
    }

    pub(super) async fn append(&self, items: Vec<Item>, deadline: Instant) -> Result<Vec<Appended>, StoreError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let mut incoming = Vec::with_capacity(items.len());
        for Item { event, place } in items {
            let (meta, stored) = self.stored_form(event).await?;
            incoming.push(Incoming::of(meta, place, stored));
        }
        let bytes = incoming.iter().map(|item| item.stored.frame.len() + 512).sum();
        match self.write_by(Kind::Append, Change::Append(incoming), bytes, deadline).await? {
            Answer::Appended(answers) => Ok(answers),
            _ => Err(StoreError::Unavailable("no answer".to_owned())),
        }
    }

    pub(super) async fn quarantine(&self, refusal: &SealedRefusal) -> Result<(), StoreError> {
        let row = RefusalRow::of(refusal)?;
        let bytes = row.json.len() + row.sealed.len();
        self.write(Kind::Refusal, Change::Refuse(row), bytes).await.map(drop)
    }

    pub(super) async fn quarantine_mark(&self) -> Result<u64, StoreError> {
        self.0.readers.ask(quarantine::mark).await
    }

    pub(super) async fn quarantined(&self, request: Option<RequestId>) -> Result<Vec<RefusalKey>, StoreError> {
        self.0.readers.ask(move |from| quarantine::keys(from, request)).await
    }

    pub(super) async fn refusal(&self, key: &RefusalKey) -> Result<Option<SealedRefusal>, StoreError> {
        let request = key.request;
        self.0.readers.ask(move |from| quarantine::one(from, request)).await
    }

    pub(super) async fn forget_refusals(&self, keys: &[RefusalKey]) -> Result<(), StoreError> {
        for part in keys.chunks(quarantine::FORGOTTEN_MAX) {
            let requests = part.iter().map(|key| key.request).collect();
            self.write(Kind::Refusal, Change::Forget(requests), 0).await?;
        }
        Ok(())
    }

    pub(super) async fn keep_secret(&self, secret: &SealedSecret, deadline: Instant) -> Result<Kept, StoreError> {
        let row = SecretRow::of(secret)?;
        let bytes = row.json.len();
        match self.write_by(Kind::Completion, Change::Keep(row), bytes, deadline).await? {
            Answer::Kept(Some(json)) => {
                let kept = serde_json::from_str(&json).map_err(|error| StoreError::Corrupt(error.to_string()))?;
                Ok(Kept::Already(Box::new(kept)))
            }
            _ => Ok(Kept::New),
        }
    }

    pub(super) async fn kept_secrets(&self) -> Result<Vec<SealedSecret>, StoreError> {
        self.0.readers.ask(secret::all).await
    }

    pub(super) fn secrets(&self) -> Result<Secrets, StoreError> {
        self.check_open()?;
        Ok(Secrets::new(self.0.readers.clone(), Arc::clone(&self.0.shared)))
    }

    pub(super) async fn parked_mark(&self) -> Result<ParkedMark, StoreError> {
        self.0.readers.ask(events::parked_mark).await
    }

    pub(super) async fn unmatched(
        &self,
        integration: Option<&IntegrationId>,
        account: Option<&str>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        let (integration, account) = (integration.cloned(), account.map(str::to_owned));
        let question = move |from: &read::Snapshot<'_>| {
            events::parked(from, integration.as_ref(), account.as_deref(), after, limit)
        };
        self.0.readers.ask(question).await
    }

    pub(super) async fn unpark(&self, release: &Release) -> Result<u64, StoreError> {
        // Not what comes meanwhile: it may come faster than this goes.
        let through = self.0.readers.ask(events::last_parked).await?;
        let mut moved = 0;
        loop {
            match self.write(Kind::Completion, Change::Unpark(release.clone(), through), 0).await? {
                Answer::Count(count) if count > 0 => moved += count,
                _ => return Ok(moved),
            }
        }
    }

    pub(super) async fn acquire(&self, key: LeaseKey, owner: &str) -> Result<Option<Lease>, StoreError> {
        self.0.leases.acquire(self, key, owner).await
    }

    pub(super) async fn renew(&self, lease: &mut Lease) -> Result<bool, StoreError> {
        self.check_open()?;
        Ok(self.0.leases.renew(lease).await)
    }

    pub(super) async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        self.0.leases.release(&lease).await;
        Ok(())
    }

    #[expect(clippy::unused_async, reason = "the other engine asks its server")]
    pub(super) async fn announce(&self, _owner: &str) -> Result<usize, StoreError> {
        self.check_open().map(|()| 1)
    }

    pub(super) async fn log(&self, _lease: &Lease, _partition: u16) -> Result<Log, StoreError> {
        let cursor = self.0.readers.ask(history::cursor).await?;
        Ok(Log::new(self.0.readers.clone(), Arc::clone(&self.0.shared), cursor))
    }

    pub(super) async fn routed(&self, lease: &Lease, routed: Routed) -> Result<(), StoreError> {
        let outcomes = Outcomes::of_routed(&routed, Timestamp::now());
        let mut dead = Vec::with_capacity(routed.dead.len());
        for (at, letter) in routed.dead {
            dead.push((at.sequence, self.letter_row(&letter).await?));
        }
        let tasks = routed.tasks.into_iter().map(TaskRow::of).collect::<Result<Vec<_>, _>>()?;
        let bytes = tasks.iter().map(|task| task.json.len()).sum();
        let rows = RoutedRows {
            key: LeaseKey::Partition(routed.partition),
            epoch: lease.epoch,
            after: routed.after,
            through: routed.through,
            tasks,
            ended: routed.ended.into_iter().map(|(at, ending)| (at.sequence, ending)).collect(),
            dead,
            outcomes,
        };
        self.write(Kind::Completion, Change::Route(Box::new(rows)), bytes).await.map(drop)
    }

    pub(super) async fn event(&self, event: &EventRef) -> Result<Option<Event>, StoreError> {
        match self.0.lookups.event(event).await {
            // Its retention may have ended between its row and its body's file: then it has no row any more.
            Err(StoreError::Corrupt(_)) => self.0.lookups.event(event).await,
            read => read,
        }
    }

    pub(super) async fn events_at(&self, mut places: Vec<EventRef>) -> Result<Vec<StoredEvent>, StoreError> {
        places.sort_unstable_by_key(|at| at.sequence);
        self.0.readers.ask(move |from| events::at(from, &places)).await
    }

    pub(super) async fn copied(&self, copy: &Token) -> Result<Option<Event>, StoreError> {
        let token = *copy;
        self.0.readers.ask(move |from| replay::copied(from, &token)).await
    }

    pub(super) async fn span(&self, _partition: u16, since: Option<Timestamp>) -> Result<Span, StoreError> {
        let through = *self.0.shared.last_sequence.borrow();
        let after = self.0.readers.ask(move |from| events::before(from, since)).await?;
        Ok(Span { after: after.unwrap_or(through), through })
    }

    pub(super) async fn events(
        &self,
        _partition: u16,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.0.readers.ask(move |from| events::log(from, after, limit)).await
    }

    #[expect(clippy::unused_async, reason = "the other engine asks its server")]
    pub(super) async fn tail(&self, _shard: u16) -> Result<Tail, StoreError> {
        self.check_open().map(|()| Tail::new(Arc::clone(&self.0.shared)))
    }

    pub(super) async fn lanes(&self, _shard: u16) -> Result<Vec<LaneCount>, StoreError> {
        self.0.readers.ask(history::lanes).await
    }

    pub(super) async fn heads(
        &self,
        _shard: u16,
        lane: &Lane,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Queued>, StoreError> {
        let lane = *lane;
        self.0.readers.ask(move |from| history::heads(from, &lane, after, limit)).await
    }

    pub(super) async fn newest(&self, _shard: u16, lane: &Lane) -> Result<Option<Queued>, StoreError> {
        let lane = *lane;
        self.0.readers.ask(move |from| history::newest(from, &lane)).await
    }

    pub(super) async fn finish_through(&self, _shard: u16, lane: &Lane, through: u64) -> Result<u64, StoreError> {
        let mut ended = 0;
        loop {
            let change = Change::FinishThrough { lane: *lane, through };
            match self.write(Kind::Completion, change, 0).await? {
                Answer::Count(0) => return Ok(ended),
                Answer::Count(count) => ended += count,
                _ => return Err(StoreError::Unavailable("no answer".to_owned())),
            }
        }
    }

    pub(super) async fn finish(&self, _shard: u16, queued: &Queued, attempt: &Attempt) -> Result<(), StoreError> {
        let (position, copy) = (queued.position, queued.task.copy());
        let change = Change::Finish { position, copy, attempt: AttemptRow::of(attempt, &queued.task)? };
        self.write(Kind::End, change, attempt.response.len()).await.map(drop)
    }

    pub(super) async fn retry(
        &self,
        _shard: u16,
        queued: &Queued,
        attempt: &Attempt,
        due: Timestamp,
    ) -> Result<(), StoreError> {
        let (record, task) = (AttemptRow::of(attempt, &queued.task)?, Box::new(TaskRow::next_attempt(queued, due)?));
        let change = Change::Retry { position: queued.position, attempt: record, due, task };
        self.write(Kind::End, change, attempt.response.len()).await.map(drop)
    }

    pub(super) async fn bury(&self, _shard: u16, queued: &Queued, letter: &DeadLetter) -> Result<(), StoreError> {
        // An earlier attempt has its record already, from the retry that followed it.
        let last = letter.note.last.as_ref().filter(|last| last.number == queued.task.attempt);
        let attempt = last.map(|last| AttemptRow::of(last, &queued.task)).transpose()?;
        let letter = self.letter_row(letter).await?;
        let bytes = letter.event.as_ref().map_or(0, |event| event.frame.len());
        let change = Change::Bury { position: queued.position, attempt, letter };
        self.write(Kind::End, change, bytes).await.map(drop)
    }

    pub(super) async fn dead_letters(&self, after: u64, limit: usize) -> Result<Vec<(u64, DeadLetter)>, StoreError> {
        self.0.readers.ask(move |from| history::dead(from, after, limit)).await
    }

    pub(super) async fn dead_letter(&self, delivery: DeliveryId) -> Result<Option<(u64, DeadLetter)>, StoreError> {
        self.0.readers.ask(move |from| history::dead_of(from, delivery)).await
    }

    pub(super) async fn revive(&self, position: u64, tasks: Vec<Task>) -> Result<bool, StoreError> {
        let tasks = tasks.into_iter().map(TaskRow::of).collect::<Result<_, _>>()?;
        let answer = self.write(Kind::Completion, Change::Revive { position, tasks }, 0).await?;
        Ok(matches!(answer, Answer::Count(1)))
    }

    pub(super) async fn enqueue(&self, tasks: Vec<Task>) -> Result<u64, StoreError> {
        let tasks = tasks.into_iter().map(TaskRow::of).collect::<Result<Vec<_>, _>>()?;
        let bytes = tasks.iter().map(|task| task.json.len()).sum();
        match self.write(Kind::Completion, Change::Enqueue(tasks), bytes).await? {
            Answer::Count(count) => Ok(count),
            _ => Err(StoreError::Unavailable("no answer".to_owned())),
        }
    }

    pub(super) async fn attempts(&self, after: u64, limit: usize) -> Result<Vec<(u64, Attempt)>, StoreError> {
        self.0.readers.ask(move |from| history::attempts(from, after, limit)).await
    }

    pub(super) async fn outcomes(&self, after: u64, limit: usize) -> Result<Vec<(u64, Outcomes)>, StoreError> {
        self.0.readers.ask(move |from| history::outcomes(from, after, limit)).await
    }

    pub(super) async fn census(&self) -> Result<Census, StoreError> {
        self.0.readers.ask(history::census).await
    }

    pub(super) async fn close(&self) {
        self.0.queue.close();
        let mut finished = self.0.finished.clone();
        if tokio::time::timeout(CLOSE_MAX, finished.wait_for(|finished| *finished)).await.is_err() {
            tracing::error!(deadline = ?CLOSE_MAX, "the store did not close in time; what was acknowledged is on disk");
        }
        self.0.shared.closed.cancel();
        self.0.readers.close();
    }

    /// Hands a change to the writer and waits for its commit.
    async fn write(&self, kind: Kind, change: Change, bytes: usize) -> Result<Answer, StoreError> {
        self.write_by(kind, change, bytes, Instant::now() + WRITE_MAX).await
    }

    async fn write_by(
        &self,
        kind: Kind,
        change: Change,
        bytes: usize,
        deadline: Instant,
    ) -> Result<Answer, StoreError> {
        let permit = self.0.queue.place(kind, deadline).await?;
        let (caller, answered) = self.0.desks.caller();
        self.0.queue.push(kind, Job { change, bytes, deadline, caller: Some(caller), _permit: permit })?;
        match tokio::time::timeout_at(deadline.into(), answered).await {
            Ok(Ok(said)) => said,
            Ok(Err(_)) => Err(StoreError::Closed),
            Err(_) => Err(StoreError::Unavailable("not written in time".to_owned())),
        }
    }

    /// An event as it will be stored, and what is known of it; a large body is on disk when this returns.
    async fn stored_form(&self, event: Event) -> Result<(Meta, Stored), StoreError> {
        if event.body.len() <= body::INLINE_BYTES_MAX {
            let stored = self.0.bodies.store(&event).map_err(|error| file_error(&error))?;
            return Ok((event.meta, stored));
        }
        self.check_open()?;
        let bodies = self.0.bodies.clone();
        let stored = tokio::task::spawn_blocking(move || bodies.store(&event).map(|stored| (event.meta, stored))).await;
        let stored = stored.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        stored.map_err(|error| file_error(&error))
    }

    async fn letter_row(&self, letter: &DeadLetter) -> Result<LetterRow, StoreError> {
        let event = match &letter.event {
            Some(event) => Some(self.stored_form(event.clone()).await?.1),
            None => None,
        };
        LetterRow::of(letter, event)
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.0.queue.is_closed() { Err(StoreError::Closed) } else { Ok(()) }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.queue.close();
    }
}
