//! A sync engine, and the syncs that routes let it run.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use gatepost_config::{
    Auth, Config, DeliveryFormat, Destination, IntegrationId, Rate, RouteSync, SyncEngine, SyncKind, SyncName,
};
use gatepost_event::{id::Token, subject};
use url::Url;

use super::live::Live;
use crate::{filter::Body, plan::Backend};

/// Nango's own API.
const NANGO_URL: &str = "https://api.nango.dev";

/// Calls that Nango takes in a minute.
const NANGO_RATE: Rate = Rate { count: 200, per: Duration::from_secs(60) };

/// An engine as runs use it.
#[derive(Debug)]
pub(crate) struct Engine {
    /// As configured.
    pub(crate) config: SyncEngine,
    /// Stands for it in lanes.
    pub(crate) token: Token,
    /// The way to it, with its caps, breaker and schedule.
    pub(crate) backend: Arc<Backend>,
    /// What it is sent, when not the usual.
    pub(crate) body: Option<Arc<Body>>,
    /// Its syncs by name.
    pub(crate) syncs: BTreeMap<SyncName, Rule>,
}

/// When a sync is run: of several routes the shortest times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Events that come within this of each other are one run.
    pub(crate) coalesce: Duration,
    /// Longest wait of an event for others.
    pub(crate) max_wait: Duration,
    /// A run when there was none for that long, for connections of this integration or of any.
    backstops: Vec<(Option<IntegrationId>, Duration)>,
}

impl Engine {
    /// Of a configuration.
    ///
    /// # Errors
    /// Which setting can't be used, in words for the operator.
    pub(crate) fn of(config: &SyncEngine, whole: &Config) -> Result<Self, String> {
        let url = config.url.clone().map_or_else(|| NANGO_URL.parse::<Url>(), Ok);
        let url = url.map_err(|error| format!("url {error}"))?;
        let body = config.body.as_deref().map(Body::compile).transpose().map_err(|error| format!("body {error}"))?;
        let destination = Destination {
            id: config.id.as_str().parse().map_err(|error| format!("id {error}"))?,
            tenant: None,
            url,
            private: config.private,
            secrets: config.secrets.clone(),
            format: DeliveryFormat::Json,
            nango_legacy_signature: false,
            headers: Vec::new(),
            auth: config.api_key.clone().map(Auth::Bearer),
            client_certificate: None,
            events: Vec::new(),
            timeout: config.timeout,
            concurrency: config.concurrency,
            rate: config.rate.or((config.kind == SyncKind::Nango).then_some(NANGO_RATE)),
            burst: None,
            breaker_failures: config.breaker_failures,
            breaker_wait: config.breaker_wait,
            paused: config.paused,
            schedule: config.schedule.clone(),
            final_statuses: Vec::new(),
        };
        let proxy = whole.router.egress_proxy.clone().map(Arc::new);
        let backend = Arc::new(Backend::new(&destination, whole.router.disable_after, proxy));
        let mut syncs: BTreeMap<SyncName, Rule> = BTreeMap::new();
        for route in &whole.routes {
            if let Some(sync) = route.sync.as_ref().filter(|sync| sync.engine == config.id) {
                syncs.entry(sync.name.clone()).or_insert_with(|| Rule::of(sync)).add(sync, route.integration.as_ref());
            }
        }
        let token = subject::engine_token(config.id.as_str());
        Ok(Self { config: config.clone(), token, backend, body: body.map(Arc::new), syncs })
    }

    /// The connections that have a backstop, each with its sync and the longest time without a run.
    pub(crate) fn backstops<'a>(
        &'a self,
        connections: &'a [Live],
    ) -> impl Iterator<Item = (&'a Live, &'a SyncName, Duration)> {
        self.syncs.iter().flat_map(move |(name, rule)| {
            let of = move |connection: &'a Live| {
                let is_about =
                    |about: &Option<IntegrationId>| about.as_ref().is_none_or(|id| *id == connection.integration);
                let shortest = rule.backstops.iter().filter(|(about, _)| is_about(about)).map(|(_, span)| *span).min();
                shortest.map(|span| (connection, name, span))
            };
            connections.iter().filter_map(of)
        })
    }
}

impl Rule {
    /// Whether any connection may have a backstop.
    pub(crate) const fn has_backstop(&self) -> bool {
        !self.backstops.is_empty()
    }

    fn of(sync: &RouteSync) -> Self {
        Self { coalesce: sync.coalesce, max_wait: sync.max_wait, backstops: Vec::new() }
    }

    fn add(&mut self, sync: &RouteSync, integration: Option<&IntegrationId>) {
        self.coalesce = self.coalesce.min(sync.coalesce);
        self.max_wait = self.max_wait.min(sync.max_wait);
        self.backstops.extend(sync.backstop.map(|span| (integration.cloned(), span)));
    }
}
