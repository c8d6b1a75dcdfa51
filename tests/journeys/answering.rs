//! Which destinations answer, as the API and `gatepost destinations` say it.

use std::collections::BTreeSet;

use bytes::Bytes;
use gatepost_config::Timestamp;
use gatepost_tests::{backend::Backend, gatepost::Gatepost, github::Webhook, post, wait::eventually};
use http::Method;
use serde_json::Value;

use crate::setup::{Engine, Journey, PATIENCE, SECRET, each_engine};

/// The API's key.
const KEY: &str = "a key of the test's own";

each_engine!(a_backend_that_refuses_is_said_not_to_answer_until_it_does_again);

/// Beside the operator's `backend` another one, `steady`, that gets the same.
async fn journey(engine: Engine, steady: &Backend) -> Journey {
    let journey = Journey::new(engine, "forward", &BTreeSet::new()).await;
    let file = std::fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
    let file = file
        .replace("schedule = [", "breaker_failures = 2\nbreaker_wait = \"1s\"\nschedule = [")
        .replace("forward = [\"backend\"]", "forward = [\"backend\", \"steady\"]");
    let more = format!(
        "\n[[destination]]\nid = \"steady\"\nurl = \"{}\"\nprivate = true\nsecrets = [{{ file = \"signing\" }}]\n\n\
         [admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{{ file = \"api\" }}]\n",
        steady.url()
    );
    journey.home.write("api", KEY);
    journey.home.write("gatepost.toml", &format!("{file}{more}"));
    journey
}

async fn push(gatepost: &Gatepost, n: usize) {
    let webhook = Webhook::signed(SECRET, "push", &format!("push-{n}"), "{}");
    let answer = webhook.post(&gatepost.gateway().await, "github").await.expect("an answer");
    assert_eq!(answer.result(), "stored");
}

async fn get(gatepost: &Gatepost, path: &str) -> Value {
    let (bearer, address) = (format!("Bearer {KEY}"), gatepost.address("admin").await);
    let headers = [("authorization", bearer.as_str())];
    let answer = post::request(Method::GET, &address, path, &headers, Bytes::new()).await.expect("an answer");
    assert_eq!(answer.status.as_u16(), 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// Waits until `answering` of a destination is as expected; then the destination.
async fn answering(gatepost: &Gatepost, id: &str, expected: bool) -> Value {
    eventually(&format!("{id} answers: {expected}"), PATIENCE, async || {
        let found = get(gatepost, &format!("/v1/destinations/{id}")).await;
        (found["answering"] == expected).then_some(found)
    })
    .await
}

async fn said(journey: &Journey, gatepost: &Gatepost, command: &[&str]) -> String {
    let url = format!("http://{}", gatepost.address("admin").await);
    let output = journey.home.command(&[&["destinations"], command, &["--api-key", KEY, "--url", &url]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

async fn a_backend_that_refuses_is_said_not_to_answer_until_it_does_again(engine: Engine) {
    let steady = Backend::start().await;
    let journey = journey(engine, &steady).await;

    // Without a router nobody knows.
    let gatepost = journey.home.run(&["gateway", "admin"]).await;
    let unknown = get(&gatepost, "/v1/destinations/backend").await;
    let fields = ["answering", "unanswering_since", "answering_told_at"];
    assert_eq!(fields.map(|field| &unknown[field]), [&Value::Null; 3], "{unknown}");
    gatepost.stop().await;

    let gatepost = journey.run().await;
    for id in ["backend", "steady"] {
        let found = answering(&gatepost, id, true).await;
        assert!(found["unanswering_since"].is_null() && found["answering_told_at"].is_string(), "{found}");
    }
    let before = Timestamp::now();
    journey.backend.answer(503);
    for n in 0..3 {
        push(&gatepost, n).await;
    }
    let down = answering(&gatepost, "backend", false).await;
    let since = down["unanswering_since"].as_str().expect("a time").to_owned();
    let at: Timestamp = since.parse().expect("a time");
    assert!(at >= before && at <= Timestamp::now(), "{since}");
    // The others of its shard answer, and more probes change nothing.
    let probes = journey.backend.got().len();
    eventually("two more probes", PATIENCE, async || (journey.backend.got().len() > probes + 1).then_some(())).await;
    let listed = get(&gatepost, "/v1/destinations").await;
    let of = |n: usize| (listed["items"][n]["id"].as_str(), listed["items"][n]["answering"].as_bool());
    assert_eq!([of(0), of(1)], [(Some("backend"), Some(false)), (Some("steady"), Some(true))], "{listed}");
    assert_eq!(listed["items"][0]["unanswering_since"], since, "{listed}");
    let words = format!("  unanswering since {since}  ");
    let lines = said(&journey, &gatepost, &["list"]).await;
    let lines: Vec<_> = lines.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains(&words) && lines[1].contains("  answers  "), "{lines:?}");
    assert!(said(&journey, &gatepost, &["show", "backend"]).await.contains(&words));

    journey.backend.answer(204);
    let up = answering(&gatepost, "backend", true).await;
    assert!(up["unanswering_since"].is_null(), "{up}");
    assert!(said(&journey, &gatepost, &["show", "backend"]).await.contains("  answers  "));
    journey.backend.wait_for(3, PATIENCE).await;
    gatepost.stop().await;
}
