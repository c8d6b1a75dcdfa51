//! GitHub's Redeliver: the same delivery id once more, after the customer has repaired the handler.

use std::collections::BTreeSet;

use gatepost_tests::{gatepost::Gatepost, github::Webhook, wait::eventually};

use crate::setup::{Engine, Journey, PATIENCE, SECRET, each_engine};

each_engine!(a_redelivery_after_the_handler_was_fixed_arrives_once_where_it_died_and_where_it_waits);

/// Two destinations at one handler: one gives up soon, the other tries again in an hour.
async fn journey(engine: Engine) -> Journey {
    let journey = Journey::new(engine, "forward", &BTreeSet::new()).await;
    let file = std::fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
    let (head, rest) = file.split_once("schedule = [").expect("a schedule");
    let (_, rest) = rest.split_once(']').expect("its end");
    let file = format!("{head}schedule = [\"0s\", \"50ms\", \"50ms\"]{rest}")
        .replace("forward = [\"backend\"]", "forward = [\"backend\", \"patient\"]");
    let url = journey.backend.url();
    let patient = format!(
        "\n[[destination]]\nid = \"patient\"\nurl = \"{url}\"\nprivate = true\nsecrets = [{{ file = \"signing\" }}]\n\
         schedule = [\"0s\", \"1h\"]\n"
    );
    journey.home.write("gatepost.toml", &format!("{file}{patient}"));
    journey
}

async fn push(gatepost: &Gatepost, result: &str) {
    let webhook =
        Webhook::signed(SECRET, "push", "72d3162e-cc78-11e3-81ab-4c9367dc0958", r#"{"ref":"refs/heads/main"}"#);
    let answer = webhook.post(&gatepost.gateway().await, "github").await.expect("an answer");
    assert_eq!((answer.status.as_u16(), answer.result()), (200, result));
}

/// Waits until so many redeliveries were noted, or found to be enough, and every noted one was dealt with.
async fn dealt_with(gatepost: &Gatepost, count: f64) {
    eventually("a redelivery that was dealt with", PATIENCE, async || {
        let told = gatepost.metric("gatepost_gateway_redeliveries_total", "").await;
        let noted = gatepost.metric("gatepost_gateway_redeliveries_total", "noted").await;
        let dealt = gatepost.metric("gatepost_router_redeliveries_total", "").await;
        (told >= count && dealt >= noted).then_some(())
    })
    .await;
}

async fn a_redelivery_after_the_handler_was_fixed_arrives_once_where_it_died_and_where_it_waits(engine: Engine) {
    let journey = journey(engine).await;
    let gatepost = journey.run().await;
    journey.backend.answer(500);
    push(&gatepost, "stored").await;
    let ended = async |outcome: &str| gatepost.metric("gatepost_router_deliveries_total", outcome).await;
    eventually("one is dead, the other waits", PATIENCE, async || {
        (ended("dead").await > 0.5 && ended("retried").await > 2.5).then_some(())
    })
    .await;
    assert_eq!(journey.backend.got().len(), 4);

    journey.backend.answer(204);
    push(&gatepost, "duplicate").await;
    eventually("both arrive", PATIENCE, async || (ended("delivered").await > 1.5).then_some(())).await;
    dealt_with(&gatepost, 1.0).await;
    push(&gatepost, "duplicate").await;
    dealt_with(&gatepost, 2.0).await;
    let again = gatepost.metric("gatepost_router_rearmed_total", "").await;
    gatepost.stop().await;
    let got = journey.backend.got();
    assert_eq!(got.len(), 6, "each arrives once");
    assert!((again - 2.0).abs() < 0.1, "{again} re-armed");
    let ids: BTreeSet<_> = got.iter().map(|delivery| delivery.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 1, "all copies of the event have its id");
    let deliveries = |range: std::ops::Range<usize>| -> BTreeSet<_> {
        got[range].iter().map(|delivery| delivery.header("gatepost-delivery-id").to_owned()).collect()
    };
    assert_eq!((deliveries(0..4).len(), deliveries(4..6)), (2, deliveries(0..4)), "and each delivery its own");
    let attempts: BTreeSet<_> =
        got[4..].iter().map(|delivery| delivery.header("gatepost-attempt").to_owned()).collect();
    assert_eq!(attempts, ["1", "2"].map(str::to_owned).into(), "the dead one begins anew, the other one goes on");

    let store = journey.store().await;
    let census = store.census().await.expect("it counts");
    let sum = census.ended.values().sum::<u64>() + census.waiting() + census.unmatched;
    assert_eq!((census.waiting(), census.replayed, sum), (0, 1, 3), "{census:?}");
    store.close().await;
}
