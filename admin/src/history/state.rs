//! How events and deliveries stand, and the numbers that stand for it in the file.

use serde::{Deserialize, Serialize};

/// How an event, or one of its deliveries, stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EventState)]
pub(crate) enum State {
    /// Something is owed, or it is not routed yet.
    Waiting,
    /// All that was owed was delivered, or synced.
    Delivered,
    /// Nothing was owed but syncs, and a run of each that began after the event has succeeded.
    Synced,
    /// A dead letter, or one of them.
    Dead,
    /// Routes matched its type but every filter said no.
    Filtered,
    /// No route matched.
    Unrouted,
    /// No connection claims its account.
    Unmatched,
    /// A dead letter that was taken back, and is owed as another delivery; shown nowhere.
    #[serde(skip)]
    Gone,
}

impl State {
    /// All of them.
    const ALL: [Self; 8] = [
        Self::Waiting,
        Self::Delivered,
        Self::Dead,
        Self::Filtered,
        Self::Unrouted,
        Self::Unmatched,
        Self::Gone,
        Self::Synced,
    ];

    /// Its number in the file.
    pub(super) const fn number(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::Delivered => 1,
            Self::Dead => 2,
            Self::Filtered => 3,
            Self::Unrouted => 4,
            Self::Unmatched => 5,
            Self::Gone => 6,
            Self::Synced => 7,
        }
    }

    /// The state of a number; waiting for one that is none.
    pub(super) fn of(number: i64) -> Self {
        Self::ALL.into_iter().find(|state| state.number() == number).unwrap_or(Self::Waiting)
    }
}
