//! What was delivered wrongly or not at all is delivered once more, by an operator's word.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use gatepost_tests::{
    gatepost::Gatepost,
    github::Webhook,
    post::{self, Answer},
    wait::eventually,
};
use http::Method;
use serde_json::Value;

use crate::setup::{Engine, Journey, PATIENCE, SECRET, each_engine};

/// The API's key.
const KEY: &str = "a key of the test's own";

each_engine!(a_dead_letter_is_replayed_and_arrives_once);
each_engine!(a_filtered_event_is_rerouted_after_the_route_was_fixed_and_arrives_once);
each_engine!(a_cancelled_replay_stops_and_leaves_the_rest);
each_engine!(a_killed_replay_goes_on_where_it_was);
each_engine!(without_a_key_that_fits_every_route_answers_401_and_nothing_changes);

/// A journey with the API, and with its route and destination changed.
async fn journey(engine: Engine, change: impl Fn(String) -> String) -> Journey {
    let journey = Journey::new(engine, "forward", &BTreeSet::new()).await;
    let file = std::fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
    let file = file.replace("schedule = [", "final_statuses = [404]\nschedule = [");
    let admin = "\n[admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{ file = \"api\" }]\n";
    journey.home.write("api", KEY);
    journey.home.write("gatepost.toml", &change(format!("{file}{admin}")));
    journey
}

fn with_filter(filter: &str) -> impl Fn(String) -> String {
    move |file| file.replace("id = \"all\"", &format!("id = \"all\"\nfilter = \"{filter}\""))
}

async fn push(gatepost: &Gatepost, n: usize) {
    let body = format!(r#"{{"n":{n},"ref":"refs/heads/main"}}"#);
    let webhook = Webhook::signed(SECRET, "push", &format!("push-{n}"), body);
    let answer = webhook.post(&gatepost.gateway().await, "github").await.expect("an answer");
    assert_eq!(answer.result(), "stored");
}

async fn ask(gatepost: &Gatepost, method: Method, path: &str, key: Option<&str>, body: &str) -> Answer {
    let bearer = key.map(|key| format!("Bearer {key}"));
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
    let address = gatepost.address("admin").await;
    post::request(method, &address, path, &headers, Bytes::from(body.to_owned())).await.expect("an answer")
}

async fn get(gatepost: &Gatepost, path: &str) -> Value {
    let answer = ask(gatepost, Method::GET, path, Some(KEY), "").await;
    assert_eq!(answer.status.as_u16(), 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// Runs a command of the client; its output, which must be JSON.
async fn command(journey: &Journey, gatepost: &Gatepost, args: &[&str]) -> Value {
    let url = format!("http://{}", gatepost.address("admin").await);
    let args = [args, &["--json", "--url", &url, "--api-key", KEY]].concat();
    let output = journey.home.command(&args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

async fn dead(gatepost: &Gatepost) -> Vec<Value> {
    let page = get(gatepost, "/v1/deliveries?status=dead&limit=500").await;
    page["items"].as_array().expect("a list").clone()
}

async fn wait_for_dead(gatepost: &Gatepost, count: usize) -> Vec<Value> {
    let what = format!("{count} dead letters");
    eventually(&what, PATIENCE, async || Some(dead(gatepost).await).filter(|dead| dead.len() == count)).await
}

async fn a_dead_letter_is_replayed_and_arrives_once(engine: Engine) {
    let journey = journey(engine, |file| file).await;
    let gatepost = journey.run().await;
    journey.backend.answer(404);
    push(&gatepost, 1).await;
    let letter = wait_for_dead(&gatepost, 1).await.remove(0);
    let id = letter["id"].as_str().expect("an id");
    assert_eq!(
        (letter["reason"].as_str(), letter["last_attempt"]["status"].as_u64()),
        (Some("final_status"), Some(404))
    );
    let shown = command(&journey, &gatepost, &["deliveries", "show", id]).await;
    assert_eq!(shown["body"], r#"{"n":1,"ref":"refs/heads/main"}"#);
    let event = letter["event"]["id"].as_str().expect("an id");
    let listed = command(&journey, &gatepost, &["events", "list", "--since", "1h"]).await;
    assert_eq!(listed["items"][0]["id"], event);
    let body = ask(&gatepost, Method::GET, &format!("/v1/events/{event}/body"), Some(KEY), "").await;
    assert_eq!(body.body, r#"{"n":1,"ref":"refs/heads/main"}"#);

    journey.backend.answer(204);
    let dry = command(&journey, &gatepost, &["replays", "create", "--dry-run"]).await;
    assert_eq!((dry["state"].as_str(), dry["progress"]["owed"].as_u64()), (Some("done"), Some(1)));
    assert_eq!(journey.backend.got().len(), 1, "a dry run delivers nothing");
    let replay = command(&journey, &gatepost, &["deliveries", "replay", id]).await;
    assert_eq!(replay["progress"]["owed"], 1);
    eventually("the replayed copy", PATIENCE, async || (journey.backend.got().len() == 2).then_some(())).await;
    let [first, second]: [_; 2] = journey.backend.got().try_into().expect("two");
    assert_eq!((second.header("webhook-id"), second.header("gatepost-delivery-id")), (event, id));
    assert_eq!(first.header("webhook-id"), event);
    assert_eq!((first.header("gatepost-replay"), second.header("gatepost-attempt")), ("", "1"));
    assert_eq!(second.header("gatepost-replay"), replay["id"].as_str().expect("an id"));
    assert_eq!(first.data(), second.data());
    wait_for_dead(&gatepost, 0).await;

    let shown = format!("/v1/deliveries/{id}");
    eventually("a delivery that is a letter no more", PATIENCE, async || {
        Some(get(&gatepost, &shown).await).filter(|delivery| delivery["status"] == "delivered")
    })
    .await;
    gatepost.stop().await;
    let store = journey.store().await;
    let census = store.census().await.expect("it counts");
    let sum = census.ended.values().sum::<u64>() + census.waiting() + census.unmatched;
    assert_eq!((census.replayed, sum), (1, 2), "{census:?}");
    store.close().await;
    assert_eq!(journey.backend.got().len(), 2, "it arrived once");
}

async fn a_filtered_event_is_rerouted_after_the_route_was_fixed_and_arrives_once(engine: Engine) {
    let journey = journey(engine, with_filter("event.data.n == 2")).await;
    let gatepost = journey.run().await;
    push(&gatepost, 1).await;
    push(&gatepost, 2).await;
    journey.backend.wait_for(1, PATIENCE).await;
    eventually("the filtered one", PATIENCE, async || {
        (gatepost.metric("gatepost_router_events_routed_total", "filtered").await > 0.9).then_some(())
    })
    .await;
    let create = ["replays", "create", "--reroute", "--since", "1h", "--status", "undelivered"];
    let dry = [&create[..], &["--dry-run"]].concat();
    assert_eq!(command(&journey, &gatepost, &dry).await["progress"]["owed"], 0, "the route still says no");

    let file = std::fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
    journey.home.write("gatepost.toml", &file.replace("event.data.n == 2", "event.data.n < 3"));
    gatepost.signal("HUP");
    eventually("the fixed route", PATIENCE, async || {
        (command(&journey, &gatepost, &dry).await["progress"]["owed"] == 1).then_some(())
    })
    .await;
    assert_eq!(journey.backend.got().len(), 1, "dry runs deliver nothing");
    journey.home.write("new.toml", &file.replace("event.data.n == 2", "event.data.n == 1"));
    let diff = command(&journey, &gatepost, &["routes", "diff", "new.toml", "--since", "24h"]).await;
    assert_eq!((diff["events"].as_u64(), diff["changed"].as_array().map(Vec::len)), (Some(2), Some(1)), "{diff}");
    assert_eq!(diff["changed"][0]["removed"], serde_json::json!(["backend"]), "{diff}");
    let replay = command(&journey, &gatepost, &[&create[..], &["--wait"]].concat()).await;
    assert_eq!((replay["state"].as_str(), replay["progress"]["owed"].as_u64()), (Some("done"), Some(1)));
    let got = journey.backend.wait_for(2, PATIENCE).await;
    assert_eq!(got.len(), 2);
    assert_eq!(got[1].data(), br#"{"n":1,"ref":"refs/heads/main"}"#);
    assert_eq!(got[1].header("gatepost-replay"), replay["id"].as_str().expect("an id"));
    eventually("nothing undelivered", PATIENCE, async || {
        (command(&journey, &gatepost, &dry).await["progress"]["owed"] == 0).then_some(())
    })
    .await;

    let fresh = ["replays", "create", "--reroute", "--new-ids", "--wait", "--type", "github.push"];
    assert_eq!(command(&journey, &gatepost, &fresh).await["progress"]["owed"], 2);
    let got = journey.backend.wait_for(4, PATIENCE).await;
    assert!(got.iter().all(|delivery| delivery.envelope()["id"] == delivery.header("webhook-id")));
    gatepost.stop().await;
}

async fn a_cancelled_replay_stops_and_leaves_the_rest(engine: Engine) {
    const COUNT: usize = 40;
    let journey = journey(engine, |file| file).await;
    let gatepost = journey.run().await;
    journey.backend.answer(404);
    for n in 0..COUNT {
        push(&gatepost, n).await;
    }
    wait_for_dead(&gatepost, COUNT).await;
    journey.backend.answer(204);
    let began = std::time::Instant::now();
    let replay = command(&journey, &gatepost, &["replays", "create", "--rate", "5"]).await;
    let id = replay["id"].as_str().expect("an id");
    let show = format!("/v1/replays/{id}");
    eventually("some of it", PATIENCE, async || {
        (get(&gatepost, &show).await["progress"]["owed"].as_u64() >= Some(5)).then_some(())
    })
    .await;
    command(&journey, &gatepost, &["replays", "cancel", id]).await;
    let ended = eventually("its end", PATIENCE, async || {
        Some(get(&gatepost, &show).await).filter(|replay| replay["state"] == "cancelled")
    })
    .await;
    let owed = usize::try_from(ended["progress"]["owed"].as_u64().expect("a number")).expect("few");
    let most = began.elapsed().as_secs_f64() * 5.0 + 5.0;
    assert!(owed < COUNT && (owed as f64) <= most, "{owed} owed, at most {most:.0} by its rate");
    wait_for_dead(&gatepost, COUNT - owed).await;
    journey.backend.wait_for(owed, PATIENCE).await;
    eventually("each of them", PATIENCE, async || (journey.backend.got().len() == COUNT + owed).then_some(())).await;
    let listed = command(&journey, &gatepost, &["replays", "list"]).await;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
    gatepost.stop().await;
    assert_eq!(journey.backend.got().len(), COUNT + owed, "nothing more came");
}

async fn a_killed_replay_goes_on_where_it_was(engine: Engine) {
    const COUNT: usize = 150;
    let journey = journey(engine, with_filter("event.data.n < 0")).await;
    let gatepost = journey.run().await;
    for n in 0..COUNT {
        push(&gatepost, n).await;
    }
    eventually("all filtered", PATIENCE, async || {
        (gatepost.metric("gatepost_router_events_routed_total", "filtered").await > COUNT as f64 - 0.5).then_some(())
    })
    .await;
    gatepost.stop().await;
    let file = std::fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
    journey.home.write("gatepost.toml", &file.replace("event.data.n < 0", "event.data.n >= 0"));
    let gatepost = journey.run().await;
    let replay = command(&journey, &gatepost, &["replays", "create", "--reroute", "--rate", "30"]).await;
    let show = format!("/v1/replays/{}", replay["id"].as_str().expect("an id"));
    journey.backend.wait_for(40, PATIENCE).await;
    gatepost.kill().await;
    let before = journey.backend.got().len();
    assert!(before < COUNT, "it was killed in the middle");

    let gatepost = journey.run().await;
    let ended = eventually("its end", PATIENCE, async || {
        Some(get(&gatepost, &show).await).filter(|replay| replay["state"] == "done")
    })
    .await;
    assert_eq!(ended["progress"]["owed"], COUNT);
    journey.backend.wait_for(COUNT, PATIENCE).await;
    eventually("nothing left to do", PATIENCE, async || {
        let waiting = gatepost.metric("gatepost_router_waiting_deliveries", "").await;
        let under_way = gatepost.metric("gatepost_router_attempts", "").await;
        (waiting + under_way < 0.5).then_some(())
    })
    .await;
    gatepost.stop().await;
    let repeats = journey.backend.got().len() - COUNT;
    // What was under way at the kill: the destination's attempts at once, and as many whose ends were being stored.
    assert!(repeats <= 32, "{repeats} repeats");
}

async fn without_a_key_that_fits_every_route_answers_401_and_nothing_changes(engine: Engine) {
    let journey = journey(engine, |file| file).await;
    let gatepost = journey.run().await;
    journey.backend.answer(404);
    push(&gatepost, 1).await;
    let letter = wait_for_dead(&gatepost, 1).await.remove(0);
    let (id, event) = (letter["id"].as_str().expect("an id"), letter["event"]["id"].as_str().expect("an id"));
    let replay = "rpl_vq8dnczpjzyge74bfs6h4xrjaq";
    let routes = [
        (Method::GET, "/v1/deliveries?status=dead".to_owned(), 200),
        (Method::GET, format!("/v1/deliveries/{id}"), 200),
        (Method::GET, "/v1/events".to_owned(), 200),
        (Method::GET, format!("/v1/events/{event}"), 200),
        (Method::GET, format!("/v1/events/{event}/body"), 200),
        (Method::GET, "/v1/replays".to_owned(), 200),
        (Method::GET, format!("/v1/replays/{replay}"), 404),
        (Method::POST, format!("/v1/replays/{replay}/cancel"), 404),
        (Method::DELETE, "/v1/replays".to_owned(), 405),
        (Method::GET, "/".to_owned(), 404),
        (Method::GET, "/v1/nothing".to_owned(), 404),
        (Method::POST, "/v1/replays".to_owned(), 202),
    ];
    for key in [None, Some(""), Some("wrong"), Some(&KEY[1..])] {
        for (method, path, _) in &routes {
            let answer = ask(&gatepost, method.clone(), path, key, "{}").await;
            assert_eq!(answer.status.as_u16(), 401, "{method} {path} with {key:?}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert!(!answer.body.windows(4).any(|part| part == b"dlv_"), "it tells nothing");
        }
        assert_eq!(get(&gatepost, "/v1/replays").await["items"], serde_json::json!([]), "nothing was asked for");
    }
    assert_eq!(journey.backend.got().len(), 1);
    for (method, path, expected) in &routes {
        let answer = ask(&gatepost, method.clone(), path, Some(KEY), "{\"dry_run\":true}").await;
        assert_eq!(answer.status.as_u16(), *expected, "{method} {path}: {}", String::from_utf8_lossy(&answer.body));
    }
    for bad in ["{", "{\"rout\":true}", "{\"rate\":0}", "[]"] {
        let answer = ask(&gatepost, Method::POST, "/v1/replays", Some(KEY), bad).await;
        assert!(answer.status.is_client_error(), "{bad}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{bad}");
    }
    tokio::time::timeout(Duration::from_secs(30), gatepost.stop()).await.expect("it stops");
}
