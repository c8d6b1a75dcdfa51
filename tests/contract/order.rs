//! Ordered lanes: what failed stays first.

use std::time::Duration;

use gatepost_config::Timestamp;
use gatepost_event::{DeadReason, Ending, Lane, Queued, Store, Task};

use crate::{
    fixture::{Fixture, contract},
    journey::{self, Logs, heads},
    make, wait,
};

contract! {
    a_failed_task_stays_first_with_its_attempt_and_time,
    what_failed_and_stays_is_waiting_until_it_ends,
    a_failure_recorded_twice_is_one_attempt,
    what_is_known_of_an_ended_task_says_nothing_about_the_next,
    tenants_wait_apart,
}

/// Two ordered deliveries of one connection.
async fn two(store: &Store) -> (Lane, u16, Vec<Queued>) {
    for id in ["1", "2"] {
        journey::append(store, make::event("acme", id)).await;
    }
    let mut logs = Logs::open(store).await;
    let events = logs.take(2).await;
    let ordered = |task| Task { ordered: true, ..task };
    let tasks: Vec<Task> = events.iter().map(|event| ordered(make::task(event.at, "acme", "a"))).collect();
    logs.record(store, &events, tasks.clone()).await;
    logs.release(store).await;
    let lane = Lane::of(&tasks[0]);
    let found = heads(store, &lane, 0, 10).await;
    assert_eq!(found.iter().map(|queued| &queued.task).collect::<Vec<_>>(), tasks.iter().collect::<Vec<_>>());
    (lane, journey::shard(store, &lane), found)
}

async fn a_failed_task_stays_first_with_its_attempt_and_time(fixture: &Fixture) {
    let store = fixture.open().await;
    let (lane, shard, queued) = two(&store).await;
    let mut first = queued[0].clone();
    for attempt in 2..=4 {
        let due = Timestamp::now().after(Duration::from_secs(3600 * u64::from(attempt)));
        store.retry(shard, &first, &make::attempt(&first, 500), due).await.expect("it is recorded");
        first = Queued { task: first.task.next_attempt(due), ..first };
        assert_eq!((first.task.attempt, first.task.not_before), (attempt, Some(due)));
        assert_eq!(heads(&store, &lane, 0, 10).await, [first.clone(), queued[1].clone()]);
    }
    let store = fixture.reopen(store).await;
    assert_eq!(heads(&store, &lane, 0, 10).await, [first.clone(), queued[1].clone()]);
    assert_eq!(heads(&store, &lane, 0, 1).await, [first.clone()]);
    assert_eq!(heads(&store, &lane, first.position, 10).await, [queued[1].clone()]);
    store.close().await;
}

async fn what_failed_and_stays_is_waiting_until_it_ends(fixture: &Fixture) {
    let store = fixture.open().await;
    let (lane, shard, queued) = two(&store).await;
    let mut ended = Vec::new();
    for (n, head) in queued.into_iter().enumerate() {
        let due = Timestamp::now().after(Duration::from_secs(3600));
        store.retry(shard, &head, &make::attempt(&head, 500), due).await.expect("it is recorded");
        let census = store.census().await.expect("it counts");
        assert_eq!((census.in_lanes, census.scheduled, census.waiting()), (2 - n as u64, 0, 2 - n as u64));
        let head = Queued { task: head.task.next_attempt(due), ..head };
        if n == 0 {
            store.finish(shard, &head, &make::attempt(&head, 200)).await.expect("it ends");
        } else {
            let event = store.event(&head.task.event).await.expect("it is read").expect("it is there");
            store.bury(shard, &head, &make::letter(&head, event, DeadReason::Exhausted)).await.expect("it ends");
        }
        ended.push(head);
    }
    let census = store.census().await.expect("it counts");
    assert_eq!((census.in_lanes, census.scheduled), (0, 0));
    assert_eq!((census.ended.get(&Ending::Delivered), census.ended.get(&Ending::Dead)), (Some(&1), Some(&1)));
    assert_eq!(heads(&store, &lane, 0, 10).await, []);
    let store = fixture.reopen(store).await;
    assert_eq!(heads(&store, &lane, 0, 10).await, [], "nothing is left beside the lane that could come back");
    store.close().await;
}

async fn a_failure_recorded_twice_is_one_attempt(fixture: &Fixture) {
    let store = fixture.open().await;
    let (lane, shard, queued) = two(&store).await;
    let due = Timestamp::now().after(Duration::from_secs(3600));
    let attempt = make::attempt(&queued[0], 500);
    for _ in 0..2 {
        store.retry(shard, &queued[0], &attempt, due).await.expect("it is recorded");
    }
    assert_eq!(heads(&store, &lane, 0, 10).await[0].task.attempt, 2);
    let recorded = wait::eventually("the record", async || {
        let recorded = store.attempts(0, 10).await.expect("they are read");
        (!recorded.is_empty()).then_some(recorded)
    })
    .await;
    assert_eq!(recorded.into_iter().map(|(_, attempt)| attempt).collect::<Vec<_>>(), [attempt]);
    store.close().await;
}

async fn what_is_known_of_an_ended_task_says_nothing_about_the_next(fixture: &Fixture) {
    let store = fixture.open().await;
    let (lane, shard, queued) = two(&store).await;
    let due = Timestamp::now().after(Duration::from_secs(3600));
    store.retry(shard, &queued[0], &make::attempt(&queued[0], 500), due).await.expect("it is recorded");
    // As after a crash: whoever ends it has not heard of the failure.
    store.finish(shard, &queued[0], &make::attempt(&queued[0], 200)).await.expect("it ends");
    assert_eq!(heads(&store, &lane, 0, 10).await, [queued[1].clone()]);
    store.close().await;
}

async fn tenants_wait_apart(fixture: &Fixture) {
    let store = fixture.open().await;
    for connection in ["acme", "umbrella"] {
        journey::owe(&store, connection, &journey::ids(connection, 3), &["shared"]).await;
    }
    let lanes: Vec<_> = {
        let mut all = Vec::new();
        for shard in 0..store.shards() {
            all.extend(store.lanes(shard).await.expect("they are listed"));
        }
        all
    };
    assert_eq!(lanes.iter().map(|count| count.waiting).collect::<Vec<_>>(), [3, 3]);
    assert_eq!(lanes[0].lane.destination, lanes[1].lane.destination);
    assert_ne!(lanes[0].lane.tenant, lanes[1].lane.tenant);
    store.close().await;
}
