//! `[[integration]]`

use std::{collections::BTreeMap, sync::Arc};

use super::{
    declare::section,
    heal::{self, Heal},
    retention::{self, OwnRetention},
};
use crate::{
    ConnectionId, IntegrationId, Provider, Secret, TenantId,
    provider::{Announce, OwnAnnounce, read::announce::of_integration},
    read::{Node, Read, near},
};

section! {
    /// A provider as you configured it. Its webhook URL ends in /webhooks/ and the id.
    #[derive(Debug, Clone)]
    pub struct Integration {
        /// Its id, part of its webhook URL.
        pub id: IntegrationId = required("github"),
        /// The provider, by its name in the catalogue.
        pub provider: Arc<Provider> = required("github") by provider,
        /// Signing secrets; a request that any active one verifies is genuine. Several while rotating, the old one for
        /// example as { env = "GITHUB_WEBHOOK_SECRET_OLD", until = 2026-12-01T00:00:00Z }.
        pub secrets: Vec<Secret> = optional([{ env = "GITHUB_WEBHOOK_SECRET" }]),
        /// Named values that the provider's file asks for, such as { verify_token = { env = "VERIFY_TOKEN" } }.
        pub values: BTreeMap<String, Secret> = default({}),
        /// Your word that requests can't be verified, for providers that don't sign.
        pub unverified: bool = default(false),
        /// The provider's keys may be fetched from loopback and private networks, and by plain http (metadata addresses
        /// never). Only for a provider that publishes its keys, when no secret pins them.
        pub private: bool = default(false),
        /// What happens to events of an account that no connection claims: "park" (kept until one does) or "forward" (to
        /// your own destinations, with no connection).
        pub unmatched: Unmatched = default("park"),
        /// Whether connections made at run time may have one account key together: "error" (a second one is refused) or "all"
        /// (if they are one tenant's; each gets an event of its own, but what was parked before goes to the first of them).
        pub shared_accounts: SharedAccounts = default("error"),
        /// How long what is its own is kept, where that is less than the section retention says: any of its settings but
        /// audit. It holds for what is stored from then on; events are kept for store.dedupe_window at least.
        pub retention: OwnRetention = optional({ events = "3d", dead_letters = "7d" }) by retention::own,
        /// What events may say of connections themselves (an app installed or removed, where the provider's file
        /// names such events; verified ones only): "ignored", "ended" (one that ends is disabled, so that its events wait),
        /// "pending" (that too; a new one is made, and its events wait until a key of yours confirms it, saying which
        /// tenant's it is) or "trusted" (a new one receives events at once). An account that somebody has is never taken.
        pub announced: Announced = default("ignored"),
        /// With announced = "trusted": whose all new ones are. When not set it is what the event says at announce.tenant;
        /// one of which it says nothing is pending.
        pub announced_tenant: Option<TenantId> = optional("acme-inc"),
        /// Pending connections, together with those trusted in the last 24 hours, at most; what announces further ones is
        /// dropped, counted and logged, and its events wait as those of any unknown account.
        pub announced_max: usize = default(1000) by announced_max,
        /// What announces connections, instead of what the provider's file says, key by key.
        pub announce: OwnAnnounce = optional({ tenant = "json:/organization/id" }) by of_integration,
        /// Where events go that carry no account at all.
        pub default_connection: Option<ConnectionId> = optional("acme"),
        /// How what the provider could not deliver is had from it later, by `gatepost heal` and with `every` by itself too:
        /// { app_id, private_key } for a GitHub App, { token, repository or organization, hook } for another webhook of
        /// GitHub's, { api_key, connected } for Stripe (connected = true: the accounts of connections too). With url for an
        /// Enterprise server, and private = true where that is at a private address.
        pub heal: Option<Heal> =
            optional({ app_id = "123456", private_key = { file = "app.pem" }, every = "1h" }) by heal::heal,
    }
}

/// `unmatched = ...`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmatched {
    /// Keep until a connection claims the account.
    Park,
    /// Route to the operator's own destinations, with `connection: null`.
    Forward,
}

impl Read for Unmatched {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[("park", Self::Park), ("forward", Self::Forward)])
    }
}

/// `shared_accounts = ...`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedAccounts {
    /// One connection has an account.
    Error,
    /// Several of one tenant may; each gets its own event.
    All,
}

impl Read for SharedAccounts {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[("error", Self::Error), ("all", Self::All)])
    }
}

/// `announced = ...`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// Nothing is made or ended.
    Ignored,
    /// What ends is disabled.
    Ended,
    /// That, and what is new waits for a confirmation.
    Pending,
    /// That, and what is new receives events.
    Trusted,
}

impl Read for Announced {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[
            ("ignored", Self::Ignored),
            ("ended", Self::Ended),
            ("pending", Self::Pending),
            ("trusted", Self::Trusted),
        ])
    }
}

impl Integration {
    /// What announces connections, as far as it is heeded.
    pub fn heeds(&self) -> Announce {
        let all = self.announce.over(&self.provider.announce);
        match self.announced {
            Announced::Ignored => Announce::default(),
            Announced::Ended => Announce { begins: Vec::new(), ..all },
            Announced::Pending | Announced::Trusted => all,
        }
    }
}

/// So many are counted by one router in its memory.
fn announced_max(node: &Node<'_>) -> Option<usize> {
    usize::try_from(node.number(1, 100_000)?).ok()
}

fn provider(node: &Node<'_>) -> Option<Arc<Provider>> {
    let sheet = node.spot.sheet;
    let catalogue = sheet.catalogue.get()?;
    let is_refused = |name: &str| sheet.refused.get().is_some_and(|refused| refused.iter().any(|r| r.as_str() == name));
    if let Some(name) = String::read(node).filter(|name| is_refused(name)) {
        node.error(format!("is {name:?}, whose own file is refused"), "put right what is said of the file");
        return None;
    }
    if !sheet.catalogue_is_complete.get() {
        // What is wrong with the file's own providers is noted already.
        return catalogue.0.get(String::read(node)?.as_str()).map(Arc::clone);
    }
    let known: Vec<&str> = catalogue.0.keys().map(crate::ProviderName::as_str).collect();
    node.parsed("the name of a provider of the catalogue", |text| {
        let found = catalogue.0.get(text).map(Arc::clone);
        found.ok_or_else(|| format!("is {text:?}, which is no provider of the catalogue; {}", near(text, &known)))
    })
}
