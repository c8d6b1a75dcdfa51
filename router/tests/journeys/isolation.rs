//! What one destination can't do to another.

use std::time::{Duration, Instant};

use gatepost_event::Ending;

use crate::support::{
    Rig, config, destination,
    receiver::{Answer, Receiver},
    stored::{event, events},
};

fn route_by_type(id: &str, kind: &str, to: &str) -> String {
    format!("\n[[route]]\nid = \"{id}\"\nevents = [\"{kind}\"]\nforward = [\"{to}\"]\n")
}

#[tokio::test]
async fn a_hanging_destination_with_a_backlog_delays_no_other() {
    let (dead, alive) = (Receiver::always(Answer::Hang).await, Receiver::start().await);
    let sections = [
        "\n[router]\nconcurrency = 6\n".to_owned(),
        destination("dead", &dead.url("/"), "concurrency = 4\ntimeout = \"60s\""),
        destination("alive", &alive.url("/"), ""),
        route_by_type("to-dead", "github.push", "dead"),
        route_by_type("to-alive", "github.ping", "alive"),
    ];
    let rig = Rig::start(config(&sections.concat())).await;
    rig.append(events("backlog", 500)).await;
    dead.wait_for(1).await;
    for n in 0..20 {
        let began = Instant::now();
        rig.append(vec![event(&format!("ping-{n}"), "github.ping", "{}")]).await;
        alive.wait_for(n + 1).await;
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    }
    rig.ended(Ending::Delivered, 20).await;
    assert_eq!(dead.got().len(), 1, "the probe, and nothing after it");
}

#[tokio::test]
async fn a_destination_never_sees_more_attempts_at_once_than_it_may() {
    let backend = Receiver::always(Answer::Late(204, Duration::from_millis(5))).await;
    let sections =
        [destination("backend", &backend.url("/"), "concurrency = 3"), route_by_type("all", "github.push", "backend")];
    let rig = Rig::start(config(&sections.concat())).await;
    rig.append(events("many", 200)).await;
    rig.ended(Ending::Delivered, 200).await;
    assert_eq!(backend.got().len(), 200, "each once");
    assert_eq!(backend.most_at_once(), 3);
}

#[tokio::test]
async fn all_destinations_together_never_see_more_than_the_router_may() {
    let backends = [
        Receiver::always(Answer::Late(204, Duration::from_millis(5))).await,
        Receiver::always(Answer::Late(204, Duration::from_millis(5))).await,
    ];
    let sections = [
        "\n[router]\nconcurrency = 2\n".to_owned(),
        destination("one", &backends[0].url("/"), ""),
        destination("two", &backends[1].url("/"), ""),
        "\n[[route]]\nid = \"all\"\nforward = [\"one\", \"two\"]\n".to_owned(),
    ];
    let rig = Rig::start(config(&sections.concat())).await;
    rig.append(events("many", 50)).await;
    rig.ended(Ending::Delivered, 100).await;
    assert!(backends[0].most_at_once() + backends[1].most_at_once() <= 4);
    assert!(backends.iter().all(|backend| backend.most_at_once() <= 2));
    let counts: Vec<_> = backends.iter().map(|backend| backend.got().len()).collect();
    assert_eq!(counts, [50, 50]);
}

#[tokio::test]
async fn a_backlog_far_beyond_what_is_remembered_is_delivered_once_each() {
    let backend = Receiver::start().await;
    let sections =
        [destination("backend", &backend.url("/"), "concurrency = 64"), route_by_type("all", "github.push", "backend")];
    let mut rig = Rig::stopped(config(&sections.concat())).await;
    for batch in 0..4 {
        rig.append(events(&format!("batch-{batch}"), 500)).await;
    }
    rig.run();
    rig.append(events("while-running", 500)).await;
    rig.ended(Ending::Delivered, 2500).await;
    let mut ids: Vec<_> = backend.got().iter().map(|got| got.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 2500);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2500);
}
