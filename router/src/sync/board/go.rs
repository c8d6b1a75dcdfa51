//! A run that begins, and how it ends.

use std::time::Duration;

use gatepost_config::Timestamp;
use gatepost_event::{id::Token, sync::SyncKey};

use super::SlotId;

/// A run that begins now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Go {
    /// Of which slot.
    pub(crate) slot: SlotId,
    /// Which sync.
    pub(crate) key: SyncKey,
    /// Stands for it in its lane.
    pub(crate) token: Token,
    /// The last task that it is for; none when no event asks for it.
    pub(crate) through: Option<u64>,
    /// Why.
    pub(crate) why: Why,
    /// Events that it is for, as far as is known.
    pub(crate) events: u32,
    /// When the first of them came.
    pub(crate) first_at: Option<Timestamp>,
}

/// Why a run is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Events came.
    Events,
    /// None was for too long.
    Backstop,
    /// Somebody asked.
    Wish,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// A run that began after it was asked for has succeeded, or has begun where no more can be known; what it was for has
    /// ended.
    Succeeded,
    /// An earlier run is still under way, or the store did not confirm: it is asked for again soon.
    Again,
    /// The engine failed.
    Failed {
        /// How, for people.
        error: String,
        /// When it asks to be called again.
        after: Option<Duration>,
        /// It does not count as a try: the engine is only too busy.
        counts: bool,
    },
    /// What it was for is now dead letters.
    GivenUp,
}

/// What the board makes of a run's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing to be done now.
    Rest,
    /// One more run follows, for what came meanwhile.
    Dirty,
    /// Arrivals may have gone unheard: look at the lane.
    Look,
    /// The last try failed, and no event asked for it.
    Failed,
    /// The last try failed: what it was for ends as dead letters, and then [`Ended::GivenUp`] is told.
    GiveUp,
}

impl Why {
    /// Its word in requests.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Backstop => "backstop",
            Self::Wish => "asked",
        }
    }
}
