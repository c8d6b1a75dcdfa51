//! When a delivery that waits is attempted again, as the API and `gatepost trace` say it.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use gatepost_config::Timestamp;
use gatepost_tests::{gatepost::Gatepost, github::Webhook, post, wait::eventually};
use http::Method;
use serde_json::Value;

use crate::setup::{Engine, Journey, PATIENCE, SECRET, each_engine};

/// The API's key.
const KEY: &str = "a key of the test's own";
const HOUR: Duration = Duration::from_secs(3600);

each_engine!(a_delivery_that_waits_says_when_it_is_due_and_one_behind_it_says_so);

/// A retry an hour later, and a connection's pushes one after the other.
async fn journey(engine: Engine) -> Journey {
    let journey = Journey::new(engine, "park", &BTreeSet::from([1])).await;
    let file = std::fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
    let (head, rest) = file.split_once("schedule = [").expect("a schedule");
    let (_, rest) = rest.split_once(']').expect("its end");
    let rest = rest.replace("id = \"all\"", "id = \"all\"\nevents = [\"github.issues\"]");
    let more = "\n[[route]]\nid = \"in-turn\"\nevents = [\"github.push\"]\nforward = [\"backend\"]\nordered = true\n\n\
                [admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{ file = \"api\" }]\n";
    journey.home.write("api", KEY);
    journey.home.write("gatepost.toml", &format!("{head}schedule = [\"0s\", \"1h\"]{rest}{more}"));
    journey
}

async fn post(gatepost: &Gatepost, event: &str, id: &str) {
    let webhook = Webhook::signed(SECRET, event, id, r#"{"installation":{"id":1}}"#);
    let answer = webhook.post(&gatepost.gateway().await, "github").await.expect("an answer");
    assert_eq!(answer.status.as_u16(), 200);
}

async fn get(gatepost: &Gatepost, path: &str) -> Value {
    let (bearer, address) = (format!("Bearer {KEY}"), gatepost.address("admin").await);
    let headers = [("authorization", bearer.as_str())];
    let answer = post::request(Method::GET, &address, path, &headers, Bytes::new()).await.expect("an answer");
    assert_eq!(answer.status.as_u16(), 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// The delivery of an event by its provider's id, once it is as expected.
async fn delivery(gatepost: &Gatepost, id: &str, is_expected: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{id} to stand as expected"), PATIENCE, async || {
        let found = get(gatepost, &format!("/v1/search?q={id}")).await;
        let event = get(gatepost, &format!("/v1/events/{}", found["items"][0]["id"].as_str()?)).await;
        let delivery = get(gatepost, &format!("/v1/deliveries/{}", event["deliveries"][0]["id"].as_str()?)).await;
        is_expected(&delivery).then_some(delivery)
    })
    .await
}

/// An hour after the last attempt, give or take what the schedule's jitter is.
fn assert_due_in_an_hour(said: &Value, attempted_at: &Value) {
    let at = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok()).expect("a time");
    let wait = at(said).since(at(attempted_at));
    assert!(wait > HOUR * 3 / 4 && wait < HOUR * 5 / 4, "{wait:?}");
}

async fn trace(journey: &Journey, gatepost: &Gatepost, id: &str) -> String {
    let url = format!("http://{}", gatepost.address("admin").await);
    let output = journey.home.command(&["trace", id, "--api-key", KEY, "--url", &url]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

async fn a_delivery_that_waits_says_when_it_is_due_and_one_behind_it_says_so(engine: Engine) {
    let journey = journey(engine).await;
    let gatepost = journey.run().await;
    journey.backend.answer(500);
    post(&gatepost, "issues", "a-1").await;
    let has_failed = |delivery: &Value| delivery["last_attempt"]["status"] == 500;
    let waits = delivery(&gatepost, "a-1", |one| has_failed(one) && !one["next_attempt_at"].is_null()).await;
    assert_eq!((&waits["next_attempt"], &waits["waits_behind"]), (&2.into(), &Value::Null), "{waits}");
    assert_due_in_an_hour(&waits["next_attempt_at"], &waits["last_attempt"]["started_at"]);
    let listed = get(&gatepost, "/v1/deliveries?status=waiting").await;
    assert_eq!(listed["items"][0]["next_attempt_at"], waits["next_attempt_at"], "{listed}");
    let said = waits["next_attempt_at"].as_str().expect("a time");
    let traced = trace(&journey, &gatepost, "a-1").await;
    assert!(traced.contains(&format!("attempt 2 is due at {said} (in ")), "{traced}");

    // In an ordered lane: the first push waits for its time, the second one for the first.
    post(&gatepost, "push", "p-1").await;
    let first = delivery(&gatepost, "p-1", |one| has_failed(one) && !one["next_attempt_at"].is_null()).await;
    assert_due_in_an_hour(&first["next_attempt_at"], &first["last_attempt"]["started_at"]);
    post(&gatepost, "push", "p-2").await;
    let second = delivery(&gatepost, "p-2", |one| !one["waits_behind"].is_null()).await;
    let head = &second["waits_behind"];
    assert_eq!((&head["delivery"], &second["next_attempt_at"]), (&first["id"], &Value::Null), "{second}");
    assert_eq!(head["next_attempt_at"], first["next_attempt_at"]);
    let traced = trace(&journey, &gatepost, "p-2").await;
    let behind = format!("waits behind {}, whose attempt 2 is due at ", first["id"].as_str().expect("an id"));
    assert!(traced.contains(&behind), "{traced}");

    // What its provider sends once more goes at once, and waits for nothing then.
    journey.backend.answer(204);
    post(&gatepost, "issues", "a-1").await;
    let done = delivery(&gatepost, "a-1", |one| one["status"] == "delivered").await;
    assert_eq!((&done["next_attempt_at"], &done["next_attempt"]), (&Value::Null, &Value::Null), "{done}");
    assert!(!trace(&journey, &gatepost, "a-1").await.contains("is due at"));
    gatepost.stop().await;
}
