//! `[retention]`, and what integrations say of it for what is their own.

use std::{collections::BTreeMap, time::Duration};

use super::{Config, declare::section, value};
use crate::{IntegrationId, read::Node};

section! {
    /// How long what is finished is kept. An integration may say less for what is its own.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Retention {
        /// Events, from when they were received, and attempts.
        pub events: Duration = default("14d") by value::span,
        /// Dead letters, from when they died.
        pub dead_letters: Duration = default("30d") by value::span,
        /// Parked events, from when they were received.
        pub unmatched: Duration = default("7d") by value::span,
        /// Refused requests.
        pub quarantine: Duration = default("3d") by value::span,
        /// What was changed through the API, by whom.
        pub audit: Duration = default("90d") by value::span,
    }
}

/// `retention = { .. }` of an integration: what it says for what is its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnRetention {
    /// Its events and their attempts.
    pub events: Option<Duration>,
    /// Its dead letters.
    pub dead_letters: Option<Duration>,
    /// Its parked events.
    pub unmatched: Option<Duration>,
    /// Its refused requests.
    pub quarantine: Option<Duration>,
}

/// How long what is finished is kept, by integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retentions {
    /// `[retention]`: nothing is kept for longer.
    pub all: Retention,
    /// That of integrations that say something themselves.
    pub own: BTreeMap<IntegrationId, Retention>,
}

impl OwnRetention {
    /// What holds for the integration: no more than what holds for all.
    pub fn within(&self, all: &Retention) -> Retention {
        let least = |own: Option<Duration>, all: Duration| own.map_or(all, |own| own.min(all));
        Retention {
            events: least(self.events, all.events),
            dead_letters: least(self.dead_letters, all.dead_letters),
            unmatched: least(self.unmatched, all.unmatched),
            quarantine: least(self.quarantine, all.quarantine),
            audit: all.audit,
        }
    }

    /// What it says, each with its name, beside the same of `all`.
    pub(crate) fn beside(&self, all: &Retention) -> [(&'static str, Option<Duration>, Duration); 4] {
        [
            ("events", self.events, all.events),
            ("dead_letters", self.dead_letters, all.dead_letters),
            ("unmatched", self.unmatched, all.unmatched),
            ("quarantine", self.quarantine, all.quarantine),
        ]
    }
}

impl Retentions {
    /// What holds for an integration.
    pub fn of(&self, integration: &IntegrationId) -> &Retention {
        self.own.get(integration).unwrap_or(&self.all)
    }

    /// How long an integration keeps something, where that is less than for all.
    pub fn less(&self, integration: &IntegrationId, what: impl Fn(&Retention) -> Duration) -> Option<Duration> {
        self.own.get(integration).map(&what).filter(|own| *own < what(&self.all))
    }

    /// The shortest time of any integration.
    pub fn shortest(&self, what: impl Fn(&Retention) -> Duration) -> Duration {
        self.own.values().map(&what).fold(what(&self.all), Duration::min)
    }
}

impl From<&Retention> for Retentions {
    fn from(all: &Retention) -> Self {
        Self { all: all.clone(), own: BTreeMap::new() }
    }
}

impl From<&Config> for Retentions {
    fn from(config: &Config) -> Self {
        let all = config.retention.clone();
        let speaking =
            config.integrations.iter().filter(|integration| integration.retention != OwnRetention::default());
        let own = speaking.map(|integration| (integration.id.clone(), integration.retention.within(&all))).collect();
        Self { all, own }
    }
}

/// `{ events = "3d", .. }`
pub(super) fn own(node: &Node<'_>) -> Option<OwnRetention> {
    let table = node.table()?;
    let span = |name| table.optional(name, value::maybe_span);
    let (events, dead_letters) = (span("events"), span("dead_letters"));
    let (unmatched, quarantine) = (span("unmatched"), span("quarantine"));
    table.finish();
    Some(OwnRetention { events: events?, dead_letters: dead_letters?, unmatched: unmatched?, quarantine: quarantine? })
}
