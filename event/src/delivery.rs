//! Deliveries that are owed, and where they wait.

use std::fmt;

use gatepost_config::{ConnectionId, DestinationId, IntegrationId, RouteId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{DeliveryId, EventRef, id::Token, subject};

/// One delivery that is owed: one event to one destination. It exists exactly while it is owed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// The delivery's id, the same over all attempts.
    pub delivery: DeliveryId,
    /// Which event.
    pub event: EventRef,
    /// To which destination.
    pub destination: DestinationId,
    /// By which route.
    pub route: RouteId,
    /// The event's integration, connection and tenant.
    pub integration: IntegrationId,
    /// See `integration`.
    pub connection: Option<ConnectionId>,
    /// See `integration`.
    pub tenant: Option<TenantId>,
    /// The next attempt, from 1.
    pub attempt: u32,
    /// When it was first owed.
    pub created_at: Timestamp,
    /// It waits behind the earlier deliveries of its connection to this destination.
    #[serde(default)]
    pub ordered: bool,
}

/// Where deliveries wait: of one destination, or, on ordered routes, of one destination and one connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    /// Stands for the destination.
    pub destination: Token,
    /// Stands for the integration and connection.
    pub connection: Option<Token>,
}

impl Lane {
    /// The lane that a task waits in.
    pub fn of(task: &Task) -> Self {
        let connection =
            task.ordered.then(|| subject::connection_token(&task.integration, task.connection.as_ref(), None));
        Self { destination: subject::destination_token(&task.destination), connection }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.destination)?;
        match &self.connection {
            Some(connection) => write!(f, ".{connection}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A task in its lane.
#[derive(Debug, Clone, PartialEq)]
pub struct Queued {
    /// Its place in the shard's order: later arrivals have higher ones, and a fired retry arrives anew.
    pub position: u64,
    /// The task.
    pub task: Task,
}

/// How what an event is owed ended: the closed set of terminal words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// A destination answered 2xx.
    Delivered,
    /// A sync that started after it has run.
    Synced,
    /// Routes matched its type but every filter said no.
    Filtered,
    /// No route matched.
    Unrouted,
    /// A dead letter.
    Dead,
    /// A dead letter because its event's retention ended first.
    Expired,
    /// Erased at someone's request.
    Erased,
}

impl Ending {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Delivered, Self::Synced, Self::Filtered, Self::Unrouted, Self::Dead, Self::Expired, Self::Erased];

    /// Its word in subjects, metrics and the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Synced => "synced",
            Self::Filtered => "filtered",
            Self::Unrouted => "unrouted",
            Self::Dead => "dead",
            Self::Expired => "expired",
            Self::Erased => "erased",
        }
    }
}
