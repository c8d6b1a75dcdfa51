//! Where events, deliveries and their ends are kept: one contract, two engines.
//!
//! The seam is an enum and not a trait: a third party can't bring an engine, and both engines pass one contract suite
//! (`tests/contract`).
//!
//! The promises, whatever the engine:
//! - An operation that returned `Ok` is durable as [`Promises::durability`] says. One that returned an error may have
//!   happened all the same; every operation may be repeated, and ids make repeats converge.
//! - A task exists exactly while its delivery is owed. Waiting for a slot, a rate cap or an open breaker writes nothing.
//! - `acknowledged + replayed = delivered + synced + filtered + unrouted + dead + expired + erased + waiting + unmatched`,
//!   exactly, at any time ([`Census`]), counting an event once per delivery that it is owed. `replayed` are deliveries
//!   owed anew, whether a dead letter was revived or an event enqueued once more: an end that was counted stays counted.

pub mod embedded;
pub mod error;
pub mod nats;
pub mod types;

use std::time::Instant;

use bytes::Bytes;
use gatepost_config::{ConnectionId, Engine, IntegrationId, Retentions, TenantId, Timestamp};

pub use error::{OpenError, StoreError};
pub use types::{
    Appended, Census, Health, Item, Kept, LaneCount, Lease, LeaseKey, LogPlace, Parked, ParkedMark, Place, Promises,
    Release, Routed, SecretNews, Span, StoredEvent, Tailed, Under,
};

use crate::{
    Act, Attempt, DeadLetter, DeliveryId, Event, EventRef, Lane, Noted, Outcomes, Queued, Redelivery, RefusalKey,
    RequestId, SealedRefusal, SealedSecret, Task,
    erasure::Remains,
    registry::{self, Change, Entry, Expect, Put},
};

/// The store. Cheap to clone; all clones share one engine.
#[derive(Clone)]
pub enum Store {
    /// SQLite in a folder; this process owns every partition and shard.
    Embedded(embedded::Embedded),
    /// NATS JetStream.
    Nats(nats::Nats),
}

/// Reads one partition's events in their order.
pub enum Log {
    /// See [`Store::Embedded`].
    Embedded(embedded::Log),
    /// See [`Store::Nats`].
    Nats(Box<nats::Log>),
}

/// Hears of tasks that arrive in one shard's lanes.
pub enum Tail {
    /// See [`Store::Embedded`].
    Embedded(embedded::Tail),
    /// See [`Store::Nats`].
    Nats(Box<nats::Tail>),
}

/// Reads kept secrets.
pub enum Secrets {
    /// See [`Store::Embedded`].
    Embedded(embedded::Secrets),
    /// See [`Store::Nats`].
    Nats(Box<nats::Secrets>),
}

/// Hears of changes of one kind of the registry's entries.
pub enum Watch {
    /// See [`Store::Embedded`].
    Embedded(embedded::Watch),
    /// See [`Store::Nats`].
    Nats(Box<nats::Watch>),
}

/// Calls the engine's method of the same name.
macro_rules! engine {
    ($self:ident . $method:ident ( $($arg:expr),* )) => {
        match $self {
            Self::Embedded(engine) => engine.$method($($arg),*),
            Self::Nats(engine) => engine.$method($($arg),*),
        }
    };
    ($self:ident . $method:ident ( $($arg:expr),* ) . await) => {
        match $self {
            Self::Embedded(engine) => engine.$method($($arg),*).await,
            Self::Nats(engine) => engine.$method($($arg),*).await,
        }
    };
}

impl Store {
    /// Opens the store that the configuration names, and checks that the engine can keep the contract.
    ///
    /// An engine that can't be reached yet is not an error: operations fail with [`StoreError::Unavailable`] until it
    /// can, and [`Self::health`] says so.
    ///
    /// # Errors
    /// In words for the operator, with the remedy: what is wrong with the engine or with how it was set up.
    pub async fn open(settings: &gatepost_config::Store, retention: impl Into<Retentions>) -> Result<Self, OpenError> {
        let retention = retention.into();
        match &settings.engine {
            Engine::Embedded { path } => embedded::Embedded::open(path, settings, retention).await.map(Self::Embedded),
            Engine::Nats(nats) => nats::Nats::open(nats, settings, retention).await.map(Self::Nats),
        }
    }

    /// Says how long integrations keep what is their own. It holds for what is stored from now on; what holds for all stays
    /// what it was when the store was opened.
    pub fn keep_own(&self, retention: Retentions) {
        match self {
            Self::Embedded(engine) => engine.keep_own(retention),
            Self::Nats(engine) => engine.keep_own(retention),
        }
    }

    /// What this engine, as it is set up, promises; printed at start.
    pub fn promises(&self) -> Promises {
        engine!(self.promises())
    }

    /// Whether the engine can be reached at all, without asking it.
    pub fn health(&self) -> Health {
        engine!(self.health())
    }

    /// Whether other processes may work on it too.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Nats(_))
    }

    /// Number of partitions of the event log.
    pub fn partitions(&self) -> u16 {
        engine!(self.partitions())
    }

    /// Number of shards of the delivery lanes.
    pub fn shards(&self) -> u16 {
        engine!(self.shards())
    }

    /// Lets what tasks of a runtime append go a way that this runtime drives by itself, where the engine needs one: else
    /// threads of two runtimes wake each other for every event.
    ///
    /// # Errors
    /// When the way can't be set up. That no server answers is no error: until one does, the way of all is taken.
    pub async fn attach(&self, runtime: &tokio::runtime::Handle) -> Result<(), OpenError> {
        match self {
            Self::Embedded(_) => Ok(()),
            Self::Nats(engine) => engine.attach(runtime).await,
        }
    }

    /// Stores the items of one request, all in flight together.
    ///
    /// `Ok` only after every item is confirmed, with one answer each, in order. On an error any subset may have been
    /// stored: the provider's retry completes it. An id is stored once within the dedupe window, also when its copies
    /// are appended at the same time; [`Appended::Duplicate`] means that the first copy is confirmed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the engine can't confirm before `deadline` (at once when it is known to be
    /// away), [`StoreError::Full`] when it has no room.
    pub async fn append(&self, items: Vec<Item>, deadline: Instant) -> Result<Vec<Appended>, StoreError> {
        engine!(self.append(items, deadline).await)
    }

    /// Keeps a refused request. Bounds are not the store's: whoever has the lease of the quarantine keeps them
    /// ([`LeaseKey::Quarantine`]).
    ///
    /// # Errors
    /// When the engine can't confirm, or has no room.
    pub async fn quarantine(&self, refusal: &SealedRefusal) -> Result<(), StoreError> {
        engine!(self.quarantine(refusal).await)
    }

    /// A number that grows with everything that the quarantine is given.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn quarantine_mark(&self) -> Result<u64, StoreError> {
        engine!(self.quarantine_mark().await)
    }

    /// All refused requests that are kept, or the one of an id; ordered by id, which is by time.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn quarantined(&self, request: Option<RequestId>) -> Result<Vec<RefusalKey>, StoreError> {
        engine!(self.quarantined(request).await)
    }

    /// Reads a refused request; `None` when it is kept no more.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn refusal(&self, key: &RefusalKey) -> Result<Option<SealedRefusal>, StoreError> {
        engine!(self.refusal(key).await)
    }

    /// Keeps refused requests no more.
    ///
    /// # Errors
    /// When the engine can't do it; a repeat completes it.
    pub async fn forget_refusals(&self, keys: &[RefusalKey]) -> Result<(), StoreError> {
        match keys {
            [] => Ok(()),
            keys => engine!(self.forget_refusals(keys).await),
        }
    }

    /// Keeps a sealed secret, unless one is kept under its name: that one is never overwritten, whoever asks at once.
    ///
    /// # Errors
    /// When the engine can't confirm; the secret may be kept all the same, and a repeat then finds it.
    pub async fn keep_secret(&self, secret: &SealedSecret, deadline: Instant) -> Result<Kept, StoreError> {
        engine!(self.keep_secret(secret, deadline).await)
    }

    /// Reads kept secrets: all there are, then those that come, whoever keeps them.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn secrets(&self) -> Result<Secrets, StoreError> {
        match self {
            Self::Embedded(engine) => Ok(Secrets::Embedded(engine.secrets()?)),
            Self::Nats(engine) => Ok(Secrets::Nats(Box::new(engine.secrets().await?))),
        }
    }

    /// All kept secrets, for whoever takes some out. One that can't be read is left out, and logged.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn kept_secrets(&self) -> Result<Vec<SealedSecret>, StoreError> {
        engine!(self.kept_secrets().await)
    }

    /// All entries of a kind, ordered by id.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn entries(&self, kind: registry::Kind) -> Result<Vec<Entry>, StoreError> {
        engine!(self.entries(kind).await)
    }

    /// Entries of a kind in the order of their last writes, after a revision: at most `limit`, fewer only at the end. Who
    /// goes through all pages meets every entry that is there meanwhile; one that is written meanwhile comes again.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn entries_after(
        &self,
        kind: registry::Kind,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        engine!(self.entries_after(kind, after, limit).await)
    }

    /// The entry of an id.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn entry(&self, kind: registry::Kind, id: &str) -> Result<Option<Entry>, StoreError> {
        engine!(self.entry(kind, id).await)
    }

    /// Puts a value under an id if what stands there is as expected: of all who expect the same, one is told
    /// [`Put::Stored`]. See [`Put`] for repeats.
    ///
    /// # Errors
    /// When the engine can't confirm; it may have happened all the same.
    pub async fn put(&self, kind: registry::Kind, id: &str, value: Bytes, expect: Expect) -> Result<Put, StoreError> {
        match registry::fits(id, &value) {
            true => engine!(self.write_entry(kind, id, Some(value), expect).await),
            false => Ok(Put::TooLong),
        }
    }

    /// Removes an entry that is as expected; `Conflict(None)` when there is none, whatever was expected.
    ///
    /// # Errors
    /// When the engine can't confirm; it may have happened all the same.
    pub async fn remove(&self, kind: registry::Kind, id: &str, expect: Expect) -> Result<Put, StoreError> {
        engine!(self.write_entry(kind, id, None, expect).await)
    }

    /// Opens a watch of a kind's entries: every change from now on, in order. Open it before asking for
    /// [`Self::entries`]; a change that the list shows already may then be told once more.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn watch(&self, kind: registry::Kind) -> Result<Watch, StoreError> {
        self.watch_any(vec![kind]).await
    }

    /// As [`Self::watch`], of several kinds in one order. A change does not say which kind it is of.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn watch_any(&self, kinds: Vec<registry::Kind>) -> Result<Watch, StoreError> {
        match self {
            Self::Embedded(engine) => Ok(Watch::Embedded(engine.watch(kinds)?)),
            Self::Nats(engine) => Ok(Watch::Nats(Box::new(engine.watch(kinds).await?))),
        }
    }

    /// Adds to the audit log, which is bounded ([`crate::audit::ACTS_MAX`]) and kept for `retention.audit`.
    ///
    /// # Errors
    /// When the engine can't confirm; it may be there all the same, and a repeat adds it once.
    pub async fn note_act(&self, act: &Act) -> Result<(), StoreError> {
        engine!(self.note_act(act).await)
    }

    /// The audit log, newest first, before a position.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn acts(&self, before: u64, limit: usize) -> Result<Vec<(u64, Act)>, StoreError> {
        engine!(self.acts(before, limit).await)
    }

    /// Parked events in stored order, of one account or of all, after a position.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn unmatched(
        &self,
        integration: Option<&IntegrationId>,
        account: Option<&str>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        engine!(self.unmatched(integration, account, after, limit).await)
    }

    /// Moves an account's parked events to the log as a connection's that has no destination of its own, in stored order,
    /// under the ids they were acknowledged with. Returns how many. Safe to repeat after a crash.
    ///
    /// # Errors
    /// When the engine can't do it; what was moved stays moved.
    pub async fn unpark(
        &self,
        integration: &IntegrationId,
        account: &str,
        connection: &ConnectionId,
        tenant: &TenantId,
    ) -> Result<u64, StoreError> {
        let release = Release {
            integration: integration.clone(),
            under: Under::Account(account.to_owned()),
            connection: connection.clone(),
            tenant: tenant.clone(),
            destination: None,
            since: None,
        };
        self.release_parked(&release).await
    }

    /// Whether anything is parked, and a number that grows with everything that is.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn parked_mark(&self) -> Result<ParkedMark, StoreError> {
        engine!(self.parked_mark().await)
    }

    /// As [`Self::unpark`], of what is parked by now under an account or under the connection itself, and not too old.
    ///
    /// # Errors
    /// When the engine can't do it; what was moved stays moved.
    pub async fn release_parked(&self, release: &Release) -> Result<u64, StoreError> {
        engine!(self.unpark(release).await)
    }

    /// Takes a partition or shard for `owner` when nobody has it, for [`types::LEASE_TTL`]. `None`: somebody has it.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn acquire(&self, key: LeaseKey, owner: &str) -> Result<Option<Lease>, StoreError> {
        engine!(self.acquire(key, owner).await)
    }

    /// Extends a lease for another TTL, counted from before the call. `false`: it was lost; stop at once.
    ///
    /// # Errors
    /// When the engine can't be asked; the lease runs out at its own time.
    pub async fn renew(&self, lease: &mut Lease) -> Result<bool, StoreError> {
        engine!(self.renew(lease).await)
    }

    /// Gives a lease up so that another may take it at once.
    ///
    /// # Errors
    /// When the engine can't be asked; the lease then runs out.
    pub async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        engine!(self.release(lease).await)
    }

    /// Says that router `owner` lives, and counts those that do (this one included), to share work evenly.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn announce(&self, owner: &str) -> Result<usize, StoreError> {
        engine!(self.announce(owner).await)
    }

    /// Opens a partition's log at its committed cursor.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn log(&self, lease: &Lease, partition: u16) -> Result<Log, StoreError> {
        match self {
            Self::Embedded(engine) => Ok(Log::Embedded(engine.log(lease, partition).await?)),
            Self::Nats(engine) => Ok(Log::Nats(Box::new(engine.log(lease, partition).await?))),
        }
    }

    /// Records what routing made of the events up to `routed.through`: tasks, ends and dead letters first, then the
    /// cursor (at once embedded; at most a second or 1,000 events late on NATS). A repeat after a crash adds nothing
    /// within the dedupe window.
    ///
    /// Several may be under way at once, in the order of their events, each `after` the one before it: the cursor does
    /// not pass what is not recorded. Tasks of ordered lanes may be under way in one at a time.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when another owner has moved the cursor; otherwise when the engine can't confirm.
    pub async fn routed(&self, lease: &Lease, routed: Routed) -> Result<(), StoreError> {
        engine!(self.routed(lease, routed).await)
    }

    /// Reads one event; `None` when its retention has ended.
    ///
    /// # Errors
    /// When the engine can't be asked or the stored bytes are not an event.
    pub async fn event(&self, event: &EventRef) -> Result<Option<Event>, StoreError> {
        engine!(self.event(event).await)
    }

    /// Reads the event that a task is about: its own copy when it carries one, else the log's. `None` when it is gone.
    ///
    /// # Errors
    /// As [`Self::event`].
    pub async fn event_of(&self, task: &Task) -> Result<Option<Event>, StoreError> {
        match task.copy() {
            Some(copy) => engine!(self.copied(&copy).await),
            None => self.event(&task.event).await,
        }
    }

    /// Reads some events together that will be wanted soon, those that it is cheap to read so: any may be missing, as are
    /// those with bodies too large to stand in the log. What is read may be another event than the one at its place.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn events_at(&self, places: Vec<EventRef>) -> Result<Vec<StoredEvent>, StoreError> {
        match places.len() {
            0 | 1 => Ok(Vec::new()),
            _ => engine!(self.events_at(places).await),
        }
    }

    /// Where the part of a partition's log stands that was stored from `since` on, or all that is kept.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn span(&self, partition: u16, since: Option<Timestamp>) -> Result<Span, StoreError> {
        engine!(self.span(partition, since).await)
    }

    /// Stored events of a partition in their order, after a place: at most `limit`, fewer when they are large, none only
    /// at the log's end.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn events(&self, partition: u16, after: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        engine!(self.events(partition, after, limit).await)
    }

    /// Opens a shard's tail: everything that arrives from now on. Open it before asking for [`Self::lanes`].
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn tail(&self, shard: u16) -> Result<Tail, StoreError> {
        match self {
            Self::Embedded(engine) => Ok(Tail::Embedded(engine.tail(shard).await?)),
            Self::Nats(engine) => Ok(Tail::Nats(Box::new(engine.tail(shard).await?))),
        }
    }

    /// The shard's lanes that hold tasks that may be attempted now, with how many.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn lanes(&self, shard: u16) -> Result<Vec<LaneCount>, StoreError> {
        engine!(self.lanes(shard).await)
    }

    /// The first `limit` tasks of a lane after a position, in order, whatever waits elsewhere. Retries that are not due
    /// yet are not in the lane.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn heads(&self, shard: u16, lane: &Lane, after: u64, limit: usize) -> Result<Vec<Queued>, StoreError> {
        engine!(self.heads(shard, lane, after, limit).await)
    }

    /// The last task of a lane, as far as is known: one that arrived just now may be missing.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn newest(&self, shard: u16, lane: &Lane) -> Result<Option<Queued>, StoreError> {
        engine!(self.newest(shard, lane).await)
    }

    /// Ends as synced what stands in a lane up to a position, however much it is; how many.
    ///
    /// # Errors
    /// When the engine can't confirm; any part may have ended, and a repeat ends the rest and counts nothing twice within
    /// the dedupe window.
    pub async fn finish_through(&self, shard: u16, lane: &Lane, through: u64) -> Result<u64, StoreError> {
        engine!(self.finish_through(shard, lane, through).await)
    }

    /// Ends a delivery as delivered, with its last attempt.
    ///
    /// # Errors
    /// When the engine can't confirm; the task may then be attempted again.
    pub async fn finish(&self, shard: u16, queued: &Queued, attempt: &Attempt) -> Result<(), StoreError> {
        engine!(self.finish(shard, queued, attempt).await)
    }

    /// Takes a task out of its lane until `due`, when it arrives in it again with its next attempt number. An ordered
    /// task stays at the head of its lane, with that number and `due` in it.
    ///
    /// # Errors
    /// When the engine can't confirm; the task may then be attempted again.
    pub async fn retry(
        &self,
        shard: u16,
        queued: &Queued,
        attempt: &Attempt,
        due: Timestamp,
    ) -> Result<(), StoreError> {
        engine!(self.retry(shard, queued, attempt, due).await)
    }

    /// Ends a delivery as a dead letter, which takes its own copy of the event. Ends as `expired` when that is the
    /// letter's reason, else as `dead`.
    ///
    /// # Errors
    /// When the engine can't confirm; the task may then be attempted again.
    pub async fn bury(&self, shard: u16, queued: &Queued, letter: &DeadLetter) -> Result<(), StoreError> {
        engine!(self.bury(shard, queued, letter).await)
    }

    /// Dead letters, oldest first, after a position.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn dead_letters(&self, after: u64, limit: usize) -> Result<Vec<(u64, DeadLetter)>, StoreError> {
        engine!(self.dead_letters(after, limit).await)
    }

    /// The newest dead letter of a delivery, with its position.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn dead_letter(&self, delivery: DeliveryId) -> Result<Option<(u64, DeadLetter)>, StoreError> {
        engine!(self.dead_letter(delivery).await)
    }

    /// Takes a dead letter back: `tasks` are owed instead, each with its own copy of the letter's event, which lasts until
    /// that delivery has ended, whatever the log still holds. They must name the letter's position
    /// ([`crate::replay::Replay::letter`]). `false` when there is no such letter, or none with an event.
    ///
    /// A crash in between may leave the letter beside its tasks; a repeat then ends it and adds nothing within the dedupe
    /// window.
    ///
    /// # Errors
    /// When the engine can't confirm; repeat it.
    pub async fn revive(&self, position: u64, tasks: Vec<Task>) -> Result<bool, StoreError> {
        engine!(self.revive(position, tasks).await)
    }

    /// Owes deliveries of stored events once more. Each must be of a replay ([`Task::replay`]), and is owed once per
    /// replay, event and destination, within the dedupe window at least. Returns how many are newly owed.
    ///
    /// # Errors
    /// When the engine can't confirm; any subset may be owed, and a repeat completes it.
    pub async fn enqueue(&self, tasks: Vec<Task>) -> Result<u64, StoreError> {
        engine!(self.enqueue(tasks).await)
    }

    /// Makes a delivery due at once that waits for a retry's time; `ordered` is the lane it waits in if its route is
    /// ordered. `false` when it does not wait for a time: it is in its lane already, or has ended, or never was.
    ///
    /// # Errors
    /// When the engine can't confirm; repeat it.
    pub async fn hasten(&self, delivery: DeliveryId, ordered: &Lane, now: Timestamp) -> Result<bool, StoreError> {
        engine!(self.hasten(delivery, ordered, now).await)
    }

    /// Notes that a provider sent a stored event once more: once within [`crate::redelivery::SPACING`] and at most
    /// [`crate::redelivery::PER_EVENT_MAX`] times an event, bounded over all events too.
    ///
    /// # Errors
    /// When the engine can't confirm before `deadline`; it may be noted all the same.
    pub async fn note_redelivery(&self, redelivery: &Redelivery, deadline: Instant) -> Result<Noted, StoreError> {
        engine!(self.note_redelivery(redelivery, deadline).await)
    }

    /// Noted redeliveries that were not dealt with, oldest first, with their positions; an error of a single one when it
    /// can't be read.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn redeliveries(&self, limit: usize) -> Result<Vec<(u64, Result<Redelivery, String>)>, StoreError> {
        engine!(self.redeliveries(limit).await)
    }

    /// All redeliveries up to a position were dealt with.
    ///
    /// # Errors
    /// When the engine can't confirm; they are then told once more.
    pub async fn redelivered_through(&self, position: u64) -> Result<(), StoreError> {
        engine!(self.redelivered_through(position).await)
    }

    /// Attempt records, oldest first, after a position.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn attempts(&self, after: u64, limit: usize) -> Result<Vec<(u64, Attempt)>, StoreError> {
        engine!(self.attempts(after, limit).await)
    }

    /// What became of events when they were routed, or owed anew: records in the order they were written, after a
    /// position. They are kept as long as events, and say nothing of how deliveries went on: see [`Self::attempts`] and
    /// [`Self::dead_letters`].
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn outcomes(&self, after: u64, limit: usize) -> Result<Vec<(u64, Outcomes)>, StoreError> {
        engine!(self.outcomes(after, limit).await)
    }

    /// Asks the operator's own workers something, on a subject below the store's prefix and `.sync.`, and waits for the
    /// answer of one of them. Asked once: whether they got it is not known when no answer comes.
    ///
    /// # Errors
    /// When no worker listens, none answers before `deadline`, or the engine is not NATS.
    pub async fn request(&self, subject: &str, payload: Bytes, deadline: Instant) -> Result<Bytes, StoreError> {
        match self {
            Self::Embedded(_) => Err(StoreError::Unavailable("the store is not on NATS".to_owned())),
            Self::Nats(engine) => engine.request(subject, payload, deadline).await,
        }
    }

    /// Deliveries of a shard that wait for a retry's time, after a position, in no order that means anything. Positions
    /// are not those of lanes.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn scheduled(&self, shard: u16, after: u64, limit: usize) -> Result<Vec<Queued>, StoreError> {
        engine!(self.scheduled(shard, after, limit).await)
    }

    /// Up to where a partition's events were routed, as far as that is written down.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn routed_through(&self, partition: u16) -> Result<u64, StoreError> {
        engine!(self.routed_to(partition).await)
    }

    /// Ends and overwrites what is stored of something; what is gone already is left out. See [`crate::erasure::walk`].
    ///
    /// # Errors
    /// When the engine can't do it; a repeat completes it.
    pub async fn erase(&self, remains: Vec<Remains>) -> Result<(), StoreError> {
        match remains.is_empty() {
            true => Ok(()),
            false => engine!(self.erase(remains).await),
        }
    }

    /// Overwrites what was removed in the course of things and still stands on disk.
    ///
    /// # Errors
    /// When the engine can't do it; repeat it.
    pub async fn scrub(&self) -> Result<(), StoreError> {
        engine!(self.scrub().await)
    }

    /// Counts everything that was acknowledged and is retained.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn census(&self) -> Result<Census, StoreError> {
        engine!(self.census().await)
    }

    /// Waits for what is under way, then closes the engine. New operations fail.
    pub async fn close(&self) {
        engine!(self.close().await);
    }
}

impl Log {
    /// The next events, at least one and at most `limit`, waiting for them. Cancel safe: what was not returned comes
    /// again.
    ///
    /// # Errors
    /// When the engine can't be asked; open the log again.
    pub async fn next(&mut self, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        engine!(self.next(limit).await)
    }
}

impl Secrets {
    /// The next, waiting for it. Cancel safe.
    ///
    /// # Errors
    /// When the engine can't be asked; open the secrets again, which tells all of them again.
    pub async fn next(&mut self) -> Result<SecretNews, StoreError> {
        engine!(self.next().await)
    }
}

impl Watch {
    /// The next change, waiting for it. Cancel safe.
    ///
    /// # Errors
    /// When the engine can't be asked; open the watch again and ask for the entries.
    pub async fn next(&mut self) -> Result<Change, StoreError> {
        engine!(self.next().await)
    }
}

impl Tail {
    /// The next arrival, waiting for it. Cancel safe.
    ///
    /// # Errors
    /// When the engine can't be asked; open the tail again and ask for the lanes.
    pub async fn next(&mut self) -> Result<Tailed, StoreError> {
        engine!(self.next().await)
    }
}
