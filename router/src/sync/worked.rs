//! An engine whose syncs this router runs.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use gatepost_config::{Destination, Timestamp};
use gatepost_event::{id::Token, standing::Standing, sync::SyncState};
use tokio::sync::Notify;

use super::{board::Board, engine::Engine, pace::Pace};
use crate::{lanes::gate::Gate, standing::Known};

/// See the module.
pub(super) struct Worked {
    pub(super) board: Board,
    /// What lets runs begin: how many at once, and whether the engine answers at all.
    pub(super) gate: Gate,
    pub(super) policy: Destination,
    /// What lets calls begin.
    pub(super) pace: Arc<Pace>,
    pub(super) shard: u16,
    /// Tells this hold on the engine from an earlier one.
    pub(super) life: u64,
    /// What the store remembers was read.
    pub(super) is_loaded: bool,
    /// Runs under way that want to hear what the engine says of their sync.
    pub(super) hearers: HashMap<Token, Arc<Notify>>,
    /// Entries of the registry that ask for runs, with their revisions.
    pub(super) wishes: HashMap<String, u64>,
    /// States that the store did not confirm.
    pub(super) unstored: Vec<SyncState>,
    pub(super) is_storing: bool,
}

/// The time: the wall's when the router began, and from then on what has passed, so that a clock that is set holds
/// nothing up and repeats nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    began: Instant,
    at: Timestamp,
}

impl Worked {
    pub(super) fn new(engine: Arc<Engine>, known: &Known, shard: u16, life: u64) -> Self {
        Self {
            policy: policy(&engine, known),
            board: Board::new(engine),
            gate: Gate::of_engine(shard),
            pace: Arc::default(),
            shard,
            life,
            is_loaded: false,
            hearers: HashMap::new(),
            wishes: HashMap::new(),
            unstored: Vec::new(),
            is_storing: false,
        }
    }
}

/// What the gate goes by: the engine is paused in the file or by somebody. Calls are paced apart, because a run may be
/// several.
pub(super) fn policy(engine: &Engine, known: &Known) -> Destination {
    let destination = engine.backend.destination.clone();
    let paused = destination.paused || known.get(&destination.id).is_some_and(Standing::is_shut);
    Destination { rate: None, paused, ..destination }
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { began: Instant::now(), at: Timestamp::now() }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.at.after(self.began.elapsed())
    }

    /// When it will be that time.
    pub(super) fn instant(&self, at: Timestamp) -> Instant {
        self.began + at.since(self.at).min(Duration::from_hours(24 * 365))
    }
}
