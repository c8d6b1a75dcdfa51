//! `[[sync_engine]]`, and `sync = { .. }` of a route.

use std::time::Duration;

use url::Url;

use super::{Rate, declare::section, destination, value};
use crate::{
    Secret, SigningKey, SyncEngineId, SyncName,
    read::{Node, Read},
};

section! {
    /// What runs the syncs that refresh your customers' data, for routes with `sync`.
    #[derive(Debug, Clone)]
    pub struct SyncEngine {
        /// Its id.
        pub id: SyncEngineId = required("nango"),
        /// "nango"; "http", any endpoint that runs a sync when it is posted to; or "nats", your own workers that answer requests
        /// on a subject of the store's NATS.
        pub kind: SyncKind = required("nango"),
        /// Of kind http: where runs are asked for. 2xx says that a run which began after the request has succeeded (202: has
        /// begun, and its outcome is not known); 409 that an earlier one is still under way. Of kind nango: the API, when it
        /// is not Nango's own.
        pub url: Option<Url> = optional("https://api.nango.dev") by value::base_url,
        /// Loopback, private networks and plain http are allowed (metadata addresses never are).
        pub private: bool = default(false),
        /// Of kind nango: the environment's secret key.
        pub api_key: Option<Secret> = optional({ env = "NANGO_KEY" }) by api_key,
        /// Of kind http: signing secrets, as a destination's.
        pub secrets: Vec<SigningKey> = optional([{ env = "SYNC_SIGNING_SECRET" }]) by destination::keys,
        /// Of kind http: what is posted, as a CEL expression over `run`, which has `engine`, `sync`, `integration`, `connection`,
        /// `reason` ("events", "backstop" or "asked") and `first_event_at` (null when no event asks); those when not said.
        pub body: Option<String> = optional("{'customer': run.connection, 'why': run.reason}") by body,
        /// Of kind nats: where requests are published, below the store's prefix and `.sync.`; the answer is JSON such as
        /// { "status": "succeeded" }, or "started", "busy" or "failed".
        pub subject: Option<String> = optional("contacts") by subject,
        /// Longest time of one run, from when it is asked for until it is known to have ended.
        pub timeout: Duration = default("30m") by value::span,
        /// Of kind nango: time between looks at a run under way.
        pub poll: Duration = default("5s") by value::span,
        /// Runs under way at once.
        pub concurrency: usize = default(16),
        /// Calls of the engine that begin in any second, minute or hour at most, such as "100/s" or "30/m". Of kind nango 200/m
        /// when not said, else no limit.
        pub rate: Option<Rate> = optional("200/m"),
        /// Runs in a row that failed (no answer in time, no connection, 429 or 5xx) after which others wait, but for one at a
        /// time that probes; 0: never.
        pub breaker_failures: usize = default(10) by value::count,
        /// Longest wait between two probes; the first waits are shorter.
        pub breaker_wait: Duration = default("30s") by value::span,
        /// Runs wait until this is taken away again.
        pub paused: bool = default(false),
        /// Waits before try 1, 2, ... of a run, as a destination's: the first is none. When the last has failed, the events
        /// that waited for it are dead letters.
        pub schedule: Vec<Duration> =
            default(["0s", "5s", "5m", "30m", "2h", "5h", "10h", "10h"]) by destination::schedule,
    }
}

/// `kind = ...`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncKind {
    /// Nango's API.
    Nango,
    /// An endpoint of the operator's.
    Http,
    /// Workers of the operator's on the store's NATS.
    Nats,
}

/// The shortest backstop that is kept though the router that runs the syncs is killed: its reserve is as long as it takes
/// another one to take over.
pub const BACKSTOP_KEPT_MIN: Duration = Duration::from_secs(60);

/// `sync = { .. }`: which sync an event makes stale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSync {
    /// What runs it.
    pub engine: SyncEngineId,
    /// What that calls it.
    pub name: SyncName,
    /// Events that come within this of each other are one run.
    pub coalesce: Duration,
    /// Longest wait of an event for others.
    pub max_wait: Duration,
    /// Longest time without a run.
    pub backstop: Option<Duration>,
}

impl SyncKind {
    /// Its word in the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nango => "nango",
            Self::Http => "http",
            Self::Nats => "nats",
        }
    }
}

impl Read for SyncKind {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[Self::Nango, Self::Http, Self::Nats].map(|kind| (kind.word(), kind)))
    }
}

impl RouteSync {
    /// A table.
    pub(super) fn read(node: &Node<'_>) -> Option<Option<Self>> {
        let table = node.table()?;
        let engine = table.required_like("engine", "\"nango\"", SyncEngineId::read);
        let name = table.required_like("name", "\"contacts\"", SyncName::read);
        let coalesce = table.default("coalesce", "\"2s\"", value::span);
        let max_wait = table.default("max_wait", "\"30s\"", value::span);
        let backstop = table.optional("backstop", value::maybe_span);
        table.finish();
        let (coalesce, max_wait) = (coalesce?, max_wait?);
        if max_wait < coalesce {
            table.at("max_wait").error("is shorter than coalesce", "give at least the time of coalesce");
            return None;
        }
        let backstop = backstop?;
        if backstop.is_some_and(|span| span < BACKSTOP_KEPT_MIN) {
            let message =
                "is less than a minute, so a run is late when its router is killed and another has to take over";
            table.at("backstop").warning(message, "give at least \"1m\" if that matters");
        }
        Some(Some(Self { engine: engine?, name: name?, coalesce, max_wait, backstop }))
    }
}

fn api_key(node: &Node<'_>) -> Option<Option<Secret>> {
    destination::token(node).map(Some)
}

fn body(node: &Node<'_>) -> Option<Option<String>> {
    super::route::expression(node, "run")
}

/// Segments of a subject without wildcards.
fn subject(node: &Node<'_>) -> Option<Option<String>> {
    node.parsed("a subject such as \"contacts\"", |text| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        match text.len() <= 128 && text.split('.').all(|word| !word.is_empty() && word.chars().all(allowed)) {
            true => Ok(Some(text.to_owned())),
            false => Err(format!("is {text:?}; write words of A-Z a-z 0-9 _ - with dots between them")),
        }
    })
}
