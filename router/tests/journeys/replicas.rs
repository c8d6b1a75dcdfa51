//! Several routers on one NATS store.

use std::{collections::HashSet, time::Duration};

use gatepost_event::Ending;

use crate::support::{
    Rig, config, destination, eventually,
    nats::Nats,
    receiver::{Answer, Receiver},
    route,
    stored::events,
};

const LEASES: f64 = 6.0;

fn leases(rig: &Rig) -> f64 {
    rig.metric("gatepost_router_leases", &[("kind", "partition")])
        + rig.metric("gatepost_router_leases", &[("kind", "shard")])
}

fn ids(receiver: &Receiver) -> (usize, usize) {
    let mut ids: Vec<_> = receiver.got().iter().map(|got| got.header("webhook-id").to_owned()).collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    (all, ids.len())
}

/// Four destinations, so that their lanes are in several shards.
async fn backends() -> (Vec<Receiver>, String) {
    let mut receivers = Vec::new();
    let mut sections = String::new();
    for n in 0..4 {
        let receiver = Receiver::always(Answer::Late(204, Duration::from_millis(2))).await;
        sections.push_str(&destination(&format!("backend-{n}"), &receiver.url("/"), "timeout = \"2s\""));
        receivers.push(receiver);
    }
    sections.push_str(&route("all", &["backend-0", "backend-1", "backend-2", "backend-3"]));
    (receivers, sections)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_routers_share_the_work_and_one_takes_over_all_of_it() {
    let nats = Nats::start();
    let (receivers, sections) = backends().await;
    let config = nats.in_config(config(&sections));
    let mut one = Rig::over(nats.open(&config).await, config.clone());
    let mut two = Rig::over(nats.open(&config).await, config);
    one.run();
    two.run();
    eventually("each has its half", || async { leases(&one) == LEASES / 2.0 && leases(&two) == LEASES / 2.0 }).await;

    one.append(events("shared", 100)).await;
    one.ended(Ending::Delivered, 400).await;
    for receiver in &receivers {
        assert_eq!(ids(receiver), (100, 100), "each once");
    }

    one.append(events("while-one-dies", 100)).await;
    receivers[0].wait_for(110).await;
    two.kill().await;
    for receiver in &receivers {
        eventually("all came", || async { ids(receiver).1 == 200 }).await;
    }
    let census = one.census(|census| census.waiting() == 0).await;
    assert_eq!((census.ended.get(&Ending::Delivered), census.ended.len()), (Some(&800), 1), "{census:?}");
    for receiver in &receivers {
        let (all, different) = ids(receiver);
        assert_eq!(different, 200);
        // 16 attempts at once, and as many whose end is being stored.
        assert!(all - different <= 32, "{} repeats, more than were under way", all - different);
    }
    eventually("it has all", || async { leases(&one) == LEASES }).await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_lives_through_an_outage_of_the_store() {
    let mut nats = Nats::start();
    let (receivers, sections) = backends().await;
    let config = nats.in_config(config(&sections));
    let mut rig = Rig::over(nats.open(&config).await, config);
    rig.run();
    rig.append(events("before", 50)).await;
    receivers[0].wait_for(10).await;
    nats.kill();
    eventually("its leases run out", || async { leases(&rig) == 0.0 }).await;
    nats.restart();
    eventually("the store answers", || async { rig.store.census().await.is_ok() }).await;
    rig.append(events("after", 50)).await;
    for receiver in &receivers {
        eventually("all came", || async { ids(receiver).1 == 100 }).await;
    }
    // A delivery whose end was cut short by the outage is counted before it leaves its lane.
    let census = rig.census(|census| census.waiting() == 0).await;
    let got = receivers.iter().flat_map(Receiver::got);
    let deliveries: HashSet<_> = got.map(|got| got.header("gatepost-delivery-id").to_owned()).collect();
    assert_eq!(deliveries.len(), 400, "a repeat is of the same delivery");
    assert_eq!((census.ended.get(&Ending::Delivered), census.ended.len()), (Some(&400), 1), "{census:?}");
    for receiver in &receivers {
        let (all, different) = ids(receiver);
        assert_eq!(different, 100);
        assert!(all - different <= 16, "{} repeats", all - different);
    }
    rig.stop().await;
}
