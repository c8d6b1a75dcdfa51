use std::{sync::Arc, time::Duration};

use super::{
    fixture::{config, destination, event, route as rule, to},
    *,
};

fn decide(config: gatepost_config::Config, event: Event) -> Decision {
    let plan = Plan::compile(Arc::new(config), &[]).expect("good filters");
    let at = EventRef { id: event.meta.id, partition: 3, sequence: 7, received_at: event.meta.received_at };
    route(&plan, &StoredEvent { at, event: Ok(event) }, Timestamp::from_millis(1))
}

fn destinations(decision: &Decision) -> Vec<&str> {
    decision.tasks.iter().map(|task| task.destination.as_str()).collect()
}

#[test]
fn every_matching_route_fires_and_a_destination_is_owed_an_event_once() {
    let mut other_type = rule("pings", to(&["c"]));
    other_type.events = vec!["github.ping".to_owned()];
    let mut other_integration = rule("stripe", to(&["c"]));
    other_integration.integration = Some("stripe".parse().expect("an id"));
    let routes = vec![other_type, other_integration, rule("one", to(&["a", "b"])), rule("two", to(&["b", "a", "d"]))];
    let all = ["a", "b", "c", "d"].map(|id| destination(id, None)).to_vec();
    let decision = decide(config(all, routes), event("github.push", "{}"));
    assert_eq!(destinations(&decision), ["a", "b", "d"]);
    assert_eq!(decision.tasks.iter().map(|task| task.route.as_str()).collect::<Vec<_>>(), ["one", "one", "two"]);
    assert_eq!((decision.ended, decision.dead.len()), (None, 0));
    let task = &decision.tasks[0];
    assert_eq!((task.attempt, task.event.sequence, task.created_at.millis(), task.ordered), (1, 7, 1, false));
}

#[test]
fn no_tenant_gets_what_is_not_its_own_whatever_the_routes_say() {
    let all =
        vec![destination("own", None), destination("acme", Some("acme-inc")), destination("rival", Some("rival"))];
    let mut picky = destination("picky", Some("acme-inc"));
    picky.events = vec!["github.ping".to_owned()];
    let all: Vec<_> = all.into_iter().chain([picky]).collect();
    let everywhere = vec![rule("named", to(&["own", "acme", "rival"])), rule("tenant", Forward::Tenant)];

    let ours = event("github.push", "{}");
    assert_eq!(destinations(&decide(config(all.clone(), everywhere.clone()), ours.clone())), ["own", "acme"]);
    let ping = event("github.ping", "{}");
    assert_eq!(destinations(&decide(config(all.clone(), everywhere.clone()), ping)), ["own", "acme", "picky"]);

    let mut nobodys = ours.clone();
    nobodys.meta.connection = None;
    nobodys.meta.tenant = None;
    assert_eq!(destinations(&decide(config(all.clone(), everywhere.clone()), nobodys.clone())), ["own"]);
    // Even were a tenant noted on an event without a connection.
    nobodys.meta.tenant = Some("acme-inc".parse().expect("an id"));
    assert_eq!(destinations(&decide(config(all.clone(), everywhere), nobodys.clone())), ["own"]);

    let decision = decide(config(all, vec![rule("tenant", Forward::Tenant)]), nobodys);
    assert_eq!((decision.tasks.len(), decision.ended), (0, Some(Ending::Unrouted)));
}

#[test]
fn filtered_unrouted_and_failed_are_told_apart() {
    let with = |filter: &str| {
        let mut filtered = rule("filtered", to(&["own"]));
        filtered.filter = Some(filter.to_owned());
        filtered
    };
    let own = || vec![destination("own", None), destination("second", None)];
    let push = || event("github.push", r#"{"n":1}"#);

    assert_eq!(decide(config(own(), vec![]), push()).ended, Some(Ending::Unrouted));
    assert_eq!(decide(config(own(), vec![with("event.data.n == 2")]), push()).ended, Some(Ending::Filtered));
    assert_eq!(destinations(&decide(config(own(), vec![with("event.data.n == 1")]), push())), ["own"]);

    let failed = decide(config(own(), vec![with("event.data.m == 1"), rule("second", to(&["second"]))]), push());
    assert_eq!(destinations(&failed), ["second"], "the other route fires all the same");
    assert_eq!((failed.dead.len(), failed.ended), (1, None));
    let note = &failed.dead[0].note;
    assert_eq!((note.reason, note.attempts, note.destination.as_ref()), (DeadReason::FilterError, 0, None));
    assert_eq!(note.route.as_ref().map(|route| route.as_str()), Some("filtered"));
    assert!(note.detail.as_deref().is_some_and(|detail| detail.contains('m')));
    assert_eq!(failed.dead[0].event, Some(push()));
}

#[test]
fn an_event_routed_again_makes_the_same_deliveries() {
    let mut failing = rule("own", to(&["own"]));
    failing.filter = Some("event.none".to_owned());
    let again = || {
        let routes = vec![failing.clone(), rule("all", to(&["own", "second"]))];
        let decision =
            decide(config(vec![destination("own", None), destination("second", None)], routes), event("a.b", "{}"));
        let tasks = decision.tasks.iter().map(|task| task.delivery);
        tasks.chain(decision.dead.iter().map(|letter| letter.note.delivery)).collect::<Vec<_>>()
    };
    let ids = again();
    assert_eq!((ids.len(), &ids), (3, &again()));
    let different: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(different.len(), 3);
}

#[test]
fn an_unreadable_event_is_a_dead_letter() {
    let plan = Plan::compile(Arc::new(config(vec![], vec![])), &[]).expect("a plan");
    let stored = event("github.push", "{}");
    let at = EventRef { id: stored.meta.id, partition: 0, sequence: 9, received_at: stored.meta.received_at };
    let decision = route(&plan, &StoredEvent { at, event: Err("cut short".to_owned()) }, Timestamp::from_millis(1));
    let mut routed = Routed::default();
    decision.add_to(&mut routed);
    assert_eq!((routed.through, routed.tasks.len(), routed.ended.len()), (9, 0, 0));
    let (_, letter) = &routed.dead[0];
    assert_eq!((letter.note.reason, letter.event.as_ref()), (DeadReason::Unreadable, None));
    assert_eq!(letter.note.detail.as_deref(), Some("cut short"));
}

#[test]
fn a_connections_own_destination_takes_the_place_of_the_routes_whoever_they_forward_to() {
    let mut filtered = rule("filtered", to(&["b"]));
    filtered.filter = Some("event.data.n == 2".to_owned());
    let routes = vec![filtered.clone(), rule("one", to(&["a", "b"])), rule("tenant", Forward::Tenant)];
    let all = || vec![destination("a", None), destination("b", None), destination("own", Some("acme-inc"))];
    let mut event = event("github.push", r#"{"n":1}"#);
    assert_eq!(destinations(&decide(config(all(), routes.clone()), event.clone())), ["a", "b", "own"], "the control");

    // Configured or not: what isn't is waited for.
    for own in ["own", "b", "elsewhere"] {
        event.meta.destination = Some(own.parse().expect("an id"));
        let decision = decide(config(all(), routes.clone()), event.clone());
        assert_eq!(destinations(&decision), [own]);
        let plan = Plan::compile(Arc::new(config(all(), routes.clone())), &[]).expect("good filters");
        let possible = possible(&plan, &event, decision.at);
        let lane = Lane {
            connection: None,
            ..possible.iter().find(|(id, _)| *id == decision.tasks[0].delivery).expect("it").1
        };
        assert_eq!(lane, Lane::of(&decision.tasks[0]));
    }
    // It is where routes forward to, and not a route.
    assert_eq!(decide(config(all(), vec![filtered]), event.clone()).ended, Some(Ending::Filtered));
    assert_eq!(decide(config(all(), vec![]), event).ended, Some(Ending::Unrouted));
}

#[test]
fn a_sync_is_owed_once_to_its_events_connection_and_to_none_without_one() {
    let stale = |id: &str, name: &str, forward: Option<Forward>| {
        let (engine, name) = ("engine".parse().expect("an id"), name.parse().expect("a name"));
        let (coalesce, max_wait) = (Duration::from_secs(2), Duration::from_secs(30));
        let sync = Some(RouteSync { engine, name, coalesce, max_wait, backstop: None });
        gatepost_config::Route { sync, forward, ..rule(id, to(&["a"])) }
    };
    let routes =
        vec![stale("one", "contacts", None), stale("two", "contacts", Some(to(&["a"]))), stale("three", "deals", None)];
    let of = |event| decide(config(vec![destination("a", None)], routes.clone()), event);
    let owed = |decision: &Decision| {
        let sync = |task: &Task| (task.destination.to_string(), task.sync.as_ref().map(ToString::to_string));
        decision.tasks.iter().map(sync).collect::<Vec<_>>()
    };
    let sync = |name: &str| ("engine".to_owned(), Some(name.to_owned()));
    let mut event = event("github.push", "{}");
    let decision = of(event.clone());
    assert_eq!(owed(&decision), [sync("contacts"), ("a".to_owned(), None), sync("deals")]);
    let lanes: BTreeSet<_> = decision.tasks.iter().map(Lane::of).collect();
    let deliveries: BTreeSet<_> = decision.tasks.iter().map(|task| task.delivery).collect();
    assert_eq!((lanes.len(), deliveries.len()), (3, 3), "each is apart");

    // A destination of its connection's own takes the place of what the route forwards to, not of the sync.
    event.meta.destination = Some("own".parse().expect("an id"));
    assert_eq!(owed(&of(event.clone())), [sync("contacts"), ("own".to_owned(), None), sync("deals")]);

    event.meta.destination = None;
    event.meta.connection = None;
    assert_eq!(owed(&of(event)), [("a".to_owned(), None)], "a sync of no connection would be one of all");
}
