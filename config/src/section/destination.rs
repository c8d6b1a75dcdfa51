//! `[[destination]]`

mod auth;
mod certificate;
mod headers;
mod rate;
mod schedule;
mod secrets;

use std::time::Duration;

use url::Url;

pub use self::{auth::Auth, certificate::ClientCertificate, headers::Header, rate::Rate};
pub(super) use self::{auth::token, rate::rate, schedule::schedule, secrets::keys};
use super::{declare::section, value};
use crate::{
    DestinationId, SigningKey, TenantId,
    read::{Node, Read, all},
};

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
        /// Signing secrets; every active one signs: `whsec_` (HMAC-SHA256) or `whsk_` (Ed25519), see `gatepost secret new`.
        /// With format = "nango" the signing key of Nango's webhook settings; the first active one signs. While rotating
        /// several, the old one for example as { env = "GATEPOST_SIGNING_SECRET_OLD", until = 2026-12-01T00:00:00Z }.
        pub secrets: Vec<SigningKey> = required([{ env = "GATEPOST_SIGNING_SECRET" }]) by secrets::keys,
        /// What a delivery looks like: "json", "cloudevents", "nango" (what Nango forwards), or "raw" (the provider's body
        /// as it came; the facts about it are headers that the signature does not cover).
        pub format: DeliveryFormat = default("json"),
        /// With format = "nango", also Nango's old header `x-nango-signature`, which is weak.
        pub nango_legacy_signature: bool = default(false),
        /// Headers of your own (not those of the connection, the body or the signature).
        pub headers: Vec<Header> = optional({ x-team = "payments", x-api-key = { env = "API_KEY" } }) by headers::headers,
        /// `authorization`: { bearer = SECRET } or { basic = { user = "gatepost", password = SECRET } }.
        pub auth: Option<Auth> = optional({ bearer = { env = "BACKEND_TOKEN" } }) by auth::auth,
        /// A certificate for backends that ask for one: the chain and the private key, in PEM.
        pub client_certificate: Option<ClientCertificate> =
            optional({ chain = { file = "client.pem" }, key = { file = "client.key" } }) by certificate::certificate,
        /// Types it subscribes to, for routes that forward to "tenant"; all when empty.
        pub events: Vec<String> = optional(["github.pull_request.*", "github.push"]) by value::patterns,
        /// Longest time of one attempt, from name lookup to the last body byte read.
        pub timeout: Duration = default("15s") by value::span,
        /// Attempts under way at once.
        pub concurrency: usize = default(16),
        /// Attempts that begin in any second, minute or hour at most, such as "100/s" or "30/m"; no limit when not said.
        pub rate: Option<Rate> = optional("100/s"),
        /// Of these, how many may begin at once after a quiet time; the others are spread over the span. A twentieth when not
        /// said.
        pub burst: Option<usize> = optional(5) by rate::burst,
        /// Failed attempts in a row (no answer in time, no connection, 429 or 5xx) after which deliveries wait, but for one
        /// at a time that probes; 0: never.
        pub breaker_failures: usize = default(10) by value::count,
        /// Longest wait between two probes; the first waits are shorter.
        pub breaker_wait: Duration = default("30s") by value::span,
        /// Deliveries wait until this is taken away again.
        pub paused: bool = default(false),
        /// Waits before attempt 1, 2, ...; their number is the number of attempts, and each is changed by up to a fifth. Or
        /// waits that grow after an attempt at once: { first = "5s", factor = 4, longest = "10h", attempts = 9 }.
        pub schedule: Vec<Duration> =
            default(["0s", "5s", "5m", "30m", "2h", "5h", "10h", "10h"]) by schedule::schedule,
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
    /// The provider's body.
    Raw,
    /// What Nango forwards.
    Nango,
}

impl Read for DeliveryFormat {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[
            ("json", Self::Json),
            ("cloudevents", Self::CloudEvents),
            ("raw", Self::Raw),
            ("nango", Self::Nango),
        ])
    }
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
