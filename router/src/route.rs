//! Which deliveries an event makes.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use gatepost_config::{DestinationId, Forward, RouteId, RouteSync, Timestamp};
use gatepost_event::{
    DeadLetter, DeadReason, DeliveryId, Ending, Event, EventRef, Lane, Task,
    dead::DeadNote,
    standing::{OWN_NAME, TEST_KIND, Test},
    store::{Routed, StoredEvent},
};

use crate::{
    pattern::any_matches,
    plan::{Backend, Plan, Rule},
};

/// The integration, provider and route of events about Gatepost itself.
pub(crate) const OPERATIONAL: &str = OWN_NAME;

/// What an event is owed.
#[derive(Debug, PartialEq)]
pub(crate) struct Decision {
    /// Where the event stands.
    at: EventRef,
    /// Deliveries, at most one per destination.
    tasks: Vec<Task>,
    /// Routes that could not be followed.
    dead: Vec<DeadLetter>,
    /// Why nothing is owed, when nothing is.
    ended: Option<Ending>,
}

/// Follows every route that matches. Filters must run where [`crate::filter::on_big_stack`] does.
pub(crate) fn route(plan: &Plan, stored: &StoredEvent, now: Timestamp) -> Decision {
    let at = stored.at;
    let event = match &stored.event {
        Ok(event) => event,
        Err(detail) => return unreadable(at, detail.clone(), now),
    };
    let mut decision = Decision { at, tasks: Vec::new(), dead: Vec::new(), ended: None };
    let is_own = event.meta.integration.as_str() == OPERATIONAL && event.meta.provider.as_str() == OPERATIONAL;
    if is_own && event.meta.kind == TEST_KIND {
        try_out(plan, event, now, &mut decision);
        return decision;
    }
    let mut filtered = false;
    for rule in plan.rules.iter().filter(|rule| is_about(rule, event)) {
        match rule.filter.as_ref().map_or(Ok(true), |filter| filter.passes(event, Instant::now())) {
            Ok(true) => follow(plan, rule, event, now, &mut decision),
            Ok(false) => filtered = true,
            Err(detail) => {
                let event = Some(event.clone());
                let note = note(&at, DeadReason::FilterError, detail, Some(rule), now);
                decision.dead.push(DeadLetter { note, event });
            }
        }
    }
    if is_own {
        notify(plan, event, now, &mut decision);
    }
    if decision.tasks.is_empty() && decision.dead.is_empty() {
        decision.ended = Some(if filtered { Ending::Filtered } else { Ending::Unrouted });
    }
    decision
}

/// What an event is owed at one destination, whatever the routes say: a delivery that was owed before.
pub(crate) fn direct(
    plan: &Plan,
    event: &Event,
    at: EventRef,
    destination: &DestinationId,
    route: Option<&RouteId>,
    now: Timestamp,
) -> Option<Task> {
    let route = route?;
    let of_route = |rule: &&Rule| rule.id == *route;
    let sync = plan.rules.iter().find(of_route).and_then(|rule| rule.sync.as_ref());
    if let Some(sync) = sync.filter(|sync| sync.engine.as_str() == destination.as_str()) {
        return event.meta.connection.as_ref().and_then(|_| sync_task(at, sync, route.clone(), event, now));
    }
    let backend = plan.backend_named(destination).filter(|backend| may_receive(backend, event))?;
    let ordered = plan.rules.iter().any(|rule| rule.id == *route && rule.ordered);
    Some(Task { ordered, ..task(at, &backend.destination.id, route.clone(), event, now) })
}

/// What a stored event may have been owed, whatever the routes say now: of each destination that may have it, its
/// delivery and the lane that it waits in when it is ordered. Also of its connection's own, configured or not.
pub(crate) fn possible(plan: &Plan, event: &Event, at: EventRef) -> Vec<(DeliveryId, Lane)> {
    let backends = plan.backends.iter().filter(|backend| may_receive(backend, event));
    let all: BTreeSet<_> = backends.map(|backend| &backend.destination.id).chain(&event.meta.destination).collect();
    all.into_iter().map(|id| (delivery_to(&at, id), Lane::ordered(id, &event.meta))).collect()
}

/// What a stored event may have died of that never waits for a time of its own: in routing, one for each route with a
/// filter, and syncs that failed too often.
pub(crate) fn possible_failures(plan: &Plan, event: &Event, at: EventRef) -> Vec<DeliveryId> {
    let rules = plan.rules.iter().filter(|rule| rule.filter.is_some() && is_about(rule, event));
    let syncs = plan.rules.iter().filter(|rule| is_about(rule, event)).filter_map(|rule| rule.sync.as_ref());
    rules.map(|rule| delivery_by(&at, Some(rule))).chain(syncs.map(|sync| delivery_for(&at, sync))).collect()
}

/// Whether of all routes only this one sends an event to a destination, whatever their filters say.
pub(crate) fn is_only_way(plan: &Plan, event: &Event, route: &RouteId, destination: &DestinationId) -> bool {
    let goes = |rule: &&Rule| {
        let is_engine = rule.sync.as_ref().is_some_and(|sync| sync.engine.as_str() == destination.as_str());
        is_engine || targets(plan, rule, event).contains(&destination)
    };
    plan.rules.iter().filter(|rule| is_about(rule, event)).filter(goes).map(|rule| &rule.id).eq([route])
}

impl Decision {
    /// How many routes could not be followed.
    pub(crate) fn failed(&self) -> usize {
        self.dead.len()
    }

    /// The deliveries.
    pub(crate) fn into_tasks(self) -> Vec<Task> {
        self.tasks
    }

    /// Its connection or tenant is erased.
    pub(crate) const fn erased(at: EventRef) -> Self {
        Self { at, tasks: Vec::new(), dead: Vec::new(), ended: Some(Ending::Erased) }
    }

    /// Adds it to what is stored for its partition.
    pub(crate) fn add_to(self, routed: &mut Routed) {
        routed.through = routed.through.max(self.at.sequence);
        routed.ended.extend(self.ended.map(|ending| (self.at, ending)));
        routed.dead.extend(self.dead.into_iter().map(|letter| (self.at, letter)));
        routed.tasks.extend(self.tasks);
    }
}

fn is_about(rule: &Rule, event: &Event) -> bool {
    rule.integration.as_ref().is_none_or(|integration| *integration == event.meta.integration)
        && any_matches(&rule.events, &event.meta.kind)
}

fn follow(plan: &Plan, rule: &Rule, event: &Event, now: Timestamp, decision: &mut Decision) {
    if let Some(sync) = &rule.sync {
        owe_sync(sync, rule, event, now, decision);
    }
    for destination in targets(plan, rule, event) {
        owe(destination, rule, event, now, decision);
    }
}

/// Where a route sends an event.
fn targets<'a>(plan: &'a Plan, rule: &Rule, event: &'a Event) -> Vec<&'a DestinationId> {
    // It makes a sync stale, and sends nothing anywhere.
    let Some(forward) = &rule.forward else { return Vec::new() };
    if let Some(own) = &event.meta.destination {
        // Its connection's own, in place of the route's. Not configured: the delivery waits for it as one does whose
        // destination was removed, and whose it is by then is asked when it is made (`crate::delivery`).
        return vec![own];
    }
    let may_have = |backend: &&Arc<Backend>| may_receive(backend, event);
    let id = |backend: &'a Arc<Backend>| &backend.destination.id;
    match forward {
        Forward::To(ids) => ids.iter().filter_map(|id| plan.backend_named(id)).filter(may_have).map(id).collect(),
        Forward::Tenant => {
            let wants = |backend: &&Arc<Backend>| {
                backend.destination.tenant.is_some() && any_matches(&backend.events, &event.meta.kind)
            };
            plan.backends.iter().filter(may_have).filter(wants).map(id).collect()
        }
    }
}

/// A test goes to the destination that it names, and nowhere else.
fn try_out(plan: &Plan, event: &Event, now: Timestamp, decision: &mut Decision) {
    let named = serde_json::from_slice::<Test>(&event.body).ok();
    let backend = named.and_then(|test| plan.backend_named(&test.destination));
    let backend = backend.filter(|backend| backend.destination.tenant == event.meta.tenant);
    match (backend, OPERATIONAL.parse::<RouteId>()) {
        (Some(backend), Ok(route)) => {
            decision.tasks.push(task(decision.at, &backend.destination.id, route, event, now));
        }
        _ => decision.ended = Some(Ending::Unrouted),
    }
}

/// Events about Gatepost itself go to every destination of the operator's own, whatever the routes say.
fn notify(plan: &Plan, event: &Event, now: Timestamp, decision: &mut Decision) {
    let Ok(route) = OPERATIONAL.parse::<RouteId>() else { return };
    for backend in plan.backends.iter().filter(|backend| backend.destination.tenant.is_none()) {
        let destination = &backend.destination.id;
        if decision.tasks.iter().all(|task| task.destination != *destination) {
            decision.tasks.push(task(decision.at, destination, route.clone(), event, now));
        }
    }
}

/// An event never reaches a destination of another tenant: a tenant's destination gets events of that tenant's
/// connections and nothing else. The operator's own destinations are the only exception.
fn may_receive(backend: &Backend, event: &Event) -> bool {
    match &backend.destination.tenant {
        None => true,
        Some(tenant) => event.meta.connection.is_some() && event.meta.tenant.as_ref() == Some(tenant),
    }
}

fn owe(destination: &DestinationId, rule: &Rule, event: &Event, now: Timestamp, decision: &mut Decision) {
    if let Some(task) = decision.tasks.iter_mut().find(|task| task.destination == *destination && task.sync.is_none()) {
        task.ordered |= rule.ordered;
        return;
    }
    let task = task(decision.at, destination, rule.id.clone(), event, now);
    decision.tasks.push(Task { ordered: rule.ordered, ..task });
}

/// A run of the sync of the event's connection. An event of no connection makes none stale, and nothing may ever make all
/// of them so.
fn owe_sync(sync: &RouteSync, rule: &Rule, event: &Event, now: Timestamp, decision: &mut Decision) {
    let is_owed =
        |task: &Task| task.destination.as_str() == sync.engine.as_str() && task.sync.as_ref() == Some(&sync.name);
    if event.meta.connection.is_some()
        && !decision.tasks.iter().any(is_owed)
        && let Some(task) = sync_task(decision.at, sync, rule.id.clone(), event, now)
    {
        decision.tasks.push(task);
    }
}

fn sync_task(at: EventRef, sync: &RouteSync, route: RouteId, event: &Event, now: Timestamp) -> Option<Task> {
    // An engine's id is one that a destination could have, and none has.
    let engine = sync.engine.as_str().parse().ok()?;
    let delivery = delivery_for(&at, sync);
    Some(Task { delivery, sync: Some(sync.name.clone()), ..task(at, &engine, route, event, now) })
}

fn task(at: EventRef, destination: &DestinationId, route: RouteId, event: &Event, now: Timestamp) -> Task {
    Task {
        delivery: delivery_to(&at, destination),
        event: at,
        destination: destination.clone(),
        route,
        integration: event.meta.integration.clone(),
        connection: event.meta.connection.clone(),
        tenant: event.meta.tenant.clone(),
        attempt: 1,
        created_at: now,
        ordered: false,
        not_before: None,
        bytes: event.body.len() as u64,
        replay: None,
        sync: None,
    }
}

fn delivery_to(at: &EventRef, destination: &DestinationId) -> DeliveryId {
    // A space, so that no destination is taken for a route.
    DeliveryId::of(at, &format!("to {destination}"))
}

/// Of a sync that is owed.
fn delivery_for(at: &EventRef, sync: &RouteSync) -> DeliveryId {
    DeliveryId::of(at, &format!("sync {} by {}", sync.name, sync.engine))
}

/// Of what died in routing.
fn delivery_by(at: &EventRef, rule: Option<&Rule>) -> DeliveryId {
    DeliveryId::of(at, &rule.map_or(String::new(), |rule| format!("by {}", rule.id)))
}

fn unreadable(at: EventRef, detail: String, now: Timestamp) -> Decision {
    let letter = DeadLetter { note: note(&at, DeadReason::Unreadable, detail, None, now), event: None };
    Decision { at, tasks: Vec::new(), dead: vec![letter], ended: None }
}

fn note(at: &EventRef, reason: DeadReason, detail: String, rule: Option<&Rule>, now: Timestamp) -> DeadNote {
    DeadNote {
        delivery: delivery_by(at, rule),
        destination: None,
        sync: None,
        route: rule.map(|rule| rule.id.clone()),
        attempts: 0,
        reason,
        detail: Some(detail),
        last: None,
        died_at: now,
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
