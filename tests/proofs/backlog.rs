//! Deliveries waiting for a dead destination A (200,000 in the full form), then one for B: B is attempted within a second.

use std::time::{Duration, Instant};

use gatepost_config::{Timestamp, provider::Trust};
use gatepost_event::{
    DeliveryId, Event, EventId, EventRef, Meta, RequestId, Store, Task,
    store::{Appended, Item, Lease, LeaseKey, Log, Place, Routed},
};
use gatepost_tests::{backend::Backend, github::Webhook, nats_server::NatsServer};

use crate::{
    rounds,
    setup::{SECRET, Site},
};

/// Events in one store call.
const CHUNK: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn backlog_of_a_dead_destination_does_not_delay_another_on_embedded() {
    a_backlog_does_not_delay_another(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backlog_of_a_dead_destination_does_not_delay_another_on_nats() {
    a_backlog_does_not_delay_another(Some(NatsServer::start().await)).await;
}

async fn a_backlog_does_not_delay_another(nats: Option<NatsServer>) {
    let other = Backend::start().await;
    let refused = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let dead = format!("http://{refused}/dead");
    let mut site = Site::with_destinations(nats, &[("a", &dead), ("backend", &other.url())]).await;
    let store = site.store().await;
    let backlog = rounds(20_000, 200_000);
    fill(&store, backlog).await;
    let waiting = store.census().await.expect("a census").waiting();
    store.close().await;
    assert_eq!(waiting, u64::try_from(backlog).unwrap());

    site.start("all", &[]).await;
    let address = site.address("all").read().unwrap().clone();
    for n in 0..5 {
        let webhook = Webhook::signed(SECRET, "push", &format!("for-b-{n}"), r#"{"installation":{"id":1}}"#);
        let answer = webhook.post(&address, "github").await.expect("an answer");
        assert_eq!(answer.result(), "stored");
        let posted = Instant::now();
        let deliveries = other.wait_for(n + 1, Duration::from_secs(30)).await;
        let took = deliveries[n].at.saturating_duration_since(posted);
        println!("BACKLOG {backlog} waiting for A; one for B attempted after {took:?}");
        assert!(took < Duration::from_secs(rounds(20, 1) as u64), "{took:?}");
    }
    site.stop_all().await;
}

/// Stores events and owes each to A, as a router would.
pub(crate) async fn fill(store: &Store, count: usize) {
    let mut owned = None;
    let mut owed = 0;
    while owed < count {
        let chunk = CHUNK.min(count - owed);
        append(store, owed, chunk).await;
        if owned.is_none() {
            owned = Some(own(store).await);
        }
        let (lease, partition, log) = owned.as_mut().expect("found");
        assert!(store.renew(lease).await.expect("asked"), "still the owner");
        let mut left = chunk;
        while left > 0 {
            let events = log.next(CHUNK).await.expect("readable");
            let through = events.last().expect("at least one").at.sequence;
            let tasks: Vec<_> = events.iter().map(|event| task(event.at)).collect();
            left -= tasks.len();
            owed += tasks.len();
            let routed = Routed { partition: *partition, through, tasks, ..Routed::default() };
            store.routed(lease, routed).await.expect("routed");
        }
    }
    let (lease, _, log) = owned.expect("found");
    drop(log);
    store.release(lease).await.expect("released");
}

async fn append(store: &Store, first: usize, count: usize) {
    let numbered = first..first + count;
    let items = numbered.map(|n| Item { event: event(n, Timestamp::now()), place: Place::Log }).collect();
    let appended = store.append(items, Instant::now() + Duration::from_secs(30)).await.expect("stored");
    assert!(appended.iter().all(|appended| *appended == Appended::Stored));
}

/// Owns the one partition that holds the connection's events.
async fn own(store: &Store) -> (Lease, u16, Log) {
    for partition in 0..store.partitions() {
        let lease = store.acquire(LeaseKey::Partition(partition), "fill").await.expect("asked").expect("free");
        let mut log = store.log(&lease, partition).await.expect("open");
        if tokio::time::timeout(Duration::from_secs(1), log.next(1)).await.is_ok() {
            let log = store.log(&lease, partition).await.expect("open");
            return (lease, partition, log);
        }
        store.release(lease).await.expect("released");
    }
    panic!("no partition holds the events");
}

fn event(number: usize, now: Timestamp) -> Event {
    let meta = Meta {
        id: EventId::fresh(now),
        request: RequestId::fresh(now),
        integration: "github".parse().expect("an id"),
        provider: "github".parse().expect("a name"),
        connection: Some("c1".parse().expect("an id")),
        tenant: Some("c1".parse().expect("an id")),
        account: Some("1".to_owned()),
        kind: "github.push".to_owned(),
        provider_type: Some("push".to_owned()),
        provider_event_id: None,
        trust: Trust::Verified,
        redacted: false,
        occurred_at: None,
        received_at: now,
        headers: Vec::new(),
        content_type: Some("application/json".to_owned()),
        key_id: None,
        destination: None,
    };
    Event { meta, body: format!("{{\"number\":{number}}}").into() }
}

fn task(event: EventRef) -> Task {
    let now = Timestamp::now();
    Task {
        delivery: DeliveryId::fresh(now),
        event,
        destination: "a".parse().expect("an id"),
        route: "all".parse().expect("an id"),
        integration: "github".parse().expect("an id"),
        connection: Some("c1".parse().expect("an id")),
        tenant: Some("c1".parse().expect("an id")),
        attempt: 1,
        created_at: now,
        ordered: false,
        not_before: None,
        bytes: 0,
        replay: None,
        sync: None,
    }
}
