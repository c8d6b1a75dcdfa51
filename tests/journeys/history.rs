//! What became of every event can be looked up, by any id, and again after the history was deleted.

use std::{collections::BTreeSet, fs};

use bytes::Bytes;
use gatepost_tests::{
    gatepost::Gatepost,
    github::Webhook,
    nats_server::NatsServer,
    post::{self, Answer},
    wait::eventually,
};
use http::Method;
use serde_json::Value;

use crate::setup::{Engine, Journey, PATIENCE, SECRET};

/// The API's key.
const KEY: &str = "a key of the test's own";

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_found_and_the_same_after_the_history_was_deleted_on_embedded() {
    everything_is_found_and_the_same_after_the_history_was_deleted(Engine::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_found_and_the_same_after_the_history_was_deleted_on_nats() {
    let engine = Engine::Nats(NatsServer::start().await);
    everything_is_found_and_the_same_after_the_history_was_deleted(engine).await;
}

/// One event of every fate.
async fn everything_is_found_and_the_same_after_the_history_was_deleted(engine: Engine) {
    let journey = Journey::new(engine, "park", &BTreeSet::from([1, 2])).await;
    let file = fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
    let file = file.replace("schedule = [", "final_statuses = [404]\nschedule = [\"0s\", \"1h\"]\n#").replace(
        "id = \"all\"",
        "id = \"all\"\nevents = [\"github.push\", \"github.issues\"]\nfilter = \"event.type == 'github.push'\"",
    );
    let admin =
        "\n[admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{ file = \"api\" }]\nhistory_path = \"h/history.db\"\n";
    journey.home.write("api", KEY);
    journey.home.write("gatepost.toml", &format!("{file}{admin}"));
    let gatepost = journey.run().await;

    let delivered = push(&gatepost, "push", 1, "a-1").await;
    state(&gatepost, "a-1", "delivered").await;
    journey.backend.answer(404);
    push(&gatepost, "push", 2, "a-2").await;
    state(&gatepost, "a-2", "dead").await;
    journey.backend.answer(500);
    push(&gatepost, "push", 2, "a-3").await;
    push(&gatepost, "issues", 1, "a-4").await;
    push(&gatepost, "star", 1, "a-5").await;
    let parked = push(&gatepost, "push", 99, "a-6").await;
    assert_eq!(parked.result(), "unmatched");
    let forged = Webhook::signed("wrong", "push", "a-7", "{}").post(&gatepost.gateway().await, "github").await;
    let refused = forged.expect("an answer").header("gatepost-request-id").to_owned();
    for (id, expected) in [("a-3", "waiting"), ("a-4", "filtered"), ("a-5", "unrouted"), ("a-6", "unmatched")] {
        state(&gatepost, id, expected).await;
    }
    eventually("the attempt that failed", PATIENCE, async || {
        let page = get(&gatepost, "/v1/deliveries?status=waiting").await;
        (page["items"][0]["last_attempt"]["status"] == 500).then_some(())
    })
    .await;

    let request = delivered.header("gatepost-request-id");
    let found = get(&gatepost, &format!("/v1/requests/{request}")).await;
    let event = found["events"][0]["id"].as_str().expect("an id").to_owned();
    let refusal = get(&gatepost, &format!("/v1/requests/{refused}")).await;
    assert_eq!(refusal["refusal"]["integration"], "github", "{refusal}");
    let shown = get(&gatepost, &format!("/v1/events/{event}")).await;
    let delivery = shown["deliveries"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(shown["deliveries"][0]["tries"][0]["status"], 204, "{shown}");
    for id in [&*event, request, &delivery, "a-1", "zebra1 refs*"] {
        let found = get(&gatepost, &format!("/v1/search?q={}", id.replace(' ', "%20"))).await;
        let items = found["items"].as_array().expect("a list");
        assert_eq!(items.len(), 1, "{id}: {found}");
        assert_eq!(items[0]["id"], *event, "{id}");
    }
    assert_eq!(get(&gatepost, "/v1/search?q=zebra1%20zebra2").await["items"], Value::Array(Vec::new()));
    let url = format!("http://{}", gatepost.address("admin").await);
    for (id, words) in [("a-1", "delivered"), ("a-2", "final_status"), (&*delivery, "204"), (&*refused, "refused")] {
        let output = journey.home.command(&["trace", id, "--api-key", KEY, "--url", &url]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains(words), "{id}: {text}");
    }
    let nobody = journey.home.command(&["trace", "nobody", "--api-key", KEY, "--url", &url]);
    assert!(!nobody.status.success());

    // A dead letter's second life.
    journey.backend.answer(204);
    let dead = get(&gatepost, "/v1/deliveries?status=dead").await["items"][0]["id"].clone();
    let dead = dead.as_str().expect("an id").to_owned();
    let output = journey.home.command(&["deliveries", "replay", &dead, "--api-key", KEY, "--url", &url]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    state(&gatepost, "a-2", "delivered").await;
    let attempts = get(&gatepost, &format!("/v1/deliveries/{dead}/attempts")).await;
    assert_eq!(attempts["items"].as_array().map(Vec::len), Some(2), "{attempts}");

    let mut questions = vec![
        format!("/v1/requests/{request}"),
        format!("/v1/deliveries/{dead}"),
        format!("/v1/deliveries/{dead}/attempts"),
        "/v1/search?q=zebra*".to_owned(),
        "/v1/search?q=c2".to_owned(),
        "/v1/events".to_owned(),
        "/v1/events?connection=c1&type=github.issues".to_owned(),
        "/v1/events?tenant=t2".to_owned(),
        "/v1/deliveries".to_owned(),
        "/v1/deliveries?destination=backend&status=delivered".to_owned(),
    ];
    let states = ["waiting", "delivered", "dead", "filtered", "unrouted", "unmatched"];
    questions.extend(states.map(|state| format!("/v1/events?state={state}")));
    questions.extend(
        get(&gatepost, "/v1/events").await["items"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|item| format!("/v1/events/{}", item["id"].as_str().expect("an id"))),
    );
    let before = answers(&gatepost, &questions).await;
    assert_eq!(before[5]["items"].as_array().map(Vec::len), Some(6), "{}", before[5]);
    gatepost.stop().await;

    for name in ["history.db", "history.db-wal", "history.db-shm"] {
        drop(fs::remove_file(journey.home.path("h").join(name)));
    }
    let gatepost = journey.run().await;
    eventually("the same answers", PATIENCE, async || (answers(&gatepost, &questions).await == before).then_some(()))
        .await;
    gatepost.stop().await;
}

async fn push(gatepost: &Gatepost, event: &str, account: u64, id: &str) -> Answer {
    let n = id.trim_start_matches("a-");
    let body = format!(r#"{{"ref":"refs/heads/zebra{n}","word":"zebra{n}","installation":{{"id":{account}}}}}"#);
    let webhook = Webhook::signed(SECRET, event, id, body);
    webhook.post(&gatepost.gateway().await, "github").await.expect("an answer")
}

/// Waits until the event of a provider's id stands so.
async fn state(gatepost: &Gatepost, id: &str, expected: &str) {
    eventually(&format!("{id} to be {expected}"), PATIENCE, async || {
        let found = get(gatepost, &format!("/v1/search?q={id}")).await;
        (found["items"][0]["state"] == expected).then_some(())
    })
    .await;
}

/// The answers without what tells of the time they were given.
async fn answers(gatepost: &Gatepost, questions: &[String]) -> Vec<Value> {
    let mut answers = Vec::new();
    for question in questions {
        let answer = ask(gatepost, question).await;
        let mut answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
        answer.as_object_mut().expect("an object").remove("lag_seconds");
        answers.push(answer);
    }
    answers
}

async fn ask(gatepost: &Gatepost, path: &str) -> Answer {
    let bearer = format!("Bearer {KEY}");
    let address = gatepost.address("admin").await;
    post::request(Method::GET, &address, path, &[("authorization", &bearer)], Bytes::new()).await.expect("an answer")
}

async fn get(gatepost: &Gatepost, path: &str) -> Value {
    let answer = ask(gatepost, path).await;
    assert_eq!(answer.status.as_u16(), 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    serde_json::from_slice(&answer.body).expect("JSON")
}
