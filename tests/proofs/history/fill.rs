//! A store full of events of every fate, made through the store's own operations as gateways and routers do.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use gatepost_config::{Timestamp, provider::Trust};
use gatepost_event::{
    Attempt, AttemptError, DeadLetter, DeadReason, DeliveryId, Ending, Event, EventId, EventRef, Lane, Meta, Queued,
    RequestId, Store, Task,
    dead::DeadNote,
    store::{Item, Lease, LeaseKey, Log, Place, Routed, StoredEvent, Tail, Tailed},
};

/// Events in one store call.
const CHUNK: usize = 1_000;
/// Ends told at once.
const AT_ONCE: usize = 256;
/// After how many events fates come again.
pub(super) const FATES: usize = 20;

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Delivered,
    Filtered,
    Unrouted,
    Dead,
    Waiting,
}

/// Of the event with this number.
pub(super) const fn fate(n: usize) -> Fate {
    match n % FATES {
        0..14 => Fate::Delivered,
        14..16 => Fate::Filtered,
        16..18 => Fate::Unrouted,
        18 => Fate::Dead,
        _ => Fate::Waiting,
    }
}

impl Fate {
    /// Its word in the API.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Filtered => "filtered",
            Self::Unrouted => "unrouted",
            Self::Dead => "dead",
            Self::Waiting => "waiting",
        }
    }
}

pub(super) fn connection(n: usize) -> String {
    format!("c{}", n % 1_000)
}

pub(super) fn tenant(n: usize) -> String {
    format!("t{}", n % 200)
}

pub(super) fn account(n: usize) -> String {
    format!("{}", 7_000_000 + n % 1_000)
}

pub(super) fn kind(n: usize) -> String {
    format!("github.kind{}.done", n % 30)
}

pub(super) fn city(n: usize) -> String {
    format!("city{}", n % 400)
}

/// Stores events and brings each to its fate.
pub(super) async fn fill(store: &Store, count: usize) {
    let mut logs = own(store).await;
    let destination = gatepost_event::subject::destination_token(&"backend".parse().expect("an id"));
    let shard = destination.spread(store.shards());
    let mut tail = store.tail(shard).await.expect("the tail opens");
    for first in (0..count).step_by(CHUNK) {
        let numbers = first..(first + CHUNK).min(count);
        let items = numbers.clone().map(|n| Item { event: event(n), place: Place::Log }).collect();
        store.append(items, Instant::now() + Duration::from_secs(30)).await.expect("stored");
        let owed = route(store, &mut logs, numbers.len()).await;
        let queued = arrivals(&mut tail, owed).await;
        let ends = stream::iter(queued).map(|queued| end(store, shard, queued));
        ends.buffer_unordered(AT_ONCE).try_collect::<()>().await.expect("it ends");
    }
    for (lease, log) in logs {
        drop(log);
        store.release(lease).await.expect("released");
    }
}

async fn own(store: &Store) -> Vec<(Lease, Log)> {
    let mut logs = Vec::new();
    for partition in 0..store.partitions() {
        let lease = store.acquire(LeaseKey::Partition(partition), "fill").await.expect("asked").expect("free");
        let log = store.log(&lease, partition).await.expect("open");
        logs.push((lease, log));
    }
    logs
}

/// Routes so many events; how many deliveries are owed.
async fn route(store: &Store, logs: &mut [(Lease, Log)], mut left: usize) -> usize {
    let mut owed = 0;
    while left > 0 {
        for (partition, (lease, log)) in (0..).zip(logs.iter_mut()) {
            assert!(store.renew(lease).await.expect("asked"), "still the owner");
            let wait = Duration::from_millis(if store.partitions() == 1 { 30_000 } else { 20 });
            let Ok(events) = tokio::time::timeout(wait, log.next(left.max(1))).await else { continue };
            let events = events.expect("readable");
            let through = events.last().expect("at least one").at.sequence;
            let mut routed = Routed { partition, through, ..Routed::default() };
            for event in &events {
                match fate(number(event)) {
                    Fate::Filtered => routed.ended.push((event.at, Ending::Filtered)),
                    Fate::Unrouted => routed.ended.push((event.at, Ending::Unrouted)),
                    Fate::Delivered | Fate::Dead | Fate::Waiting => routed.tasks.push(task(event.at, number(event))),
                }
            }
            owed += routed.tasks.len();
            left -= events.len();
            store.routed(lease, routed).await.expect("routed");
            if left == 0 {
                break;
            }
        }
    }
    owed
}

async fn arrivals(tail: &mut Tail, count: usize) -> Vec<Queued> {
    let mut queued = Vec::new();
    while queued.len() < count {
        match tail.next().await.expect("heard") {
            Tailed::Arrived(_, task) => queued.push(task),
            Tailed::Sooner(_) => {}
            Tailed::Missed => panic!("fewer at once than a tail may be behind"),
        }
    }
    queued
}

async fn end(store: &Store, shard: u16, queued: Queued) -> Result<(), gatepost_event::StoreError> {
    debug_assert_eq!(Lane::of(&queued.task).destination.spread(store.shards()), shard);
    let n = usize::try_from(queued.task.bytes).expect("small");
    match fate(n) {
        Fate::Delivered => store.finish(shard, &queued, &attempt(&queued, 204)).await,
        Fate::Dead => {
            let note = DeadNote {
                delivery: queued.task.delivery,
                destination: Some(queued.task.destination.clone()),
                sync: None,
                route: Some(queued.task.route.clone()),
                attempts: 1,
                reason: DeadReason::FinalStatus,
                detail: None,
                last: Some(attempt(&queued, 404)),
                died_at: Timestamp::now(),
            };
            store.bury(shard, &queued, &DeadLetter { note, event: Some(event(n)) }).await
        }
        Fate::Waiting | Fate::Filtered | Fate::Unrouted => Ok(()),
    }
}

fn number(event: &StoredEvent) -> usize {
    let event = event.event.as_ref().expect("readable");
    let id = event.meta.provider_event_id.as_ref().expect("named");
    id.strip_prefix("n-").and_then(|n| n.parse().ok()).expect("its number")
}

fn event(n: usize) -> Event {
    let now = Timestamp::now();
    let meta = Meta {
        id: EventId::of("github", &connection(n), &format!("n-{n}"), None),
        request: RequestId::fresh(now),
        integration: if n.is_multiple_of(3) { "gitlab" } else { "github" }.parse().expect("an id"),
        provider: "github".parse().expect("a name"),
        connection: Some(connection(n).parse().expect("an id")),
        tenant: Some(tenant(n).parse().expect("an id")),
        account: Some(account(n)),
        kind: kind(n),
        provider_type: Some(format!("kind{}", n % 30)),
        provider_event_id: Some(format!("n-{n}")),
        trust: Trust::Verified,
        redacted: false,
        occurred_at: None,
        received_at: now,
        headers: vec![("x-github-event".to_owned(), "push".to_owned())],
        content_type: Some("application/json".to_owned()),
        key_id: None,
        destination: None,
    };
    let city = city(n);
    let body = format!(
        r#"{{"ref":"refs/heads/main","number":{n},"pusher":{{"name":"user{n}","email":"user{n}@example.com","city":"{city}"}},"commits":[{{"id":"{n:040x}","message":"Change number {n} of the example, made in {city}","added":["src/lib.rs"],"modified":["README.md"],"removed":[]}}],"repository":{{"id":{account},"full_name":"example/repository-{repository}","private":false,"url":"https://example.com/example/repository-{repository}"}}}}"#,
        account = account(n),
        repository = n % 1_000,
    );
    Event { meta, body: body.into() }
}

fn task(at: EventRef, n: usize) -> Task {
    Task {
        delivery: DeliveryId::of(&at, "to backend"),
        event: at,
        destination: "backend".parse().expect("an id"),
        route: "all".parse().expect("an id"),
        integration: "github".parse().expect("an id"),
        connection: Some(connection(n).parse().expect("an id")),
        tenant: Some(tenant(n).parse().expect("an id")),
        attempt: 1,
        created_at: Timestamp::now(),
        ordered: false,
        not_before: None,
        // Tells whoever ends it which event it is of.
        bytes: n as u64,
        replay: None,
        sync: None,
    }
}

fn attempt(queued: &Queued, status: u16) -> Attempt {
    Attempt {
        delivery: queued.task.delivery,
        event: queued.task.event.id,
        destination: queued.task.destination.clone(),
        number: 1,
        started_at: Timestamp::now(),
        duration_ms: 12,
        phases: gatepost_event::attempt::Phases::default(),
        status: Some(status),
        error: (status >= 300).then_some(AttemptError::Status),
        response: "thanks".to_owned(),
        key_ids: vec!["k1".to_owned()],
    }
}
