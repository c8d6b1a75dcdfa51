//! Lists of what came in a time: deliveries and refused requests.

use std::collections::BTreeSet;

use bytes::Bytes;
use gatepost_config::Timestamp;
use gatepost_tests::{gatepost::Gatepost, github::Webhook, post, wait::eventually};
use http::Method;
use serde_json::Value;

use crate::setup::{Engine, Journey, PATIENCE, SECRET, each_engine};

/// The API's key.
const KEY: &str = "a key of the test's own";

each_engine!(lists_have_what_came_in_a_time_and_nothing_else);

async fn journey(engine: Engine, history: bool) -> Journey {
    let journey = Journey::new(engine, "forward", &BTreeSet::new()).await;
    let file = std::fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
    let file = file.replace("schedule = [", "final_statuses = [404]\nschedule = [");
    journey.home.write("api", KEY);
    journey.home.write("gatepost.toml", &with_admin(&file, history));
    journey
}

fn with_admin(file: &str, history: bool) -> String {
    format!("{file}\n[admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{{ file = \"api\" }}]\nhistory = {history}\n")
}

/// Posts a webhook signed with a secret; its request's id.
async fn push(gatepost: &Gatepost, secret: &str, id: &str) -> String {
    let webhook = Webhook::signed(secret, "push", id, "{}");
    let answer = webhook.post(&gatepost.gateway().await, "github").await.expect("an answer");
    answer.header("gatepost-request-id").to_owned()
}

async fn ask(gatepost: &Gatepost, path: &str) -> (u16, Value) {
    let (bearer, address) = (format!("Bearer {KEY}"), gatepost.address("admin").await);
    let headers = [("authorization", bearer.as_str())];
    let answer = post::request(Method::GET, &address, path, &headers, Bytes::new()).await.expect("an answer");
    (answer.status.as_u16(), serde_json::from_slice(&answer.body).expect("JSON"))
}

/// A field of every item of a list, in its order.
async fn listed(gatepost: &Gatepost, path: &str, field: &str) -> Vec<String> {
    let (status, page) = ask(gatepost, path).await;
    assert_eq!(status, 200, "{path}: {page}");
    let items = page["items"].as_array().expect("a list");
    items.iter().map(|item| item.pointer(field).and_then(Value::as_str).expect("text").to_owned()).collect()
}

/// Waits until a list has so many items; the times at which they were received, as they are listed.
async fn times(gatepost: &Gatepost, path: &str, field: &str, count: usize) -> Vec<String> {
    eventually(&format!("{count} items in {path}"), PATIENCE, async || {
        let times = listed(gatepost, path, field).await;
        (times.len() == count).then_some(times)
    })
    .await
}

/// Asks a list for the time of its second item alone, with those before it, with those after it, and in parts.
async fn assert_within(gatepost: &Gatepost, path: &str, field: &str, newest_first: &[String]) {
    let [last, middle, first] = newest_first else { panic!("{newest_first:?}") };
    let after: Timestamp = middle.parse().expect("a time");
    let after = Timestamp::from_millis(after.millis() + 1);
    let cases = [
        (format!("since={middle}"), vec![last, middle]),
        (format!("since={after}"), vec![last]),
        (format!("until={middle}"), vec![first]),
        (format!("until={after}"), vec![middle, first]),
        (format!("since={middle}&until={after}"), vec![middle]),
        (format!("since={after}&until={middle}"), vec![]),
        (format!("since={first}"), vec![last, middle, first]),
    ];
    for (times, expected) in cases {
        let mut found = listed(gatepost, &format!("{path}{times}"), field).await;
        // Without a history dead letters come oldest first.
        found.sort_by(|a, b| b.cmp(a));
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{path}{times}");
    }
    let (status, problem) = ask(gatepost, &format!("{path}since=yesterday")).await;
    assert!(status == 400 && problem.to_string().contains("since"), "{problem}");
}

/// The lines that a command prints.
async fn lines(journey: &Journey, gatepost: &Gatepost, command: &[&str]) -> Vec<String> {
    let url = format!("http://{}", gatepost.address("admin").await);
    let output = journey.home.command(&[command, &["--api-key", KEY, "--url", &url]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

async fn lists_have_what_came_in_a_time_and_nothing_else(engine: Engine) {
    let journey = journey(engine, true).await;
    let gatepost = journey.run().await;
    journey.backend.answer(404);
    let mut refused = Vec::new();
    for n in 1..=3 {
        // One after the other, so that no two have the same time.
        push(&gatepost, SECRET, &format!("good-{n}")).await;
        times(&gatepost, "/v1/deliveries?status=dead", "/event/received_at", n).await;
        refused.push(push(&gatepost, "wrong", &format!("bad-{n}")).await);
        times(&gatepost, "/v1/quarantine", "/received_at", n).await;
    }
    let dead = times(&gatepost, "/v1/deliveries?status=dead", "/event/received_at", 3).await;
    assert_within(&gatepost, "/v1/deliveries?", "/event/received_at", &dead).await;
    assert_within(&gatepost, "/v1/deliveries?status=dead&destination=backend&", "/event/received_at", &dead).await;
    let kept = times(&gatepost, "/v1/quarantine", "/received_at", 3).await;
    assert_within(&gatepost, "/v1/quarantine?", "/received_at", &kept).await;
    // A list goes on where its part ended.
    let part = format!("/v1/quarantine?since={}&limit=1", kept[1]);
    let next = ask(&gatepost, &part).await.1["next"].as_str().expect("there is more").to_owned();
    assert_eq!(listed(&gatepost, &format!("{part}&cursor={next}"), "/request").await, [refused[1].clone()]);

    for list in [["deliveries", "list"], ["quarantine", "list"]] {
        let since = |time| [&list[..], &["--since", time]].concat();
        assert_eq!(lines(&journey, &gatepost, &since("1h")).await.len(), 3, "{list:?}");
        let until = [&list[..], &["--until", "1h"]].concat();
        assert_eq!(lines(&journey, &gatepost, &until).await, Vec::<String>::new(), "{list:?}");
    }
    gatepost.stop().await;

    // Without a history dead letters are listed from the store.
    let file = std::fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
    journey.home.write("gatepost.toml", &file.replace("history = true", "history = false"));
    let gatepost = journey.run().await;
    assert_within(&gatepost, "/v1/deliveries?status=dead&", "/event/received_at", &dead).await;
    gatepost.stop().await;
}
