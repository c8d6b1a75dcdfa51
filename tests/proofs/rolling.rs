//! Two gateways and two routers restarted in turn under load: no request is refused that a retry doesn't get through.

use std::time::Duration;

use gatepost_tests::nats_server::NatsServer;

use crate::{
    load::{Load, settle},
    rounds,
    setup::Site,
};

/// Pause between two posts of a worker.
const PACE: Duration = Duration::from_millis(5);
/// The processes: name and role.
const PROCESSES: [(&str, &str); 4] =
    [("gateway-a", "gateway"), ("router-a", "router"), ("gateway-b", "gateway"), ("router-b", "router")];

#[tokio::test(flavor = "multi_thread")]
async fn rolling_restart_of_two_gateways_and_two_routers_loses_nothing() {
    let mut site = Site::new(Some(NatsServer::start().await)).await;
    for (name, role) in PROCESSES {
        site.start(name, &[role]).await;
    }
    let load = Load::start(vec![site.address("gateway-a"), site.address("gateway-b")], PACE);
    let turns = rounds(1, 12);
    for _ in 0..turns {
        for (name, role) in PROCESSES {
            load.more(50).await;
            site.stop(name).await;
            site.start(name, &[role]).await;
        }
    }
    let ledger = load.stop().await;
    assert!(ledger.answers.keys().all(|status| [0, 200, 503].contains(status)), "{:?}", ledger.answers);
    settle(&mut site, &ledger, "rolling", &format!("{turns} turns of SIGTERM and start over 4 processes")).await;
}
