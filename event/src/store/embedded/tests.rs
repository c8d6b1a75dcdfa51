//! What can't be brought about from outside: a disk without room, and one caller's change that fails.

use std::time::{Duration, Instant};

use bytes::Bytes;
use gatepost_config::{Engine, Retention, Timestamp, provider::Trust};

use super::{Change, Embedded, Kind, open::DATABASE};
use crate::{
    Event, EventId, EventRef, Meta, RequestId, StoreError,
    store::types::{Appended, Item, LeaseKey, Place},
};

pub(super) async fn open(folder: &std::path::Path, dedupe_window: Option<Duration>) -> Embedded {
    let day = Duration::from_hours(24);
    let retention = Retention { events: 14 * day, dead_letters: day, unmatched: day, quarantine: day, audit: day };
    let engine = Engine::Embedded { path: folder.to_owned() };
    let settings = gatepost_config::Store { dedupe_window, engine };
    Embedded::open(folder, &settings, (&retention).into()).await.expect("the store opens")
}

pub(super) fn event(id: &str, bytes: usize) -> Event {
    let now = Timestamp::now();
    let meta = Meta {
        id: EventId::of("github", "acme", id, None),
        request: RequestId::fresh(now),
        integration: "github".parse().expect("an id"),
        provider: "github".parse().expect("an id"),
        connection: None,
        tenant: None,
        account: None,
        kind: "github.push".to_owned(),
        provider_type: None,
        provider_event_id: Some(id.to_owned()),
        trust: Trust::Verified,
        redacted: false,
        occurred_at: None,
        received_at: now,
        headers: Vec::new(),
        content_type: None,
        key_id: None,
        destination: None,
    };
    Event { meta, body: Bytes::from(vec![b'x'; bytes]) }
}

async fn append(store: &Embedded, id: &str, bytes: usize) -> Result<Appended, StoreError> {
    let item = Item { event: event(id, bytes), place: Place::Log };
    let answers = store.append(vec![item], Instant::now() + Duration::from_secs(30)).await?;
    Ok(answers[0])
}

pub(super) async fn run(store: &Embedded, sql: &'static str) -> Result<(), StoreError> {
    store.write(Kind::Completion, Change::Batch(sql), 0).await.map(drop)
}

#[tokio::test]
async fn a_store_without_room_says_so_and_goes_on_when_there_is_room_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), None).await;
    append(&store, "before", 2_000).await.expect("there is room");
    run(&store, "PRAGMA max_page_count = 1").await.expect("no page more than now");
    let mut acknowledged = vec!["before".to_owned()];
    let full = loop {
        let id = format!("event-{}", acknowledged.len());
        match append(&store, &id, 100_000).await {
            Ok(_) => acknowledged.push(id),
            Err(error) => break error,
        }
        assert!(acknowledged.len() < 100, "it is never full");
    };
    assert!(matches!(full, StoreError::Full(_)), "{full:?}");
    let counted = store.census().await.expect("reading goes on").unrouted_yet;
    assert_eq!(counted, acknowledged.len() as u64);
    assert!(matches!(append(&store, "again", 100_000).await, Err(StoreError::Full(_))));

    run(&store, "PRAGMA max_page_count = 4294967294").await.expect("there is room again");
    assert_eq!(append(&store, "again", 100_000).await, Ok(Appended::Stored));
    store.close().await;
    let store = open(folder.path(), None).await;
    for id in &acknowledged {
        assert!(matches!(append(&store, id, 10).await, Ok(Appended::Duplicate(_))), "{id}");
    }
    store.close().await;
}

#[tokio::test]
async fn a_change_that_fails_does_not_fail_those_that_are_committed_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), None).await;
    // While this one runs the others gather, and are taken into one commit.
    let slow = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 300000)
        SELECT count(*) FROM n";
    let (slow, failed, stored) = tokio::join!(
        run(&store, slow),
        run(&store, "INSERT INTO no_such_table VALUES (1)"),
        futures::future::join_all((0..20).map(|n| {
            let store = store.clone();
            async move { append(&store, &format!("event-{n}"), 10).await }
        })),
    );
    assert_eq!(slow, Ok(()));
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
    assert_eq!(stored, vec![Ok(Appended::Stored); 20]);
    assert_eq!(store.census().await.expect("it counts").unrouted_yet, 20);
    store.close().await;
}

#[tokio::test]
async fn an_append_past_its_deadline_is_refused_and_not_stored() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), None).await;
    let item = Item { event: event("late", 10), place: Place::Log };
    let late = store.append(vec![item], Instant::now() - Duration::from_millis(1)).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    assert_eq!(append(&store, "late", 10).await, Ok(Appended::Stored));
    store.close().await;
}

/// A large body stands in a file, and what was committed long ago is not in memory any more.
#[tokio::test]
async fn who_follows_the_log_gets_each_event_once_and_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), None).await;
    let lease = store.acquire(LeaseKey::Partition(0), "a router").await.expect("it is asked").expect("it is free");
    let mut log = store.log(&lease, 0).await.expect("the log opens");
    let mut read = Vec::new();
    for round in 0..12 {
        let large = if round % 5 == 2 { 600 * 1024 } else { 3_000 };
        let bytes = |n| if n == 50 { large } else { 3_000 };
        let items = (0..200).map(|n| Item { event: event(&format!("{round}-{n}"), bytes(n)), place: Place::Log });
        store.append(items.collect(), Instant::now() + Duration::from_secs(30)).await.expect("they are stored");
        // Every third round it keeps up; after the last it catches up with what is left.
        while round % 3 == 0 && read.len() < (round + 1) * 200 || round == 11 && read.len() < 2_400 {
            let next = tokio::time::timeout(Duration::from_secs(30), log.next(64)).await;
            read.extend(next.expect("within 30 s").expect("it goes on"));
        }
    }
    let sequences: Vec<u64> = read.iter().map(|event| event.at.sequence).collect();
    assert_eq!(sequences, (1..=2_400).collect::<Vec<_>>());
    for (n, stored) in read.iter().enumerate() {
        let event = stored.event.as_ref().expect("readable");
        assert_eq!(event.meta.provider_event_id, Some(format!("{}-{}", n / 200, n % 200)));
        assert_eq!(event.body.len(), if n % 1_000 == 450 { 600 * 1024 } else { 3_000 });
        assert_eq!((stored.at.id, stored.at.received_at), (event.meta.id, event.meta.received_at));
    }
    store.close().await;
}

#[tokio::test]
async fn events_that_are_read_at_once_are_each_whole_or_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), None).await;
    let events: Vec<Event> = (0..150).map(|n| event(&n.to_string(), 10 + n)).collect();
    let items = events.iter().map(|event| Item { event: event.clone(), place: Place::Log }).collect();
    store.append(items, Instant::now() + Duration::from_secs(30)).await.expect("they are stored");
    run(&store, "UPDATE event_1 SET frame = x'63' WHERE sequence = 8").await.expect("one is spoilt");
    let at = |n: usize, event: &Event| EventRef {
        id: event.meta.id,
        partition: 0,
        sequence: n as u64 + 1,
        received_at: event.meta.received_at,
    };
    let all: Vec<EventRef> = events.iter().enumerate().map(|(n, event)| at(n, event)).collect();
    let elsewhere = EventRef { sequence: 2, ..all[0] };
    let reads = futures::future::join_all(all.iter().chain([&elsewhere]).map(|at| store.event(at))).await;
    for (n, read) in reads.iter().enumerate() {
        match n {
            7 => assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}"),
            150 => assert_eq!(read, &Ok(None), "no such event there"),
            n => assert_eq!(read, &Ok(Some(events[n].clone())), "{n}"),
        }
    }
    store.close().await;
    assert_eq!(store.event(&all[0]).await, Err(StoreError::Closed));
}

/// SQLite doesn't sync what only logs events, so that a power failure takes it back; here the database of before does.
#[tokio::test]
async fn events_whose_rows_a_power_failure_took_are_restored_from_their_frames() {
    let folder = tempfile::tempdir().expect("a folder");
    let ids: Vec<String> = (0..40).map(|n| format!("event-{n}")).collect();
    let store = open(folder.path(), None).await;
    append(&store, &ids[0], 10).await.expect("it is stored");
    store.close().await;
    let database = folder.path().join(DATABASE);
    let before = std::fs::read(&database).expect("it is closed");

    let store = open(folder.path(), None).await;
    for (n, id) in ids.iter().enumerate().skip(1) {
        append(&store, id, 100 * n).await.expect("it is stored");
    }
    let all = async |store: &Embedded| {
        let events = store.events(0, 0, 100).await.expect("they are read").into_iter();
        events.map(|stored| (stored.at, stored.event)).collect::<Vec<_>>()
    };
    let written = all(&store).await;
    store.close().await;
    std::fs::write(&database, before).expect("it is put back");

    for _ in 0..2 {
        let store = open(folder.path(), None).await;
        assert_eq!(store.census().await.expect("it counts").unrouted_yet, 40);
        assert_eq!(all(&store).await, written);
        assert!(matches!(append(&store, &ids[39], 10).await, Ok(Appended::Duplicate(Some(at))) if at.sequence == 40));
        store.close().await;
    }
    let store = open(folder.path(), None).await;
    assert_eq!(append(&store, "after", 10).await, Ok(Appended::Stored));
    let last = store.events(0, 40, 100).await.expect("it is read");
    assert_eq!(last.iter().map(|event| event.at.sequence).collect::<Vec<_>>(), [41]);
    store.close().await;
}

#[tokio::test]
async fn an_event_whose_frame_can_t_be_written_is_refused_and_nothing_is_left_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), None).await;
    append(&store, "before", 10).await.expect("it is stored");
    let (frames, aside) = (folder.path().join("frames"), folder.path().join("aside"));
    std::fs::rename(&frames, &aside).expect("it is taken away");
    let refused = append(&store, "refused", 10).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(store.census().await.expect("it counts").unrouted_yet, 1);
    std::fs::rename(&aside, &frames).expect("it is there again");
    assert_eq!(append(&store, "refused", 10).await, Ok(Appended::Stored));
    let events = store.events(0, 0, 100).await.expect("they are read");
    assert!(events.iter().all(|event| event.event.is_ok()) && events.len() == 2, "{events:?}");
    store.close().await;
}
