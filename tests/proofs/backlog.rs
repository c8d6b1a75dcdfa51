//! 200,000 deliveries waiting for a dead destination A, then one for B: B is attempted within a second.

use std::time::{Duration, Instant};

use gatepost_config::{Timestamp, provider::Trust};
use gatepost_event::{
    DeliveryId, Event, EventId, EventRef, Meta, RequestId, Store, Task,
    store::{Appended, Item, LeaseKey, Place, Routed},
};
use gatepost_tests::{backend::Backend, github::Webhook, nats_server::NatsServer};

use crate::setup::{SECRET, Site};

/// Deliveries that wait for A.
const BACKLOG: u64 = 200_000;
/// Tasks in one store call.
const CHUNK: u64 = 2_000;

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
    fill(&store).await;
    let waiting = store.census().await.expect("a census").waiting();
    store.close().await;
    assert_eq!(waiting, BACKLOG);

    site.start("all", &[]).await;
    let address = site.address("all").read().unwrap().clone();
    for n in 0..5 {
        let webhook = Webhook::signed(SECRET, "push", &format!("for-b-{n}"), r#"{"installation":{"id":1}}"#);
        let answer = webhook.post(&address, "github").await.expect("an answer");
        assert_eq!(answer.result(), "stored");
        let posted = Instant::now();
        let deliveries = other.wait_for(n + 1, Duration::from_secs(30)).await;
        let took = deliveries[n].at.saturating_duration_since(posted);
        println!("BACKLOG {BACKLOG} waiting for A; one for B attempted after {took:?}");
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    site.stop_all().await;
}

/// Owes one event to A, many times over.
async fn fill(store: &Store) {
    let now = Timestamp::now();
    let event = event(now);
    let deadline = Instant::now() + Duration::from_secs(5);
    let items = vec![Item { event: event.clone(), place: Place::Log }];
    assert_eq!(store.append(items, deadline).await.expect("stored"), [Appended::Stored]);
    let (lease, at) = find(store, event.meta.id).await;
    for chunk in 0..BACKLOG / CHUNK {
        let tasks = (0..CHUNK).map(|n| {
            // Each task refers to a place of its own, since a task is known by its event and place.
            let at = EventRef { id: EventId::of("a", "b", &format!("{chunk}-{n}"), None), ..at };
            task(at, now)
        });
        let routed = Routed { partition: at.partition, through: at.sequence, tasks: tasks.collect(), ..Routed::default() };
        store.routed(&lease, routed).await.expect("routed");
    }
    store.release(lease).await.expect("released");
}

/// The partition that holds an event, as its owner.
async fn find(store: &Store, id: EventId) -> (gatepost_event::store::Lease, EventRef) {
    for partition in 0..store.partitions() {
        let lease = store.acquire(LeaseKey::Partition(partition), "fill").await.expect("asked").expect("free");
        let mut log = store.log(&lease, partition).await.expect("open");
        let next = tokio::time::timeout(Duration::from_millis(500), log.next(1)).await;
        if let Ok(Ok(events)) = next
            && let Some(found) = events.iter().find(|event| event.at.id == id)
        {
            return (lease, found.at);
        }
        store.release(lease).await.expect("released");
    }
    panic!("{id} is in no partition");
}

fn event(now: Timestamp) -> Event {
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
        occurred_at: None,
        received_at: now,
        headers: Vec::new(),
        content_type: Some("application/json".to_owned()),
        key_id: None,
    };
    Event { meta, body: "{}".into() }
}

fn task(event: EventRef, now: Timestamp) -> Task {
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
    }
}
