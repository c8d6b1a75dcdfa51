//! What goes into and out of the store, whatever the engine.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use gatepost_config::{ConnectionId, DestinationId, IntegrationId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{DeadLetter, Ending, Event, EventRef, Lane, SealedSecret, Task};

/// How long a lease lasts without renewal.
pub const LEASE_TTL: Duration = Duration::from_secs(5);

/// What the engine, as it is set up, promises.
#[derive(Debug, Clone)]
pub struct Promises {
    /// `embedded` or `nats`.
    pub engine: &'static str,
    /// What `Ok` of an append means, in words.
    pub durability: String,
    /// Time in which an event id is stored once.
    pub dedupe_window: Duration,
    /// What can't be shown or should be known, in words.
    pub warnings: Vec<String>,
}

/// Whether the engine can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It can, as far as is known.
    Connected,
    /// It can't; operations fail at once.
    Disconnected,
}

/// One event of a request, and where it goes.
#[derive(Debug, Clone)]
pub struct Item {
    /// The event.
    pub event: Event,
    /// Where to.
    pub place: Place,
}

/// Where an accepted event goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// To the log, to be routed.
    Log,
    /// To wait for a connection that claims its account.
    Unmatched,
}

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is stored.
    Stored,
    /// Its id was stored before, within the dedupe window: where its first copy stands in the log, unless it is parked.
    Duplicate(Option<LogPlace>),
}

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LogPlace {
    /// The partition.
    pub partition: u16,
    /// The sequence in it.
    pub sequence: u64,
}

/// An event in its partition.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// Where it stands.
    pub at: EventRef,
    /// The event; an error when the stored bytes can't be read, so that one bad row can't stop a partition.
    pub event: Result<Event, String>,
}

/// A part of a partition's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// It begins after this place.
    pub after: u64,
    /// Its last place; not above `after` when it is empty.
    pub through: u64,
}

/// A parked event.
#[derive(Debug, Clone)]
pub struct Parked {
    /// Its place in the order of parked events.
    pub position: u64,
    /// The event.
    pub event: Event,
}

/// Tells whether something was parked since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParkedMark {
    /// The last place that was given: grows with every event that is parked.
    pub last: u64,
    /// Nothing is parked.
    pub is_empty: bool,
}

/// Parked events that are to be moved to the log as a connection's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Under which integration they are parked.
    pub integration: IntegrationId,
    /// What they are parked under.
    pub under: Under,
    /// The connection that they become.
    pub connection: ConnectionId,
    /// Whose it is. What was parked for another tenant ([`crate::Meta::tenant`]) stays parked.
    pub tenant: TenantId,
    /// Where the connection's events go, instead of where routes forward them.
    pub destination: Option<DestinationId>,
    /// Only events received at this time or later; others stay parked.
    pub since: Option<Timestamp>,
}

/// What events are parked under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Under {
    /// An account key.
    Account(String),
    /// The connection itself, which takes nothing yet.
    Connection,
}

/// What became of a secret that was to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It is kept.
    New,
    /// This one is kept already under its name, and goes on being.
    Already(Box<SealedSecret>),
}

/// What a reader of kept secrets hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretNews {
    /// A secret is kept.
    Kept(SealedSecret),
    /// All that was kept when the reader was opened has been told; told once.
    Current,
}

/// What has one owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LeaseKey {
    /// Routing of a partition.
    Partition(u16),
    /// Delivery of a shard.
    Shard(u16),
    /// Replay jobs, and what providers sent once more.
    Replays,
    /// The quarantine: its bounds, and releases from it.
    Quarantine,
    /// Connections that are to receive their parked events.
    Bindings,
    /// Heals: what providers could not deliver, had from them later.
    Heals,
}

/// The right to work on a partition or shard until a time.
#[derive(Debug, Clone)]
pub struct Lease {
    /// What of.
    pub key: LeaseKey,
    /// Whose.
    pub owner: String,
    /// Grows with every owner.
    pub epoch: u64,
    /// Until when, unless renewed; counted from before the request for it.
    pub valid_until: Instant,
    /// The engine's mark of the last renewal.
    pub revision: u64,
}

/// What routing made of a partition's events.
#[derive(Debug, Clone, Default)]
pub struct Routed {
    /// The partition.
    pub partition: u16,
    /// What has to be recorded before it: everything up to here. 0 when nothing else is under way.
    pub after: u64,
    /// The last event that was looked at.
    pub through: u64,
    /// Deliveries that are now owed.
    pub tasks: Vec<Task>,
    /// Events that nothing is owed for.
    pub ended: Vec<(EventRef, Ending)>,
    /// Events that could not be routed.
    pub dead: Vec<(EventRef, DeadLetter)>,
}

/// A lane that holds tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneCount {
    /// The lane.
    pub lane: Lane,
    /// How many.
    pub waiting: u64,
}

/// An attempt that waits for its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextAttempt {
    /// Of which delivery.
    pub delivery: crate::DeliveryId,
    /// Which try, from 1.
    pub number: u32,
    /// When it may begin.
    pub due: Timestamp,
}

impl NextAttempt {
    /// What a task waits for in whose lane nothing goes before its time; `None` when that is not after `now`.
    pub(crate) fn of_head(task: &crate::Task, now: Timestamp) -> Option<Self> {
        let due = task.not_before.filter(|until| *until > now)?;
        Some(Self { delivery: task.delivery, number: task.attempt, due })
    }
}

/// What a tail heard.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "it is almost always the large one")]
pub enum Tailed {
    /// A task arrived at the end of its lane.
    Arrived(Lane, crate::Queued),
    /// The first task of an ordered lane may go earlier than was said: read the lane's heads again.
    Sooner(Lane),
    /// Some of this went unheard: ask for the lanes again.
    Missed,
}

/// Everything that was acknowledged and is retained, by state. On NATS, where it takes several questions, what moves from
/// one state to the next meanwhile may be in both; nothing is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// By terminal word.
    pub ended: BTreeMap<Ending, u64>,
    /// Events not yet routed.
    pub unrouted_yet: u64,
    /// Deliveries in lanes.
    pub in_lanes: u64,
    /// Deliveries that wait for a retry's time.
    pub scheduled: u64,
    /// Parked events.
    pub unmatched: u64,
    /// Deliveries that were owed anew; on the other side of the equation.
    pub replayed: u64,
}

impl Census {
    /// Not terminal: stored and still owed something.
    pub const fn waiting(&self) -> u64 {
        self.unrouted_yet + self.in_lanes + self.scheduled
    }
}
