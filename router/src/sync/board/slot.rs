//! One sync of one connection, in as few bytes as it takes: there may be 100,000.

use gatepost_config::{ConnectionId, IntegrationId, SyncName};
use gatepost_event::id::Token;

/// No time.
pub(super) const NEVER: i64 = i64::MAX;

/// What is known of one sync of one connection. Times are in milliseconds.
#[derive(Debug)]
pub(super) struct Slot {
    /// Stands for it in its lane.
    pub(super) token: Token,
    pub(super) integration: IntegrationId,
    pub(super) connection: ConnectionId,
    pub(super) sync: SyncName,
    pub(super) phase: Phase,
    /// Position of the last task that is known to be in the lane, or was.
    pub(super) newest: u64,
    /// The last position that ended as synced or dead.
    pub(super) ended: u64,
    /// When the first event came that no run was begun for; 0: there is none.
    pub(super) first_at: i64,
    /// How many such events have come, as far as is known.
    pub(super) events: u32,
    /// When it is looked at, while it waits.
    pub(super) due: i64,
    /// Its entry of the timers.
    pub(super) timer: i64,
    /// 0: never.
    pub(super) triggered_at: i64,
    /// 0: never.
    pub(super) succeeded_at: i64,
    /// Longest time without a run; 0: no backstop.
    pub(super) backstop: i64,
    /// When the backstop asks for a run.
    pub(super) backstop_at: i64,
    /// Tries in a row that failed.
    pub(super) failures: u32,
    /// Somebody asks for a run, whatever events say.
    pub(super) wished: bool,
    /// Arrivals may have gone unheard while a run was under way.
    pub(super) unsure: bool,
    /// What the store remembers of it is out of date.
    pub(super) stale: bool,
    pub(super) error: Option<Box<str>>,
}

/// Where it is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing is owed.
    Idle,
    /// For more events, or for the time of another try.
    Waiting,
    /// For a place at the engine.
    Ready,
    /// A run is under way.
    Running,
}

impl Slot {
    pub(super) const fn new(
        token: Token,
        integration: IntegrationId,
        connection: ConnectionId,
        sync: SyncName,
    ) -> Self {
        Self {
            token,
            integration,
            connection,
            sync,
            phase: Phase::Idle,
            newest: 0,
            ended: 0,
            first_at: 0,
            events: 0,
            due: NEVER,
            timer: NEVER,
            triggered_at: 0,
            succeeded_at: 0,
            backstop: 0,
            backstop_at: NEVER,
            failures: 0,
            wished: false,
            unsure: false,
            stale: false,
            error: None,
        }
    }

    /// Whether tasks are in the lane, as far as is known.
    pub(super) const fn is_owed(&self) -> bool {
        self.newest > self.ended
    }

    /// When it needs a look.
    pub(super) const fn wakes_at(&self) -> i64 {
        match self.phase {
            Phase::Idle => self.backstop_at,
            Phase::Waiting => self.due,
            Phase::Ready | Phase::Running => NEVER,
        }
    }
}
