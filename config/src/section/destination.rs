//! `[[destination]]`

use std::time::Duration;

use url::Url;

use super::{declare::section, value};
use crate::{
    DestinationId, Secret, TenantId,
    provider::scheme::base64,
    read::{Node, Read, all},
};

/// More attempts than this would outlast every retention.
const SCHEDULE_MAX: usize = 50;

/// How signing secrets start, by the Standard Webhooks specification.
const PREFIX: &[u8] = b"whsec_";
/// How long their keys are, by the same.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Ports of public destinations; private ones may use any but 0. Others belong to services that were never meant to be
/// spoken to by whoever may name a destination.
pub const PUBLIC_PORTS: [u16; 4] = [443, 8443, 80, 8080];

section! {
    /// A backend that deliveries are posted to. Without a tenant it is your own and may receive every tenant's events;
    /// with one, only that tenant's.
    #[derive(Debug, Clone)]
    pub struct Destination {
        /// Its id.
        pub id: DestinationId = required("backend"),
        /// Whose it is; your own when not said.
        pub tenant: Option<TenantId> = optional("acme-inc"),
        /// Where deliveries are posted.
        pub url: Url = required("https://api.example.com/webhooks"),
        /// Loopback, private networks and plain http are allowed (metadata addresses never are).
        pub private: bool = default(false),
        /// Signing secrets (`whsec_` and base64 of 24 to 64 bytes, see `gatepost secret new`); every active one signs.
        pub secrets: Vec<Secret> = required([{ env = "GATEPOST_SIGNING_SECRET" }]) by signing_secrets,
        /// What a delivery looks like: "json" or "cloudevents".
        pub format: DeliveryFormat = default("json"),
        /// Types it subscribes to, for routes that forward to "tenant"; all when empty.
        pub events: Vec<String> = optional(["github.pull_request.*", "github.push"]) by value::patterns,
        /// Longest time of one attempt, from name lookup to the last body byte read.
        pub timeout: Duration = default("15s") by value::span,
        /// Attempts under way at once.
        pub concurrency: usize = default(16),
        /// Waits before attempt 1, 2, ...; their number is the number of attempts.
        pub schedule: Vec<Duration> = default(["0s", "5s", "5m", "30m", "2h", "5h", "10h", "10h"]) by schedule,
        /// Statuses after which a delivery is a dead letter at once.
        pub final_statuses: Vec<u16> = optional([404, 410]) by final_statuses,
    }
}

/// `format = ...`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryFormat {
    /// Gatepost's envelope.
    Json,
    /// CloudEvents 1.0, structured mode.
    CloudEvents,
}

impl Read for DeliveryFormat {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[("json", Self::Json), ("cloudevents", Self::CloudEvents)])
    }
}

/// Signing secrets, decoded to the keys they stand for.
fn signing_secrets(node: &Node<'_>) -> Option<Vec<Secret>> {
    let nodes = node.items()?;
    if nodes.is_empty() {
        node.error("is an empty list", "add a secret, so that the backend can tell deliveries from forgeries");
        return None;
    }
    all(nodes.iter().map(signing_secret))
}

fn signing_secret(node: &Node<'_>) -> Option<Secret> {
    let secret = Secret::read(node)?;
    if node.spot.sheet.is_without_secrets() {
        return Some(secret);
    }
    let wrong = match secret.expose().strip_prefix(PREFIX).map(base64) {
        None => "doesn't start with whsec_".to_owned(),
        Some(Err(error)) => format!("{error} after whsec_"),
        Some(Ok(key)) if !KEY_BYTES.contains(&key.len()) => {
            format!("holds {} bytes after whsec_, not 24 to 64", key.len())
        }
        Some(Ok(key)) => return Some(secret.with_bytes(key)),
    };
    let message = format!("is no signing secret in {}: it {wrong}", secret.source());
    node.error(message, "make one with `gatepost secret new`");
    None
}

fn schedule(node: &Node<'_>) -> Option<Vec<Duration>> {
    let schedule = Vec::<Duration>::read(node)?;
    if !(1..=SCHEDULE_MAX).contains(&schedule.len()) {
        node.error(format!("has {} waits", schedule.len()), "write 1 to 50, one per attempt");
        return None;
    }
    Some(schedule)
}

fn final_statuses(node: &Node<'_>) -> Option<Vec<u16>> {
    all(node.items()?.iter().map(|node| {
        let status = node.number(100, 599)?;
        if (200..=299).contains(&status) {
            node.error(format!("is {status}, which is a success"), "list statuses outside 200 to 299");
            return None;
        }
        u16::try_from(status).ok()
    }))
}
