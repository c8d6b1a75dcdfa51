//! Deliveries that ended without success.

use gatepost_config::{DestinationId, RouteId, SyncName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Attempt, DeliveryId, Event};

/// A delivery that ended without success, with everything needed to replay it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// What is known of its end.
    pub note: DeadNote,
    /// The event, with its body; none only when it was gone before the delivery ended.
    pub event: Option<Event>,
}

/// What is known of a dead letter's end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadNote {
    /// The delivery; a letter that died in routing has a fresh one.
    pub delivery: DeliveryId,
    /// The destination; of a sync that was owed, its engine's id; none when it died in routing.
    pub destination: Option<DestinationId>,
    /// The sync, when one was owed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncName>,
    /// The route.
    pub route: Option<RouteId>,
    /// Attempts made.
    pub attempts: u32,
    /// Why.
    pub reason: DeadReason,
    /// More about it, for people: a filter's error, for example.
    pub detail: Option<String>,
    /// The last attempt.
    pub last: Option<Attempt>,
    /// When.
    pub died_at: Timestamp,
}

/// Why a delivery ended without success: a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeadReason {
    /// The schedule ran out.
    Exhausted,
    /// The destination answered a status that is listed as final.
    FinalStatus,
    /// A route's filter failed on the event.
    FilterError,
    /// The event's retention ended before it was delivered.
    Expired,
    /// The stored event can't be read or put into the destination's format.
    Unreadable,
    /// The destination is another tenant's: it was given to that tenant after the delivery was owed.
    OtherTenant,
}

impl DeadReason {
    /// Its word in metrics and the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::FinalStatus => "final_status",
            Self::FilterError => "filter_error",
            Self::Expired => "expired",
            Self::Unreadable => "unreadable",
            Self::OtherTenant => "other_tenant",
        }
    }
}
