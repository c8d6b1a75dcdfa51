//! What was read of the store in one go, to be written in one transaction with the places that were reached.

use std::sync::Arc;

use gatepost_event::{
    Attempt, DeadLetter, ErasureId, Outcomes,
    erasure::{Erasure, Reach},
    store::{Parked, StoredEvent},
};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) parked: Vec<Parked>,
    pub(super) events: Vec<StoredEvent>,
    pub(super) outcomes: Vec<Outcomes>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) letters: Vec<DeadLetter>,
    /// How far each feed is read.
    pub(super) reached: Vec<(Feed, u64)>,
    /// Forget everything first: the store is another one.
    pub(super) anew: bool,
    /// What is not to be written any more.
    pub(super) gone: Arc<Reach>,
}

/// An erasure that is to be dealt with.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    pub(super) id: ErasureId,
    /// Nothing of it can come any more.
    pub(super) is_last: bool,
    pub(super) erasure: Erasure,
}

/// What is read of the store, each in its own order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Feed {
    /// A partition of the log.
    Events(u16),
    /// Parked events.
    Parked,
    /// What became of events.
    Outcomes,
    /// Attempts.
    Attempts,
    /// Dead letters.
    Letters,
}

impl Feed {
    /// Its name in the file.
    pub(super) fn name(self) -> String {
        match self {
            Self::Events(partition) => format!("events.{partition}"),
            Self::Parked => "parked".to_owned(),
            Self::Outcomes => "outcomes".to_owned(),
            Self::Attempts => "attempts".to_owned(),
            Self::Letters => "letters".to_owned(),
        }
    }
}

impl Batch {
    /// Nothing but these events of a partition.
    pub(super) fn of_events(partition: u16, events: Vec<StoredEvent>) -> Self {
        let through = events.last().map_or(0, |event| event.at.sequence);
        Self { events, reached: vec![(Feed::Events(partition), through)], ..Self::default() }
    }

    /// Rows in it.
    pub(super) fn len(&self) -> usize {
        self.parked.len() + self.events.len() + self.outcomes.len() + self.attempts.len() + self.letters.len()
    }
}
