//! Ids: each once, and every reference to one that exists.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

use crate::{
    ConnectionId, DestinationId, Forward, IntegrationId, RouteId, SyncEngineId,
    load::document::{Entries, Entry},
    read::{Read, Spot, near},
};

/// What the types of Gatepost's own events begin with.
const OWN_TYPES: &str = "gatepost";

/// What is named, each with the setting that named it first.
struct Taken<K> {
    first: BTreeMap<K, String>,
    /// Whether every name could be read. If not, a reference to what is not here may still be right.
    complete: bool,
}

/// Notes duplicate ids and claims, references to nothing, and routes that would cross tenants.
pub(super) fn check(entries: &Entries<'_>) {
    let integrations: Taken<IntegrationId> = unique(&entries.integrations, "id");
    let destinations: Taken<DestinationId> = unique(&entries.destinations, "id");
    let engines: Taken<SyncEngineId> = unique(&entries.sync_engines, "id");
    for entry in &entries.sync_engines {
        // Dead letters and the API name both in the same place.
        if let Some(id) = read::<DestinationId, _>(entry, "id")
            && let Some(first) = destinations.first.get(&id)
        {
            entry.table.at("id").error(format!("is {:?}, which {first} has already", id.as_str()), "choose another");
        }
    }
    let _: Taken<RouteId> = unique(&entries.routes, "id");
    let connections = connections(entries, &integrations);
    for entry in &entries.connections {
        own_destination(entry, entries, &destinations);
    }
    for entry in &entries.integrations {
        let Some(integration) = &entry.value else { continue };
        let Some(id) = &integration.default_connection else { continue };
        if connections.lacks(&(integration.id.clone(), id.clone())) {
            let known =
                connections.first.keys().filter(|(under, _)| *under == integration.id).map(|(_, id)| id.as_str());
            dangling(&entry.table.at("default_connection"), "connection of this integration", id, known);
        }
    }
    for entry in &entries.routes {
        if let Some(id) = read::<IntegrationId, _>(entry, "integration")
            && integrations.lacks(&id)
        {
            dangling(
                &entry.table.at("integration"),
                "integration",
                &id,
                integrations.first.keys().map(IntegrationId::as_str),
            );
        }
        route(entry, entries, &destinations);
        patterns(entry, entries, integrations.complete);
        sync(entry, &engines);
    }
}

/// Reads a setting again, of entries too that are wrong elsewhere.
fn read<K: Read, T>(entry: &Entry<'_, T>, name: &'static str) -> Option<K> {
    entry.table.get(name).and_then(|node| K::read(&node))
}

/// Ids with the setting that has it first; notes those that have it again.
fn unique<K: Read + Ord + Display, T>(entries: &[Entry<'_, T>], name: &'static str) -> Taken<K> {
    let mut taken = Taken::new();
    for entry in entries {
        match read::<K, T>(entry, name) {
            Some(id) => taken.claim(id, &entry.table.at(name), |id| id.to_string()),
            None => taken.complete = false,
        }
    }
    taken
}

impl<K: Ord> Taken<K> {
    fn new() -> Self {
        Self { first: BTreeMap::new(), complete: true }
    }

    fn claim(&mut self, key: K, spot: &Spot<'_>, shown: impl Fn(&K) -> String) {
        match self.first.get(&key) {
            Some(first) => spot.error(format!("is {:?}, which {first} has already", shown(&key)), "choose another"),
            None => {
                self.first.insert(key, spot.key.clone());
            }
        }
    }

    /// Whether a reference to this leads nowhere.
    fn lacks(&self, key: &K) -> bool {
        self.complete && !self.first.contains_key(key)
    }
}

fn connections(entries: &Entries<'_>, integrations: &Taken<IntegrationId>) -> Taken<(IntegrationId, ConnectionId)> {
    let mut ids = Taken::new();
    let mut accounts = Taken::new();
    for entry in &entries.connections {
        let Some(under) = read::<IntegrationId, _>(entry, "integration") else {
            ids.complete = false;
            continue;
        };
        if integrations.lacks(&under) {
            let known = integrations.first.keys().map(IntegrationId::as_str);
            dangling(&entry.table.at("integration"), "integration", &under, known);
        }
        match read::<ConnectionId, _>(entry, "id") {
            Some(id) => ids.claim((under.clone(), id), &entry.table.at("id"), |(_, id)| id.to_string()),
            None => ids.complete = false,
        }
        if let Some(account) = read::<String, _>(entry, "account") {
            accounts.claim((under, account), &entry.table.at("account"), |(_, account)| account.clone());
        }
    }
    ids
}

/// A connection sends its events to a destination that it may have.
fn own_destination(entry: &Entry<'_, crate::Connection>, entries: &Entries<'_>, destinations: &Taken<DestinationId>) {
    let Some(id) = read::<DestinationId, _>(entry, "destination") else { return };
    let spot = entry.table.at("destination");
    if destinations.lacks(&id) {
        return dangling(&spot, "destination", &id, destinations.first.keys().map(DestinationId::as_str));
    }
    let named = entries.destinations.iter().filter_map(|entry| entry.value.as_ref()).find(|named| named.id == id);
    let theirs = named.and_then(|destination| destination.tenant.as_ref());
    if let (Some(theirs), Some(connection)) = (theirs, &entry.value)
        && *theirs != connection.tenant
    {
        let ours = &connection.tenant;
        let message = format!("is {:?}, which belongs to the tenant {theirs:?} and not to {ours:?}", id.as_str());
        spot.error(message, "name one of the connection's tenant, or one of your own");
    }
}

fn route(entry: &Entry<'_, crate::Route>, entries: &Entries<'_>, destinations: &Taken<DestinationId>) {
    let Some(Forward::To(to)) = read(entry, "forward") else { return };
    for (n, id) in to.iter().enumerate() {
        let spot = entry.table.at_item("forward", n);
        if to.iter().take(n).any(|earlier| earlier == id) {
            spot.error(format!("is {id:?} again"), "name each destination once");
        }
        if destinations.lacks(id) {
            dangling(&spot, "destination", id, destinations.first.keys().map(DestinationId::as_str));
        }
        let named = entries.destinations.iter().filter_map(|entry| entry.value.as_ref()).find(|d| d.id == *id);
        if let Some(tenant) = named.and_then(|destination| destination.tenant.as_ref()) {
            let message =
                format!("is {id:?}, which belongs to the tenant {tenant:?} and would get every tenant's events");
            let remedy = "write forward = \"tenant\", or remove the destination's tenant to make it your own";
            spot.error(message, remedy);
        }
    }
}

/// Types begin with the name of their provider, so a pattern that begins with another matches nothing.
fn patterns(entry: &Entry<'_, crate::Route>, entries: &Entries<'_>, complete: bool) {
    let Some(route) = entry.value.as_ref() else { return };
    let of_route =
        |integration: &&crate::Integration| route.integration.as_ref().is_none_or(|id| *id == integration.id);
    let integrations: Option<Vec<_>> = entries.integrations.iter().map(|entry| entry.value.as_ref()).collect();
    let Some(integrations) = integrations.filter(|_| complete) else { return };
    let providers: BTreeSet<&str> =
        integrations.into_iter().filter(of_route).map(|integration| integration.provider.name.as_str()).collect();
    for (n, pattern) in route.events.iter().enumerate() {
        let first = pattern.split('.').next().unwrap_or_default();
        if providers.is_empty() || first == "*" || first == OWN_TYPES || providers.contains(first) {
            continue;
        }
        let of = route.integration.as_ref().map_or("any integration".to_owned(), |id| format!("the integration {id}"));
        let message = format!("is {pattern:?}, which no event of {of} matches: types begin with the provider's name");
        let known: Vec<&str> = providers.iter().copied().collect();
        entry.table.at_item("events", n).warning(message, format!("begin it with {}", known.join(", or ")));
    }
}

fn sync(entry: &Entry<'_, crate::Route>, engines: &Taken<SyncEngineId>) {
    let table = &entry.table;
    if table.get("forward").is_none() && table.get("sync").is_none() {
        let remedy = "add for example forward = [\"backend\"], or sync = { engine = \"nango\", name = \"contacts\" }";
        table.at("forward").error("is missing, and so is sync", remedy);
    }
    if let Some(sync) = entry.value.as_ref().and_then(|route| route.sync.as_ref())
        && engines.lacks(&sync.engine)
    {
        let known = engines.first.keys().map(SyncEngineId::as_str);
        let spot = table.get("sync").and_then(|node| node.table()).map(|sync| sync.at("engine"));
        dangling(&spot.unwrap_or_else(|| table.at("sync")), "sync engine", &sync.engine, known);
    }
}

fn dangling<'k>(spot: &Spot<'_>, what: &str, id: &impl Display, known: impl Iterator<Item = &'k str>) {
    let known: Vec<&str> = known.collect();
    let remedy = match known.as_slice() {
        [] => format!("declare the {what} first"),
        known => near(&id.to_string(), known),
    };
    spot.error(format!("is {:?}, which is no {what}", id.to_string()), remedy);
}
