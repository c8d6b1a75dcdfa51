//! `kill -9` at random points under load: nothing acknowledged is lost, and copies share their `webhook-id`.

use std::time::Duration;

use gatepost_tests::nats_server::NatsServer;

use crate::{
    load::{Load, settle},
    rounds,
    setup::Site,
};

/// Events between two kills: between these.
const EVENTS_BETWEEN: std::ops::Range<usize> = 20..120;
/// Pause between two posts of a worker.
const PACE: Duration = Duration::from_millis(5);

#[tokio::test(flavor = "multi_thread")]
async fn crash_of_the_one_process_on_the_embedded_store() {
    let mut site = Site::new(None).await;
    site.start("all", &[]).await;
    let load = Load::start(vec![site.address("all")], PACE);
    let kills = rounds(4, 60);
    for _ in 0..kills {
        load.more(rand::random_range(EVENTS_BETWEEN)).await;
        site.kill("all").await;
        site.start("all", &[]).await;
    }
    let ledger = load.stop().await;
    settle(&mut site, &ledger, "crash, embedded", &format!("{kills} x kill -9 of the process")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn crash_of_gateway_router_and_nats_server() {
    let mut site = Site::new(Some(NatsServer::start().await)).await;
    site.start("gateway", &["gateway"]).await;
    site.start("router", &["router"]).await;
    let load = Load::start(vec![site.address("gateway")], PACE);
    let each = rounds(2, 20);
    let mut victims: Vec<_> = ["gateway", "router", "nats-server"].repeat(each);
    while !victims.is_empty() {
        let victim = victims.swap_remove(rand::random_range(0..victims.len()));
        load.more(rand::random_range(EVENTS_BETWEEN)).await;
        match victim {
            "nats-server" => {
                let nats = site.nats.as_mut().expect("on NATS");
                nats.kill9().await;
                nats.restart().await;
            }
            role => {
                let name = if role == "gateway" { "gateway" } else { "router" };
                site.kill(name).await;
                site.start(name, &[name]).await;
            }
        }
    }
    let ledger = load.stop().await;
    let faults = format!("{each} x kill -9 of each of gateway, router and nats-server");
    settle(&mut site, &ledger, "crash, NATS", &faults).await;
}
