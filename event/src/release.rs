//! Releases: refused requests that are verified again, after what was wrong with a secret was put right.
//!
//! The API writes what is wanted into the registry, and one gateway fulfils it: only a gateway has the verifier.

use std::collections::BTreeMap;

use gatepost_config::{IntegrationId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{RefusalKey, ReleaseId, RequestId, replay::State, subject::integration_token};

/// The header that says of an event that its request was refused at first, and when it was let in.
pub const RELEASED_HEADER: &str = "gatepost-released";

/// A release that was asked for: what, and how far it is. Kept in the registry under its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Its id.
    pub id: ReleaseId,
    /// When it was asked for: what is refused once it has begun is not its business.
    pub created_at: Timestamp,
    /// What is asked for.
    pub wish: Wish,
    /// Whether it still goes on.
    pub state: State,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// What it did so far.
    #[serde(default)]
    pub progress: Progress,
    /// The last request that was dealt with: where it goes on after a crash.
    #[serde(default)]
    pub after: Option<RequestId>,
}

/// Which refused requests are to be verified again; all of them when nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = QuarantineReleaseWish)]
pub struct Wish {
    /// Only this one.
    pub request: Option<RequestId>,
    /// Only of this integration.
    pub integration: Option<IntegrationId>,
    /// Only those that were refused for this reason, a stable code.
    ///
    /// A request whose time was not near the clock's when it came (`timestamp_stale`, `timestamp_future`) is let in only
    /// when its reason, or the request itself, is named: it may be an old one that somebody plays again.
    pub reason: Option<String>,
}

/// What a release did so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = QuarantineReleaseProgress)]
pub struct Progress {
    /// Requests looked at.
    pub examined: u64,
    /// Requests that are proven genuine now: their events are stored, and they are in quarantine no more.
    pub released: u64,
    /// Events that came of them and were not stored before.
    pub events: u64,
    /// Requests that are genuine but bring no event, such as handshakes; they stay.
    pub skipped: u64,
    /// Requests that stay, by the reason that they would be refused for now.
    pub refused: BTreeMap<String, u64>,
}

impl Release {
    /// A release as it is asked for.
    pub fn new(wish: Wish, now: Timestamp) -> Self {
        Self {
            id: ReleaseId::fresh(now),
            created_at: now,
            wish,
            state: State::Pending,
            ended_at: None,
            progress: Progress::default(),
            after: None,
        }
    }

    /// Whether it is about a request that it has not dealt with yet.
    pub fn wants(&self, key: &RefusalKey) -> bool {
        let wish = &self.wish;
        self.after.is_none_or(|after| key.request > after)
            && wish.request.is_none_or(|request| request == key.request)
            && wish.integration.as_ref().is_none_or(|id| integration_token(id) == key.integration)
            && wish.reason.as_ref().is_none_or(|reason| *reason == key.reason)
    }
}

impl Wish {
    /// Whether a request's time may be any, because it or that reason was asked for by name.
    pub fn takes_any_time(&self) -> bool {
        let timed = |reason: &String| matches!(reason.as_str(), "timestamp_stale" | "timestamp_future");
        self.request.is_some() || self.reason.as_ref().is_some_and(timed)
    }
}
