//! Deliveries that are owed anew, and the jobs that owe them.

use gatepost_config::{ConnectionId, DestinationId, IntegrationId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{DeadReason, DeliveryId, EventId, ReplayId, Task, id::Token};

/// What owes a delivery anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// The replay; deliveries say so in a header.
    pub id: ReplayId,
    /// The `webhook-id` that it goes out under instead of its event's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_id: Option<EventId>,
    /// The position of the dead letter that it was; it then carries its own copy of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter: Option<u64>,
}

impl Task {
    /// The id that receivers know the event by.
    pub fn webhook_id(&self) -> EventId {
        self.replay.as_ref().and_then(|replay| replay.webhook_id).unwrap_or(self.event.id)
    }

    /// Tells the times apart that a delivery is owed: empty for the first.
    pub fn life(&self) -> String {
        match &self.replay {
            None => String::new(),
            Some(Replay { id, letter: None, .. }) => id.token().to_string(),
            Some(Replay { id, letter: Some(letter), .. }) => format!("{}.{letter}", id.token()),
        }
    }

    /// Names the copy of the event that a revived delivery carries.
    pub fn copy(&self) -> Option<Token> {
        self.replay.as_ref()?.letter?;
        let delivery = self.delivery.token().as_str().as_bytes();
        Some(Token::hash(&[b"copy", delivery, self.destination.as_str().as_bytes(), self.life().as_bytes()]))
    }
}

/// A replay that was asked for: what, how, and how far it is. Kept in the registry under its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: ReplayId,
    /// When it was asked for: what happened later is not its business.
    pub created_at: Timestamp,
    /// What is asked for.
    pub wish: Wish,
    /// Whether it still goes on.
    pub state: State,
    /// Somebody asked for its end.
    #[serde(default)]
    pub cancel: bool,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<String>,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// What it did so far.
    #[serde(default)]
    pub progress: Progress,
    /// Where it goes on after a crash.
    #[serde(default)]
    pub place: Place,
}

/// What is to be replayed, and how.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ReplayWish)]
pub struct Wish {
    /// Stored events through the present routes, instead of dead letters to where they were going.
    pub reroute: bool,
    /// Count only.
    pub dry_run: bool,
    /// Deliveries owed per second, at most; as fast as the store takes them when absent.
    #[schema(minimum = 1, maximum = 100_000)]
    pub rate: Option<u32>,
    /// A fresh `webhook-id` for each copy, so that receivers don't take it for a repeat.
    pub new_ids: bool,
    /// Only this dead delivery.
    pub delivery: Option<DeliveryId>,
    /// Only this event.
    pub event: Option<EventId>,
    /// Only events received at or after this; letters that died then.
    pub since: Option<Timestamp>,
    /// Only events received before this; letters that died then.
    pub until: Option<Timestamp>,
    /// Only of this integration.
    pub integration: Option<IntegrationId>,
    /// Only of this connection.
    pub connection: Option<ConnectionId>,
    /// Only events of this tenant.
    pub tenant: Option<TenantId>,
    /// Only to this destination.
    pub destination: Option<DestinationId>,
    /// Only events whose type matches this pattern.
    #[serde(rename = "type")]
    #[schema(min_length = 1)]
    pub kind: Option<String>,
    /// Only what stands so; dead letters when not said, and all events on `reroute`.
    pub status: Option<Status>,
    /// Only dead letters that died of this.
    pub reason: Option<DeadReason>,
}

/// How what is replayed stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReplayStatus)]
pub enum Status {
    /// A dead letter.
    Dead,
    /// Delivered to the destination before.
    Delivered,
    /// Not delivered to the destination: filtered, unrouted or dead then, or routed elsewhere.
    Undelivered,
}

/// Whether a job still goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReplayState)]
pub enum State {
    /// Nobody has begun it.
    Pending,
    /// It goes on.
    Running,
    /// It has come to its end.
    Done,
    /// It was ended before.
    Cancelled,
    /// It can't go on.
    Failed,
}

/// What a job did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = ReplayProgress)]
pub struct Progress {
    /// Events or letters looked at.
    pub examined: u64,
    /// Of them, those that the filter matches.
    pub matched: u64,
    /// Deliveries owed anew; on a dry run those that would be.
    pub owed: u64,
    /// Matched, but nothing could be owed: no route wants them, their destination is gone, or their body.
    pub skipped: u64,
}

/// Where a job is: of each source (a partition, or the dead letters) the place that was reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// One for each source; empty before it began.
    pub sources: Vec<Source>,
}

/// How far a source was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Everything up to here was dealt with.
    pub after: u64,
    /// The last place that is the job's business.
    pub through: u64,
}

impl State {
    /// Whether nothing follows any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled | Self::Failed)
    }
}

impl Job {
    /// A job as it is asked for.
    pub fn new(wish: Wish, now: Timestamp) -> Self {
        Self {
            id: ReplayId::fresh(now),
            created_at: now,
            wish,
            state: State::Pending,
            cancel: false,
            error: None,
            ended_at: None,
            progress: Progress::default(),
            place: Place::default(),
        }
    }
}
