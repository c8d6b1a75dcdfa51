//! Destinations that get nothing for now: disabled by their answers, or paused by an operator.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use gatepost_tests::{backend::Backend, gatepost::Gatepost, github::Webhook, post, wait::eventually};
use http::Method;
use serde_json::Value;

use crate::setup::{Engine, Journey, PATIENCE, SECRET, each_engine};

/// The API's key.
const KEY: &str = "a key of the test's own";

each_engine!(a_410_disables_a_tenants_destination_whose_deliveries_wait_until_it_is_resumed);
each_engine!(nothing_but_failures_disables_a_tenants_destination_and_no_other);
each_engine!(a_paused_destination_holds_up_nobody_else_and_goes_on_where_it_stopped);

/// Connection `c1` of tenant `t1`, which has a destination beside the operator's own.
async fn journey(engine: Engine, theirs: &Backend, more: &str) -> Journey {
    let journey = Journey::new(engine, "park", &BTreeSet::from([1])).await;
    let mut file = std::fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
    file += &format!(
        "\n[[destination]]\nid = \"theirs\"\ntenant = \"t1\"\nurl = \"{}\"\nprivate = true\nbreaker_failures = 0\n\
         secrets = [{{ file = \"signing\" }}]\nschedule = [\"0s\", \"100ms\", \"100ms\", \"100ms\", \"100ms\"]\n\n\
         [[route]]\nid = \"tenants\"\nintegration = \"github\"\nforward = \"tenant\"\n\n\
         [admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{{ file = \"api\" }}]\n{more}",
        theirs.url()
    );
    journey.home.write("api", KEY);
    journey.home.write("gatepost.toml", &file);
    journey
}

async fn push(gatepost: &Gatepost, n: usize) {
    let webhook = Webhook::signed(SECRET, "push", &format!("push-{n}"), r#"{"installation":{"id":1}}"#);
    let answer = webhook.post(&gatepost.gateway().await, "github").await.expect("an answer");
    assert_eq!(answer.result(), "stored");
}

async fn ask(gatepost: &Gatepost, method: Method, path: &str) -> Value {
    let bearer = format!("Bearer {KEY}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let address = gatepost.address("admin").await;
    let answer = post::request(method, &address, path, &headers, Bytes::new()).await.expect("an answer");
    assert_eq!(answer.status.as_u16(), 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    serde_json::from_slice(&answer.body).expect("JSON")
}

async fn wait_for_state(gatepost: &Gatepost, state: &str) -> Value {
    eventually(state, PATIENCE, async || {
        Some(ask(gatepost, Method::GET, "/v1/destinations/theirs").await).filter(|view| view["state"] == state)
    })
    .await
}

/// The operational events that the operator's own destination got.
fn notices(own: &Backend) -> Vec<Value> {
    let envelopes = own.got().into_iter().map(|delivery| delivery.envelope());
    envelopes.filter(|envelope| envelope["type"] == "gatepost.destination.disabled").collect()
}

async fn a_410_disables_a_tenants_destination_whose_deliveries_wait_until_it_is_resumed(engine: Engine) {
    let theirs = Backend::start().await;
    let journey = journey(engine, &theirs, "").await;
    let gatepost = journey.run().await;
    theirs.answer(410);
    push(&gatepost, 0).await;
    let view = wait_for_state(&gatepost, "disabled").await;
    assert_eq!(view["disabled"]["why"], "gone");
    let told =
        eventually("the notice", PATIENCE, async || Some(notices(&journey.backend)).filter(|all| !all.is_empty()));
    let told = told.await;
    assert_eq!(
        (told[0]["data"]["destination"].as_str(), told[0]["data"]["why"].as_str()),
        (Some("theirs"), Some("gone"))
    );
    assert_eq!((told[0]["connection"].is_null(), told[0]["data"]["last_status"].as_u64()), (true, Some(410)));

    theirs.answer(204);
    for n in 1..=20 {
        push(&gatepost, n).await;
    }
    // The operator's own gets every one of them, and one notice; the tenant's nothing after its 410.
    journey.backend.wait_for(22, PATIENCE).await;
    assert_eq!((theirs.got().len(), notices(&journey.backend).len()), (1, 1));

    // It stays so over a restart.
    gatepost.stop().await;
    let gatepost = journey.run().await;
    wait_for_state(&gatepost, "disabled").await;
    push(&gatepost, 21).await;
    journey.backend.wait_for(23, PATIENCE).await;
    assert_eq!(theirs.got().len(), 1);

    ask(&gatepost, Method::POST, "/v1/destinations/theirs/resume").await;
    theirs.wait_for(22, PATIENCE).await;
    gatepost.stop().await;
    let counts = theirs.counts();
    assert_eq!(counts.values().filter(|count| **count == 1).count(), 21, "each of the others once: {counts:?}");
    assert_eq!(counts.values().max(), Some(&2), "the one that was answered 410 twice: {counts:?}");
    let store = journey.store().await;
    let census = store.census().await.expect("it counts");
    assert_eq!((census.waiting(), census.ended.get(&gatepost_event::Ending::Dead)), (0, None));
    store.close().await;
}

async fn nothing_but_failures_disables_a_tenants_destination_and_no_other(engine: Engine) {
    let theirs = Backend::start().await;
    let journey = journey(engine, &theirs, "\n[router]\ndisable_after = \"1s\"\n").await;
    let gatepost = journey.run().await;
    theirs.answer(500);
    journey.backend.answer(500);
    let pushed = AtomicUsize::new(0);
    let disabled = eventually("disabled", PATIENCE, async || {
        push(&gatepost, pushed.fetch_add(1, Ordering::Relaxed)).await;
        let view = ask(&gatepost, Method::GET, "/v1/destinations/theirs").await;
        (view["state"] == "disabled").then_some(view)
    })
    .await;
    assert_eq!(disabled["disabled"]["why"], "failing");
    let own = ask(&gatepost, Method::GET, "/v1/destinations/backend").await;
    assert_eq!(own["state"], "active", "the operator's own is never disabled");
    journey.backend.answer(204);
    eventually("the notice", PATIENCE, async || (notices(&journey.backend).len() == 1).then_some(())).await;
    gatepost.stop().await;
}

async fn a_paused_destination_holds_up_nobody_else_and_goes_on_where_it_stopped(engine: Engine) {
    let theirs = Backend::start().await;
    let journey = journey(engine, &theirs, "").await;
    let gatepost = journey.run().await;
    push(&gatepost, 0).await;
    theirs.wait_for(1, PATIENCE).await;
    ask(&gatepost, Method::POST, "/v1/destinations/theirs/pause").await;
    // The router hears of it a moment later than the API.
    let listed = ask(&gatepost, Method::GET, "/v1/destinations").await;
    let states: Vec<_> =
        listed["items"].as_array().expect("a list").iter().map(|item| item["state"].as_str()).collect();
    assert_eq!(states, [Some("active"), Some("paused")]);
    eventually("the pause", PATIENCE, async || {
        let before = theirs.got().len();
        push(&gatepost, 1_000 + before + journey.backend.got().len()).await;
        let both = journey.backend.got().len();
        tokio::time::timeout(Duration::from_millis(300), theirs.wait_for(before + 1, PATIENCE))
            .await
            .is_err()
            .then_some(both)
    })
    .await;
    let before = theirs.counts().len();
    for n in 1..=10 {
        push(&gatepost, n).await;
    }
    let all = before + 11;
    journey.backend.wait_for(all, PATIENCE).await;
    assert_eq!(theirs.counts().len(), before);
    ask(&gatepost, Method::POST, "/v1/destinations/theirs/resume").await;
    theirs.wait_for(all, PATIENCE).await;
    gatepost.stop().await;
    assert!(theirs.counts().values().all(|count| *count == 1), "each once");
}
