//! Deliveries that are owed, and where they wait.

use std::fmt;

use gatepost_config::{ConnectionId, DestinationId, IntegrationId, RouteId, SyncName, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{DeliveryId, EventRef, Meta, id::Token, subject};

/// One delivery that is owed: one event to one destination. It exists exactly while it is owed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// The delivery's id, the same over all attempts.
    pub delivery: DeliveryId,
    /// Which event.
    pub event: EventRef,
    /// To which destination; of a task that a sync is owed to ([`Self::sync`]), its engine's id.
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
    /// Not attempted before: of an ordered delivery, which waits for its retry at the head of its lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Bytes of the event's body.
    #[serde(default)]
    pub bytes: u64,
    /// What owes it anew; none when routing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<crate::Replay>,
    /// Not a delivery: a run of this sync of the connection is owed, that begins after the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncName>,
}

/// Where deliveries wait: those of one tenant's events to one destination, or, on ordered routes, those of one
/// connection's.
///
/// Tenants wait apart, so that they take turns at a destination that they share. Events that make the same sync of the
/// same connection stale wait together, for one run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    /// Stands for the destination.
    pub destination: Token,
    /// Stands for the event's tenant.
    pub tenant: Option<Token>,
    /// Stands for the integration and connection, in ordered lanes; and for the sync too where one is owed.
    pub connection: Option<Token>,
}

/// Text that is not a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a lane: it must be three tokens or dashes with dots between them")]
pub struct NotALane;

/// Stands in a lane's text for no tenant and for no connection.
const NONE: &str = "-";

impl Task {
    /// What is owed after a failed attempt. An ordered delivery stays in its lane, and says itself when it goes again.
    #[must_use]
    pub fn next_attempt(&self, due: Timestamp) -> Self {
        let attempt = self.attempt.saturating_add(1);
        Self { attempt, not_before: self.ordered.then_some(due), ..self.clone() }
    }
}

impl Lane {
    /// The lane that an event's delivery to a destination waits in, if its route is ordered.
    pub fn ordered(destination: &DestinationId, event: &Meta) -> Self {
        Self {
            destination: subject::destination_token(destination),
            tenant: event.tenant.as_ref().map(subject::tenant_token),
            connection: Some(subject::connection_token(&event.integration, event.connection.as_ref(), None)),
        }
    }

    /// The lane that a task waits in.
    pub fn of(task: &Task) -> Self {
        if let Some(sync) = &task.sync {
            let engine = subject::engine_token(task.destination.as_str());
            let stale = subject::sync_token(&task.integration, task.connection.as_ref(), sync);
            return Self { destination: engine, tenant: None, connection: Some(stale) };
        }
        let connection =
            task.ordered.then(|| subject::connection_token(&task.integration, task.connection.as_ref(), None));
        Self {
            destination: subject::destination_token(&task.destination),
            tenant: task.tenant.as_ref().map(subject::tenant_token),
            connection,
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |token: &Option<Token>| token.map_or_else(|| NONE.to_owned(), |token| token.to_string());
        write!(f, "{}.{}.{}", self.destination, word(&self.tenant), word(&self.connection))
    }
}

impl std::str::FromStr for Lane {
    type Err = NotALane;

    fn from_str(text: &str) -> Result<Self, NotALane> {
        let token = |text: &str| text.parse::<Token>().map_err(|_| NotALane);
        let maybe = |text: &str| if text == NONE { Ok(None) } else { token(text).map(Some) };
        let mut words = text.split('.');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some(destination), Some(tenant), Some(connection), None) => {
                Ok(Self { destination: token(destination)?, tenant: maybe(tenant)?, connection: maybe(connection)? })
            }
            _ => Err(NotALane),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_reads_back_from_its_text() {
        let token = |text: &str| Token::hash(&[text.as_bytes()]);
        for tenant in [None, Some(token("tenant"))] {
            for connection in [None, Some(token("connection"))] {
                let lane = Lane { destination: token("destination"), tenant, connection };
                assert_eq!(lane.to_string().parse(), Ok(lane));
            }
        }
        let one = token("destination").to_string();
        for wrong in
            [one.clone(), format!("{one}.-"), format!("{one}.-.-.-"), format!("-.{one}.-"), format!("{one}..-")]
        {
            assert_eq!(wrong.parse::<Lane>(), Err(NotALane), "{wrong}");
        }
    }
}
