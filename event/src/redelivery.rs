//! Providers that send an event once more: within the dedupe window it is not stored again, but what it still waits for
//! goes at once.

use std::time::Duration;

use gatepost_config::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{EventId, ReplayId, store::LogPlace};

/// The time in which an event's redelivery is noted once: a provider that repeats itself must not use up the schedules of
/// its events' deliveries.
pub const SPACING: Duration = Duration::from_secs(10);

/// Redeliveries of one event that are noted while its repeats are recognised.
pub const PER_EVENT_MAX: u64 = 10;

/// Redeliveries that are kept, of all events.
pub(crate) const KEPT_MAX: u32 = 100_000;

/// How much longer than the dedupe window they are kept, so that those of an event are counted while its repeats are
/// recognised.
pub(crate) const KEPT_BEYOND: Duration = Duration::from_secs(3600);

/// A provider sent an event once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redelivery {
    /// The event.
    pub event: EventId,
    /// Where its first copy stands.
    pub place: LogPlace,
    /// When it was sent once more.
    pub at: Timestamp,
    /// Names what is owed anew because of it.
    pub replay: ReplayId,
}

/// What became of a redelivery that was to be noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// It is noted, and will be dealt with.
    New,
    /// Another one of the event was noted just before, or enough of them were, or of all events.
    Enough,
}

impl Redelivery {
    /// The span of time in which there is one of an event.
    pub(crate) fn slot(&self) -> i64 {
        self.at.millis().div_euclid(i64::try_from(SPACING.as_millis()).unwrap_or(i64::MAX))
    }
}
