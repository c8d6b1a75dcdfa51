//! Starting, stopping, reloading, dying.

use std::{sync::Arc, time::Duration};

use gatepost_event::{Ending, store::LeaseKey};

use crate::support::{
    Rig, config, destination, eventually,
    receiver::{Answer, Receiver},
    route,
    stored::{event, events},
};

#[tokio::test]
async fn attempts_under_way_end_before_the_router_does() {
    let backend = Receiver::always(Answer::Late(204, Duration::from_millis(700))).await;
    let to = destination("backend", &backend.url("/"), "");
    let mut rig = Rig::start(config(&format!("{to}{}", route("all", &["backend"])))).await;
    rig.append(vec![event("one", "github.push", "{}")]).await;
    backend.wait_for(1).await;
    rig.stop().await;
    rig.ended(Ending::Delivered, 1).await;
    assert_eq!(backend.got().len(), 1);
}

#[tokio::test]
async fn a_hanging_attempt_holds_the_end_up_no_longer_than_the_deadline_and_is_made_again() {
    let backend = Receiver::scripted([Answer::Hang]).await;
    let to = destination("backend", &backend.url("/"), "timeout = \"60s\"");
    let sections = format!("\n[router]\nshutdown_deadline = \"500ms\"\n{to}{}", route("all", &["backend"]));
    let mut rig = Rig::start(config(&sections)).await;
    rig.append(vec![event("one", "github.push", "{}")]).await;
    backend.wait_for(1).await;
    let took = rig.stop().await;
    assert!((Duration::from_millis(490)..Duration::from_secs(3)).contains(&took), "{took:?}");
    assert_eq!(rig.store.census().await.expect("a census").in_lanes, 1, "it is still owed");

    rig.run();
    let got = backend.wait_for(2).await;
    assert_eq!(got[0].header("webhook-id"), got[1].header("webhook-id"));
    rig.ended(Ending::Delivered, 1).await;
}

#[tokio::test]
async fn leases_are_given_up_at_the_end_and_taken_at_the_start() {
    let mut rig = Rig::start(config("")).await;
    eventually("it holds a shard", || async { rig.metric("gatepost_router_leases", &[("kind", "shard")]) > 0.0 }).await;
    let other = || async { rig.store.acquire(LeaseKey::Shard(0), "other").await.expect("an answer") };
    assert!(other().await.is_none(), "the router has it");
    rig.stop().await;
    assert!(rig.store.acquire(LeaseKey::Shard(0), "other").await.expect("an answer").is_some());
}

#[tokio::test]
async fn after_a_kill_everything_owed_is_delivered() {
    let backend = Receiver::always(Answer::Late(204, Duration::from_millis(2))).await;
    let to = destination("backend", &backend.url("/"), "");
    let mut rig = Rig::start(config(&format!("{to}{}", route("all", &["backend"])))).await;
    rig.append(events("first", 300)).await;
    backend.wait_for(50).await;
    rig.kill().await;
    rig.append(events("second", 50)).await;
    rig.run();
    let census = rig.settled(Ending::Delivered, 350).await;
    assert_eq!(census.ended.len(), 1);
    let mut ids: Vec<_> = backend.got().iter().map(|got| got.header("webhook-id").to_owned()).collect();
    let copies = ids.len() - 350;
    assert!(copies <= 16, "{copies} repeats, more than were under way");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 350);
}

#[tokio::test]
async fn deliveries_to_a_removed_destination_wait_until_it_is_back() {
    let backend = Receiver::always(Answer::Hang).await;
    let with = format!(
        "{}{}",
        destination(
            "backend",
            &backend.url("/"),
            "timeout = \"200ms\"\nschedule = [\"0s\", \"100ms\", \"100ms\", \"1h\"]"
        ),
        route("all", &["backend"])
    );
    let rig = Rig::start(config(&with)).await;
    rig.append(vec![event("one", "github.push", "{}")]).await;
    backend.wait_for(1).await;
    rig.config.send_replace(Arc::new(config("")));
    eventually("it waits for an unknown destination", || async {
        rig.metric("gatepost_router_waiting_unknown_deliveries", &[]) > 0.0
    })
    .await;
    let before = backend.got().len();
    backend.recover();
    assert_eq!(rig.store.census().await.expect("a census").waiting(), 1, "still owed");
    assert_eq!(backend.got().len(), before, "and not attempted");
    rig.config.send_replace(Arc::new(config(&with)));
    rig.ended(Ending::Delivered, 1).await;
}

#[tokio::test]
async fn a_configuration_with_a_broken_filter_is_not_taken_up() {
    let backend = Receiver::start().await;
    let to = destination("backend", &backend.url("/"), "");
    let good = config(&format!("{to}{}", route("all", &["backend"])));
    let mut bad = good.clone();
    bad.routes[0].filter = Some("event.".to_owned());
    let rig = Rig::start(good).await;
    rig.append(vec![event("one", "github.push", "{}")]).await;
    rig.ended(Ending::Delivered, 1).await;
    rig.config.send_replace(Arc::new(bad));
    rig.append(vec![event("two", "github.push", "{}")]).await;
    rig.ended(Ending::Delivered, 2).await;
}

#[tokio::test]
async fn a_lost_lease_stops_the_attempts_under_way() {
    let backend = Receiver::scripted([Answer::Hang]).await;
    let to = destination("backend", &backend.url("/"), "timeout = \"60s\"");
    let mut rig = Rig::start(config(&format!("{to}{}", route("all", &["backend"])))).await;
    rig.append(vec![event("one", "github.push", "{}")]).await;
    backend.wait_for(1).await;
    assert_eq!(backend.now(), 1);
    // The store goes away: no renewal succeeds any more.
    rig.store.close().await;
    eventually("the attempt was dropped", || async { backend.now() == 0 }).await;
    rig.stop().await;
}
