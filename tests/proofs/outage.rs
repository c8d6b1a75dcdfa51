//! NATS stopped: 503 with Retry-After inside the answer deadline, and recovery alone.

use std::time::Duration;

use gatepost_tests::{github::Webhook, nats_server::NatsServer, wait::eventually};

use crate::{
    load::{Load, settle},
    rounds,
    setup::{SECRET, Site},
};

/// The answer deadline, and what a busy machine may add to it; in the short form, which runs beside others, more.
fn answer_within() -> Duration {
    Duration::from_millis(2_500 + rounds(5_000, 500) as u64)
}
/// Pause between two posts of a worker.
const PACE: Duration = Duration::from_millis(5);

#[tokio::test(flavor = "multi_thread")]
async fn outage_of_nats_is_answered_503_in_time_and_recovers_alone() {
    let mut site = Site::new(Some(NatsServer::start().await)).await;
    site.start("gateway", &["gateway"]).await;
    site.start("router", &["router"]).await;
    let load = Load::start(vec![site.address("gateway")], PACE);
    let outages = rounds(2, 10);
    for outage in 0..outages {
        load.more(50).await;
        let nats = site.nats.as_mut().expect("on NATS");
        nats.kill9().await;
        let refused = answers(&load, 503);
        eventually("answers 503", Duration::from_secs(20), async || (answers(&load, 503) > refused + 20).then_some(()))
            .await;
        let address = site.address("gateway").read().unwrap().clone();
        let webhook = Webhook::signed(SECRET, "push", &format!("during-{outage}"), r#"{"installation":{"id":1}}"#);
        let answer = webhook.post(&address, "github").await.expect("the gateway answers for itself");
        assert_eq!(answer.status.as_u16(), 503);
        assert!(!answer.header("retry-after").is_empty());
        site.nats.as_mut().expect("on NATS").restart().await;
        load.more(20).await;
    }
    let ledger = load.stop().await;
    assert_eq!(ledger.without_retry_after, 0, "every 503 carries Retry-After");
    assert!(ledger.slowest < answer_within(), "the slowest answer took {:?}", ledger.slowest);
    assert!(ledger.answers.keys().all(|status| [200, 503].contains(status)), "{:?}", ledger.answers);
    settle(&mut site, &ledger, "outage", &format!("{outages} x nats-server away")).await;
}

fn answers(load: &Load, status: u16) -> usize {
    load.ledger().answers.get(&status).copied().unwrap_or_default()
}
