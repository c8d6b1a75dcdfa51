//! The configuration as routing and delivery use it: patterns and filters compiled, destinations found by their token.

use std::{collections::HashMap, sync::Arc, time::Duration};

use gatepost_config::{
    Config, ConnectionId, Destination, DestinationId, EgressProxy, Forward, IntegrationId, Retentions, RouteId,
    RouteSync,
};
use gatepost_event::{Meta, id::Token, subject};

use crate::{
    filter::Filter,
    own::Owned,
    pattern::Pattern,
    sync::engine::{self, Engine},
};

/// A compiled configuration.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What it was compiled from.
    pub(crate) config: Arc<Config>,
    /// How long events are kept.
    pub(crate) retention: Retentions,
    /// Routes, in file order.
    pub(crate) rules: Vec<Rule>,
    /// Destinations, in file order.
    pub(crate) backends: Vec<Arc<Backend>>,
    by_token: HashMap<Token, Arc<Backend>>,
    declared: HashMap<IntegrationId, HashMap<ConnectionId, Owned>>,
    /// Sync engines.
    pub(crate) engines: HashMap<Token, Arc<Engine>>,
}

/// A compiled route.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Its id.
    pub(crate) id: RouteId,
    /// Only events of this integration.
    pub(crate) integration: Option<IntegrationId>,
    /// Only events of these types.
    pub(crate) events: Vec<Pattern>,
    /// Only events that pass.
    pub(crate) filter: Option<Filter>,
    /// Where to.
    pub(crate) forward: Option<Forward>,
    /// Which sync of their connection they make stale.
    pub(crate) sync: Option<RouteSync>,
    /// One after the other, by connection.
    pub(crate) ordered: bool,
}

/// A destination with its subscriptions compiled.
#[derive(Debug, Clone)]
pub(crate) struct Backend {
    /// As configured.
    pub(crate) destination: Destination,
    /// Types it subscribes to.
    pub(crate) events: Vec<Pattern>,
    /// Stands for it in lanes.
    pub(crate) token: Token,
    /// How long it may fail before it is disabled, if it is a tenant's.
    pub(crate) disable_after: Duration,
    /// The way to it, where there is only that one.
    pub(crate) proxy: Option<Arc<EgressProxy>>,
}

impl Plan {
    /// Compiles a configuration and the destinations that were made through the API; the file's win over those of the
    /// same id.
    ///
    /// # Errors
    /// One text for each route whose filter is not an expression, and each sync engine that can't be used.
    pub(crate) fn compile(config: Arc<Config>, made: &[Destination]) -> Result<Self, Vec<String>> {
        let mut errors = Vec::new();
        let mut rules = Vec::new();
        for route in &config.routes {
            let filter = route.filter.as_deref().map(Filter::compile).transpose();
            match filter {
                Ok(filter) => rules.push(Rule {
                    id: route.id.clone(),
                    integration: route.integration.clone(),
                    events: route.events.iter().map(|text| Pattern::new(text)).collect(),
                    filter,
                    forward: route.forward.clone(),
                    sync: route.sync.clone(),
                    ordered: route.ordered,
                }),
                Err(error) => errors.push(format!("route {:?}: filter {error}", route.id.as_str())),
            }
        }
        let mut engines = HashMap::new();
        for engine in &config.sync_engines {
            match Engine::of(engine, &config) {
                Ok(engine) => drop(engines.insert(engine.token, Arc::new(engine))),
                Err(error) => errors.push(format!("sync engine {:?}: {error}", engine.id.as_str())),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let proxy = config.router.egress_proxy.clone().map(Arc::new);
        let disable_after = config.router.disable_after;
        let backend = |destination| Arc::new(Backend::new(destination, disable_after, proxy.clone()));
        let declares = |id: &DestinationId| config.destinations.iter().any(|declared| declared.id == *id);
        let made = made.iter().filter(|made| !declares(&made.id));
        let backends: Vec<_> = config.destinations.iter().chain(made).map(backend).collect();
        let by_token = backends.iter().map(|backend| (backend.token, backend.clone())).collect();
        let mut declared: HashMap<_, HashMap<_, _>> = HashMap::new();
        for connection in &config.connections {
            let owned = (connection.tenant.clone(), connection.destination.clone());
            declared.entry(connection.integration.clone()).or_default().insert(connection.id.clone(), owned);
        }
        let retention = Retentions::from(&*config);
        Ok(Self { config, retention, rules, backends, by_token, declared, engines })
    }

    /// What the file says of an event's connection, when it declares it.
    pub(crate) fn declared(&self, meta: &Meta) -> Option<&Owned> {
        self.declared.get(&meta.integration)?.get(meta.connection.as_ref()?)
    }

    /// The destination that a lane's token stands for, when it is configured.
    pub(crate) fn backend(&self, token: &Token) -> Option<&Arc<Backend>> {
        self.by_token.get(token)
    }

    /// A destination by its id.
    pub(crate) fn backend_named(&self, id: &DestinationId) -> Option<&Arc<Backend>> {
        self.by_token.get(&subject::destination_token(id))
    }

    /// Whether any sync is to run without events.
    pub(crate) fn has_backstops(&self) -> bool {
        self.engines.values().any(|engine| engine.syncs.values().any(engine::Rule::has_backstop))
    }

    /// Whether any route has a filter, so that routing must leave the runtime's threads.
    pub(crate) fn has_filters(&self) -> bool {
        self.rules.iter().any(|rule| rule.filter.is_some())
    }
}

impl Backend {
    /// A destination, with how long it may fail and the way to it.
    pub(crate) fn new(destination: &Destination, disable_after: Duration, proxy: Option<Arc<EgressProxy>>) -> Self {
        Self {
            events: destination.events.iter().map(|text| Pattern::new(text)).collect(),
            token: subject::destination_token(&destination.id),
            disable_after,
            proxy,
            destination: destination.clone(),
        }
    }
}
