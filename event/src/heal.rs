//! Heals: what a provider could not deliver, had from it later.
//!
//! The API, or a gateway by its schedule, writes what is wanted into the registry, and one gateway fulfils it: only a
//! gateway makes events. What is stored already it asks a router, because gateways may not read the log.

use gatepost_config::{ConnectionId, IntegrationId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{HealId, id::Token, replay::State};

/// The header that says of an event that it was fetched from its provider's API, and when.
pub const HEALED_HEADER: &str = "gatepost-healed";

/// Most events of one [`Question`].
pub const WANTED_MAX: usize = 1_000;

/// A heal that was asked for: what, and how far it is. Kept in the registry under its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heal {
    /// Its id.
    pub id: HealId,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// What is asked for.
    pub wish: Wish,
    /// The configuration's schedule asked for it.
    #[serde(default)]
    pub scheduled: bool,
    /// Whether it still goes on.
    pub state: State,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// Why it failed, with the remedy.
    #[serde(default)]
    pub error: Option<String>,
    /// What it did so far.
    #[serde(default)]
    pub progress: Progress,
    /// What the gateway that works on it wants to know of a router.
    #[serde(default)]
    pub question: Option<Question>,
    /// Deliveries that the provider was asked to make again, by the provider's id of their events: one is under way for a
    /// while, and need not be asked for twice.
    #[serde(default)]
    pub requested: Vec<String>,
}

/// What is to be healed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = HealWish)]
pub struct Wish {
    /// The integration, which must have `heal` in the configuration.
    pub integration: IntegrationId,
    /// What happened at or after this.
    pub since: Timestamp,
    /// What happened before this; until the heal was asked for when absent.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Only find out what is missing.
    #[serde(default)]
    pub dry_run: bool,
}

/// What a heal did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = HealProgress)]
pub struct Progress {
    /// Deliveries (GitHub) or undelivered events (Stripe) that the provider listed.
    pub listed: u64,
    /// Events that it could not deliver, by its own word.
    pub undelivered: u64,
    /// Of these, those that are stored all the same.
    pub present: u64,
    /// Of these, those that an earlier heal asked to be delivered again a moment ago.
    pub under_way: u64,
    /// Of these, those that are missing; on a dry run nothing is done about them.
    pub missing: u64,
    /// Of the missing, those that the provider was asked to deliver again (GitHub) or that are stored now (Stripe).
    pub healed: u64,
    /// Of the missing, those that could not be had: the provider would not, or what it gave is no event of the integration.
    pub failed: u64,
}

/// Whether events are stored already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// They were stored at or after this, if they were.
    pub since: Timestamp,
    /// The events, at most [`WANTED_MAX`].
    pub wanted: Vec<Wanted>,
    /// A router's answer: the places in `wanted` of those that are stored.
    #[serde(default)]
    pub present: Option<Vec<u32>>,
}

/// An event that may be stored already: under any of these keys, in any of these partitions or parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Of [`key`] or [`key_of_any`], as text.
    pub keys: Vec<String>,
    /// Partitions of the log.
    pub partitions: Vec<u16>,
}

impl Heal {
    /// A heal as it is asked for.
    pub fn new(wish: Wish, scheduled: bool, now: Timestamp) -> Self {
        Self {
            id: HealId::fresh(now),
            created_at: now,
            wish,
            scheduled,
            state: State::Pending,
            ended_at: None,
            error: None,
            progress: Progress::default(),
            question: None,
            requested: Vec::new(),
        }
    }

    /// The end of the time that it is about: at most when it was asked for.
    pub fn until(&self) -> Timestamp {
        self.wish.until.map_or(self.created_at, |until| until.min(self.created_at))
    }

    /// Whether it looked at all of a time, and came to its end.
    pub fn has_covered(&self, from: Timestamp, to: Timestamp) -> bool {
        self.state == State::Done && self.wish.since <= from && to <= self.until()
    }
}

impl Progress {
    /// What is still missing.
    pub const fn left(&self) -> u64 {
        self.missing.saturating_sub(self.healed)
    }
}

/// Stands for an event by its provider's id, under a connection or under none.
pub fn key(integration: &IntegrationId, connection: Option<&ConnectionId>, provider_event_id: &str) -> Token {
    let connection = connection.map(ConnectionId::as_str).unwrap_or_default();
    Token::hash(&[b"heal", integration.as_str().as_bytes(), connection.as_bytes(), provider_event_id.as_bytes()])
}

/// The same, whosever connection it is under: of an event that names no account the URL may have named the connection.
pub fn key_of_any(integration: &IntegrationId, provider_event_id: &str) -> Token {
    Token::hash(&[b"heal of any", integration.as_str().as_bytes(), provider_event_id.as_bytes()])
}
