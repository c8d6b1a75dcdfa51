//! Which syncs a connection has: those that routes of its integration name.

use std::{collections::BTreeMap, time::Duration};

use gatepost_config::{Config, ConnectionId, IntegrationId, SyncEngineId, SyncName, Timestamp};
use gatepost_event::{
    connection::{Linked, Phase},
    subject,
    sync::{SyncKey, backstop},
};

/// A sync that each connection of an integration has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Routed {
    pub(super) engine: SyncEngineId,
    pub(super) name: SyncName,
    /// The longest time without a run; of several routes the shortest.
    pub(super) backstop: Option<Duration>,
}

/// The syncs of an integration's connections, in the order of their names.
pub(super) fn routed(config: &Config, integration: &IntegrationId) -> Vec<Routed> {
    let is_about = |about: &Option<IntegrationId>| about.as_ref().is_none_or(|about| about == integration);
    let mut syncs: BTreeMap<(&SyncEngineId, &SyncName), Option<Duration>> = BTreeMap::new();
    for route in config.routes.iter().filter(|route| is_about(&route.integration)) {
        let Some(sync) = &route.sync else { continue };
        let shortest = syncs.entry((&sync.engine, &sync.name)).or_default();
        *shortest = shortest.iter().copied().chain(sync.backstop).min();
    }
    let named = |((engine, name), backstop): ((&SyncEngineId, &SyncName), _)| Routed {
        engine: engine.clone(),
        name: name.clone(),
        backstop,
    };
    syncs.into_iter().map(named).collect()
}

/// When the backstop of a sync that never ran asks for a run.
pub(super) fn first_run(key: &SyncKey, every: Duration, now: Timestamp) -> Timestamp {
    let token = subject::sync_token(&key.integration, Some(&key.connection), &key.sync);
    let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX / 4);
    Timestamp::from_millis(backstop::first(&token, every, now.millis()))
}

/// Whether the file declares a connection.
pub(super) fn is_declared(config: &Config, integration: &IntegrationId, connection: &ConnectionId) -> bool {
    config.connections.iter().any(|declared| declared.integration == *integration && declared.id == *connection)
}

/// Whether syncs of a connection that was made at run time are run.
pub(super) fn is_live(linked: &Linked) -> bool {
    linked.phase == Phase::Active && !linked.disabled
}
