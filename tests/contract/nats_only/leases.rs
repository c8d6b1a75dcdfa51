//! Ownership among several processes.

use std::time::Duration;

use gatepost_event::{
    StoreError,
    store::{LeaseKey, Routed, types::LEASE_TTL},
};
use gatepost_tests::nats_server::NatsServer;

use crate::{
    fixture::{Setup, nats},
    journey::{self, lease},
    make, wait,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_was_renewed_runs_out_too() {
    let server = NatsServer::start().await;
    let store = nats::open(nats::settings(vec![server.url()], 1), &Setup::default()).await;
    let key = LeaseKey::Shard(0);
    let mut a = lease(&store, key, "router-a").await;
    assert_eq!(store.renew(&mut a).await, Ok(true));
    assert_eq!(store.renew(&mut a).await, Ok(true));
    let renewed = std::time::Instant::now();
    let b = lease(&store, key, "router-b").await;
    assert!(renewed.elapsed() + Duration::from_millis(500) >= LEASE_TTL, "taken from an owner that lives");
    assert!(a.valid_until <= std::time::Instant::now(), "two owners at once");
    assert_eq!(store.renew(&mut a).await, Ok(false));
    assert!(b.epoch > a.epoch);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_outlives_a_restart_of_the_server_no_longer_than_its_time() {
    let mut server = NatsServer::start().await;
    let store = nats::open(nats::settings(vec![server.url()], 1), &Setup::default()).await;
    let key = LeaseKey::Partition(1);
    let mut a = lease(&store, key, "router-a").await;
    server.kill9().await;
    assert!(matches!(store.renew(&mut a).await, Err(StoreError::Unavailable(_))));
    server.restart().await;
    wait::eventually("the renewal", async || (store.renew(&mut a).await == Ok(true)).then_some(())).await;
    assert_eq!(store.acquire(key, "router-b").await.expect("it is asked").map(|lease| lease.owner), None);
    lease(&store, key, "router-b").await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_that_took_over_is_noticed_at_once() {
    let server = NatsServer::start().await;
    let settings = nats::settings(vec![server.url()], 1);
    let (a, b) = (nats::open(settings.clone(), &Setup::default()).await, nats::open(settings, &Setup::default()).await);
    for n in 0..4 {
        journey::append(&a, make::event("acme", &n.to_string())).await;
    }
    let partition = {
        let token = gatepost_event::subject::connection_token(&make::integration(), Some(&make::id("acme")), None);
        token.spread(a.partitions())
    };
    let key = LeaseKey::Partition(partition);
    let old = lease(&a, key, "router-a").await;
    let mut log = a.log(&old, partition).await.expect("it is opened");
    let mut events = Vec::new();
    while events.len() < 4 {
        events.extend(wait::within(wait::SOON, log.next(10)).await.expect("they are read"));
    }
    let through = |n: usize| Routed { partition, through: events[n].at.sequence, ..Routed::default() };
    a.routed(&old, through(0)).await.expect("it is its owner");
    a.routed(&old, through(1)).await.expect("it is its owner");

    // The old owner believes that it still has its lease, as after a pause of its clock.
    a.release(old.clone()).await.expect("it is released");
    let new = lease(&b, key, "router-b").await;
    let mut log = b.log(&new, partition).await.expect("it is opened");
    let next = wait::within(wait::SOON, log.next(1)).await.expect("they are read");
    assert_eq!(next[0].at.sequence, events[2].at.sequence, "the cursor was not written at the release");
    assert_eq!(a.routed(&old, through(3)).await, Err(StoreError::LeaseLost));
    assert_eq!(b.routed(&new, through(2)).await, Ok(()));
    for store in [a, b] {
        store.close().await;
    }
}
