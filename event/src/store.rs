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
mod thread;
pub mod types;

use std::time::Instant;

use bytes::Bytes;
use gatepost_config::{Engine, Retentions};

pub use error::{OpenError, StoreError};
pub use thread::Thread;
pub use types::{
    Appended, Census, Health, Item, Kept, LaneCount, Lease, LeaseKey, LogPlace, NextAttempt, Parked, ParkedMark, Place,
    Promises, Release, Routed, SecretNews, Span, StoredEvent, Tailed, Under,
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

mod audit;
mod erase;
mod lanes;
mod lease;
mod letters;
mod log;
mod parked;
mod quarantine;
mod record;
mod redelivery;
mod registry;
mod secret;

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

    /// Waits for what is under way, then closes the engine. New operations fail.
    pub async fn close(&self) {
        engine!(self.close().await);
    }
}
