//! A provider sends an event once more.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gatepost_config::{Config, Timestamp};
use gatepost_event::{
    DeadReason, Ending, Event, Noted, Redelivery, ReplayId,
    store::{Appended, Census, Item, Place},
};

use crate::support::{
    PATIENCE, Rig, config, destination, eventually,
    nats::Nats,
    receiver::{Answer, Receiver},
    route,
    stored::event,
};

/// Waits for an hour after a failure.
const FAR: &str = r#"schedule = ["0s", "1h"]"#;

/// The event comes once more, by the provider's clock so much later than now.
async fn redeliver(rig: &Rig, event: &Event, later: Duration) {
    let items = vec![Item { event: event.clone(), place: Place::Log }];
    let appended = rig.store.append(items, Instant::now() + PATIENCE).await.expect("it is answered");
    let [Appended::Duplicate(Some(place))] = appended[..] else { panic!("{appended:?}") };
    let at = Timestamp::now().after(later);
    let redelivery = Redelivery { event: event.meta.id, place, at, replay: ReplayId::fresh(at) };
    assert_eq!(rig.store.note_redelivery(&redelivery, Instant::now() + PATIENCE).await, Ok(Noted::New));
}

fn sum(rigs: &[Rig], name: &str, labels: &[(&str, &str)]) -> u64 {
    rigs.iter().map(|rig| rig.metric(name, labels) as u64).sum()
}

fn rearmed(rigs: &[Rig]) -> (u64, u64) {
    let what = |what| sum(rigs, "gatepost_router_rearmed_total", &[("what", what)]);
    (what("retry"), what("dead_letter"))
}

fn dealt_with(rigs: &[Rig]) -> u64 {
    sum(rigs, "gatepost_router_redeliveries_total", &[])
}

/// What came of each event at each backend.
fn got(backends: &[&Receiver]) -> Vec<Vec<(String, String)>> {
    let told = |receiver: &&Receiver| {
        let got = receiver.got().into_iter();
        got.map(|got| (got.header("webhook-id").to_owned(), got.header("gatepost-delivery-id").to_owned())).collect()
    };
    backends.iter().map(told).collect()
}

/// Where each of these is one and the same delivery made twice: the first one failed.
fn twice(got: &[(String, String)], event: &Event) -> bool {
    let of: Vec<_> = got.iter().filter(|(id, _)| *id == event.meta.id.to_string()).collect();
    of.len() == 2 && of[0] == of[1]
}

async fn journey(make: impl AsyncFnOnce(Config) -> Vec<Rig>) {
    let fails_once = || Receiver::scripted([Answer::Status(500, None)]);
    let (far, dies, ordered) = (fails_once().await, fails_once().await, fails_once().await);
    let (good, late) = (Receiver::start().await, Receiver::start().await);
    let filtered = |filter: &str| format!("{}filter = \"{filter}\"\n", route("filtered", &["late", "good"]));
    let sections = [
        destination("far", &far.url("/"), FAR),
        destination("dies", &dies.url("/"), "final_statuses = [500]"),
        destination("ordered", &ordered.url("/"), FAR),
        destination("good", &good.url("/"), ""),
        destination("late", &late.url("/"), ""),
        route("all", &["far", "dies", "good"]),
        format!("{}ordered = true\n", route("in-order", &["ordered"])),
    ]
    .concat();
    let mut rigs = make(config(&format!("{sections}{}", filtered("event.data.nothing.at_all == 1")))).await;
    rigs.iter_mut().for_each(Rig::run);
    let (one, two) = (event("one", "github.push", "{}"), event("two", "github.push", "{}"));
    rigs[0].append(vec![one.clone()]).await;
    // Of each kind one: waits for its time, dead by its answer and by a filter, first in an ordered lane, delivered.
    let stuck = |delivered: u64, dead: u64, in_lanes: u64| {
        move |census: &Census| {
            let ended = [Ending::Delivered, Ending::Dead].map(|ending| census.ended.get(&ending).copied());
            ended == [Some(delivered), Some(dead)]
                && (census.unrouted_yet, census.scheduled, census.in_lanes) == (0, 1, in_lanes)
        }
    };
    rigs[0].census(stuck(1, 2, 1)).await;
    rigs[0].append(vec![two.clone()]).await;
    // The second arrives where nothing stands before it.
    rigs[0].census(stuck(4, 3, 2)).await;
    for rig in &rigs {
        rig.config.send_replace(Arc::new(config(&format!("{sections}{}", filtered("true")))));
    }

    redeliver(&rigs[0], &one, Duration::ZERO).await;
    let census = rigs[0].census(|census| census.waiting() == 0 && census.ended[&Ending::Delivered] == 9).await;
    eventually("it is counted", || async { dealt_with(&rigs) == 1 }).await;
    assert_eq!((rearmed(&rigs), census.replayed), ((2, 2), 2));
    let all = [&far, &dies, &ordered, &good, &late];
    let before = got(&all);
    for (at, got) in before.iter().take(3).enumerate() {
        assert!(twice(got, &one) && got.len() == 3, "{at}: {got:?}");
    }
    assert_eq!(ordered.got()[2].header("webhook-id"), two.meta.id.to_string(), "in its order");
    assert_eq!((before[3].len(), before[4].len()), (2, 1), "what was delivered is not repeated");
    let left = rigs[0].dead_letters().await;
    assert_eq!(left.len(), 1, "only of the event that came once more");
    assert_eq!(left[0].note.reason, DeadReason::FilterError);

    redeliver(&rigs[0], &one, Duration::from_secs(60)).await;
    eventually("it is dealt with", || async { dealt_with(&rigs) == 2 }).await;
    redeliver(&rigs[0], &two, Duration::from_secs(60)).await;
    rigs[0].census(|census| census.waiting() == 0 && census.ended[&Ending::Delivered] == 10).await;
    assert_eq!(got(&all)[..4], before[..4], "all of it was delivered");
    assert_eq!(late.got().len(), 2, "the positive control");
    for rig in &mut rigs {
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redelivery_re_arms_what_waits_or_is_dead_and_repeats_nothing_on_the_embedded_store() {
    journey(async |config| vec![Rig::stopped(config).await]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redelivery_re_arms_what_waits_or_is_dead_and_repeats_nothing_over_two_routers_on_nats() {
    let nats = Nats::start();
    journey(async |config| {
        let config = nats.in_config(config);
        let one = Rig::over(nats.open(&config).await, config.clone());
        let two = Rig::over(nats.open(&config).await, config);
        vec![one, two]
    })
    .await;
}
