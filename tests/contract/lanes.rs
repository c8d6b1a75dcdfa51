//! Where deliveries wait.

use std::time::{Duration, Instant};

use gatepost_event::{
    Lane, Queued, StoreError, Task,
    store::{LaneCount, LeaseKey, Tailed},
};

use crate::{
    fixture::{Fixture, contract},
    journey::{self, Logs, heads, owe},
    make, wait,
};

contract! {
    what_was_routed_twice_is_owed_once,
    a_lane_keeps_its_order_over_a_restart,
    a_long_lane_is_read_on_from_where_it_was_left,
    an_ordered_delivery_waits_in_the_lane_of_its_connection,
    a_long_lane_does_not_delay_another,
    the_tail_hears_what_arrives,
    an_unreadable_event_does_not_stop_the_log,
    a_closed_store_says_so,
}

/// Deliveries that wait in one lane while another is asked.
const BACKLOG: usize = 20_000;

/// The longest that any lane's head may take, however long the others are.
const HEADS_MAX: Duration = Duration::from_secs(5);

async fn what_was_routed_twice_is_owed_once(fixture: &Fixture) {
    let store = fixture.open().await;
    journey::append(&store, make::event("acme", "1")).await;
    let mut logs = Logs::open(&store).await;
    let events = logs.take(1).await;
    let tasks = ["a", "b"].map(|to| make::task(events[0].at, "acme", to)).to_vec();
    logs.record(&store, &events, tasks.clone()).await;
    logs.record(&store, &events, tasks.clone()).await;
    for task in &tasks {
        assert_eq!(heads(&store, &Lane::of(task), 0, 10).await.len(), 1);
    }

    // A router that crashed before it knew: it makes the tasks again, with fresh delivery ids.
    logs.release(&store).await;
    let store = fixture.reopen(store).await;
    let logs = Logs::open(&store).await;
    let again = ["a", "b"].map(|to| make::task(events[0].at, "acme", to)).to_vec();
    logs.record(&store, &events, again).await;
    for task in &tasks {
        assert_eq!(journey::only_head(&store, &Lane::of(task)).await.task, *task);
    }
    store.close().await;
}

async fn a_lane_keeps_its_order_over_a_restart(fixture: &Fixture) {
    let store = fixture.open().await;
    let tasks = owe(&store, "acme", &journey::ids("event", 20), &["a", "b"]).await;
    let store = fixture.reopen(store).await;
    for destination in ["a", "b"] {
        let owed: Vec<&Task> = tasks.iter().filter(|task| task.destination.as_str() == destination).collect();
        let lane = Lane::of(owed[0]);
        let all = heads(&store, &lane, 0, 100).await;
        assert_eq!(all.iter().map(|queued| &queued.task).collect::<Vec<_>>(), owed);
        assert!(all.is_sorted_by_key(|queued| queued.position));
        assert_eq!(heads(&store, &lane, 0, 3).await, all[..3]);
        assert_eq!(heads(&store, &lane, all[2].position, 5).await, all[3..8]);
        assert_eq!(heads(&store, &lane, all[19].position, 5).await, []);
        let counts = store.lanes(journey::shard(&store, &lane)).await.expect("the lanes are listed");
        assert!(counts.contains(&LaneCount { lane, waiting: 20 }), "{counts:?}");
    }
    store.close().await;
}

/// A page of it may be what stands in a row, what others stand between, or what some have left.
async fn a_long_lane_is_read_on_from_where_it_was_left(fixture: &Fixture) {
    let store = fixture.open().await;
    let owed = owe(&store, "acme", &journey::ids("first", 150), &["a"]).await;
    for (number, between) in ["b", "c", "d", "e", "f"].iter().enumerate() {
        owe(&store, "acme", &journey::ids(&format!("between-{number}"), 3), &[*between]).await;
        owe(&store, "acme", &journey::ids(&format!("then-{number}"), 30), &["a"]).await;
    }
    let lane = Lane::of(&owed[0]);
    let gone = heads(&store, &lane, 0, 125).await.split_off(120);
    for queued in &gone {
        store.finish(journey::shard(&store, &lane), queued, &make::attempt(queued, 200)).await.expect("it is finished");
    }

    let mut one_by_one = Vec::new();
    while let Some(next) = heads(&store, &lane, last_of(&one_by_one), 1).await.pop() {
        one_by_one.push(next);
    }
    assert_eq!(one_by_one.len(), 150 + 5 * 30 - gone.len());
    for limit in [32, 40, 100] {
        let mut read = heads(&store, &lane, 0, 1).await;
        loop {
            let page = heads(&store, &lane, last_of(&read), limit).await;
            assert!(page.len() == limit || read.len() + page.len() == one_by_one.len(), "{} of {limit}", page.len());
            read.extend(page);
            if read.len() >= one_by_one.len() {
                break;
            }
        }
        assert_eq!(read, one_by_one);
    }
    store.close().await;
}

fn last_of(read: &[Queued]) -> u64 {
    read.last().map_or(0, |last| last.position)
}

async fn an_ordered_delivery_waits_in_the_lane_of_its_connection(fixture: &Fixture) {
    let store = fixture.open().await;
    for connection in ["acme", "umbrella"] {
        journey::append(&store, make::event(connection, "1")).await;
    }
    let mut logs = Logs::open(&store).await;
    let events = logs.take(2).await;
    let tasks: Vec<Task> = events
        .iter()
        .map(|event| {
            let connection = event.event.as_ref().expect("readable").meta.connection.clone().expect("its connection");
            Task { ordered: true, ..make::task(event.at, connection.as_str(), "a") }
        })
        .collect();
    logs.record(&store, &events, tasks.clone()).await;
    assert_ne!(Lane::of(&tasks[0]), Lane::of(&tasks[1]));
    for task in &tasks {
        assert_eq!(journey::only_head(&store, &Lane::of(task)).await.task, *task);
    }
    let unordered = Lane::of(&Task { ordered: false, ..tasks[0].clone() });
    assert_eq!(heads(&store, &unordered, 0, 10).await, []);
    store.close().await;
}

async fn a_long_lane_does_not_delay_another(fixture: &Fixture) {
    let store = fixture.open().await;
    let ids = journey::ids("event", BACKLOG);
    let mut first = None;
    for ids in ids.chunks(1_000) {
        let tasks = owe(&store, "acme", ids, &["dead"]).await;
        first = first.or_else(|| tasks.into_iter().next());
    }
    let tasks = owe(&store, "acme", &journey::ids("other", 1), &["alive"]).await;

    let asked = Instant::now();
    let head = heads(&store, &Lane::of(&tasks[0]), 0, 1).await;
    assert_eq!(head.iter().map(|queued| &queued.task).collect::<Vec<_>>(), [&tasks[0]]);
    let first = first.expect("a task");
    let head = heads(&store, &Lane::of(&first), 0, 1).await;
    assert_eq!(head.iter().map(|queued| &queued.task).collect::<Vec<_>>(), [&first]);
    assert!(asked.elapsed() < HEADS_MAX, "two heads took {:?}", asked.elapsed());
    store.close().await;
}

async fn the_tail_hears_what_arrives(fixture: &Fixture) {
    let store = fixture.open().await;
    owe(&store, "acme", &journey::ids("before", 1), &["a"]).await;
    let shard = journey::shard(&store, &Lane::of(&owe(&store, "acme", &journey::ids("probe", 1), &["a"]).await[0]));
    let mut tail = store.tail(shard).await.expect("the tail opens");
    let tasks = owe(&store, "acme", &journey::ids("after", 3), &["a"]).await;
    for task in &tasks {
        let (lane, heard) = journey::arrival(&mut tail).await;
        assert_eq!((lane, &heard.task), (Lane::of(task), task));
        let head = heads(&store, &lane, heard.position - 1, 1).await;
        assert_eq!(head, [heard], "what is heard stands in the lane at that position");
    }
    let more = tokio::time::timeout(Duration::from_millis(200), tail.next()).await;
    assert!(!matches!(more, Ok(Ok(Tailed::Arrived(..)))), "{more:?}");
    store.close().await;
}

async fn an_unreadable_event_does_not_stop_the_log(fixture: &Fixture) {
    let store = fixture.open().await;
    for id in ["1", "2", "3"] {
        journey::append(&store, make::event("acme", id)).await;
    }
    store.close().await;
    drop(store);
    fixture.spoil(make::event("acme", "2").meta.id).await;

    let store = fixture.open().await;
    let events = Logs::open(&store).await.take(3).await;
    assert_eq!(events[1].at.id, make::event("acme", "2").meta.id);
    let error = events[1].event.as_ref().expect_err("it can't be read");
    assert!(error.contains("version 99"), "{error}");
    assert!(events[0].event.is_ok() && events[2].event.is_ok());
    assert!(matches!(store.event(&events[1].at).await, Err(StoreError::Corrupt(_))));
    assert!(matches!(store.event(&events[0].at).await, Ok(Some(_))));
    store.close().await;
}

async fn a_closed_store_says_so(fixture: &Fixture) {
    let store = fixture.open().await;
    let mut logs = Logs::open(&store).await;
    let mut tail = store.tail(0).await.expect("the tail opens");
    let task = &owe_with(&store, &mut logs).await;
    let head = journey::only_head(&store, &Lane::of(task)).await;
    store.close().await;

    let append = store.append(vec![make::to_log(make::event("acme", "2"))], wait::soon()).await;
    assert_eq!(append, Err(StoreError::Closed));
    assert_eq!(store.finish(0, &head, &make::attempt(&head, 200)).await, Err(StoreError::Closed));
    assert_eq!(store.census().await, Err(StoreError::Closed));
    assert!(matches!(store.acquire(LeaseKey::Shard(0), "router-a").await, Err(StoreError::Closed)));
    assert_eq!(store.quarantine(&make::refusal("github", 1, "")).await, Err(StoreError::Closed));
    wait::eventually("the end of the tail", async || tail.next().await.is_err().then_some(())).await;
    store.close().await;
}

async fn owe_with(store: &gatepost_event::Store, logs: &mut Logs) -> Task {
    journey::append(store, make::event("acme", "1")).await;
    let events = logs.take(1).await;
    let task = make::task(events[0].at, "acme", "a");
    logs.record(store, &events, vec![task.clone()]).await;
    task
}
