//! When a delivery that waits for a retry's time is attempted again.

use std::time::Duration;

use gatepost_config::Timestamp;
use gatepost_event::{DeliveryId, Lane, Queued, Store, Task, store::NextAttempt};

use crate::{
    fixture::{Fixture, contract},
    journey::{self, heads, owe},
    make,
};

contract! {
    a_retry_says_when_it_is_due_and_which_attempt_it_is,
    in_an_ordered_lane_the_first_one_says_when_it_goes,
}

const HOUR: Duration = Duration::from_secs(3600);

async fn next(store: &Store, task: &Task, now: Timestamp) -> Option<NextAttempt> {
    let ordered = Lane::of(&Task { ordered: true, ..task.clone() });
    store.next_attempt(task.delivery, &ordered, now).await.expect("it is answered")
}

async fn fail(store: &Store, lane: &Lane, head: &Queued, due: Timestamp) {
    store.retry(journey::shard(store, lane), head, &make::attempt(head, 500), due).await.expect("it waits");
}

async fn a_retry_says_when_it_is_due_and_which_attempt_it_is(fixture: &Fixture) {
    let store = fixture.open().await;
    let tasks = owe(&store, "acme", &journey::ids("event", 2), &["a", "b"]).await;
    let (lane, now) = (Lane::of(&tasks[0]), Timestamp::now());
    let (sooner, later) = (now.after(HOUR), now.after(2 * HOUR));
    for (head, due) in heads(&store, &lane, 0, 10).await.iter().zip([sooner, later]) {
        fail(&store, &lane, head, due).await;
    }
    let store = fixture.reopen(store).await;
    let expected = |task: &Task, due| Some(NextAttempt { delivery: task.delivery, number: 2, due });
    assert_eq!(next(&store, &tasks[0], now).await, expected(&tasks[0], sooner));
    assert_eq!(next(&store, &tasks[2], now).await, expected(&tasks[2], later));
    assert_eq!(next(&store, &tasks[0], sooner).await, None, "its time has come");
    assert_eq!(next(&store, &tasks[1], now).await, None, "it is in its lane");
    let never = Task { delivery: DeliveryId::fresh(now), ..tasks[0].clone() };
    assert_eq!(next(&store, &never, now).await, None, "nobody knows it");
    store.close().await;
}

async fn in_an_ordered_lane_the_first_one_says_when_it_goes(fixture: &Fixture) {
    let store = fixture.open().await;
    for id in ["1", "2"] {
        journey::append(&store, make::event("acme", id)).await;
    }
    let mut logs = journey::Logs::open(&store).await;
    let events = logs.take(2).await;
    let ordered = |task| Task { ordered: true, ..task };
    let tasks: Vec<_> = events.iter().map(|event| ordered(make::task(event.at, "acme", "a"))).collect();
    logs.record(&store, &events, tasks.clone()).await;
    logs.release(&store).await;
    let (lane, now) = (Lane::of(&tasks[0]), Timestamp::now());
    assert_eq!(lane, Lane::ordered(&tasks[0].destination, &make::event("acme", "1").meta), "as an event says it");
    assert_eq!(next(&store, &tasks[0], now).await, None, "it waits for nothing");

    let due = now.after(HOUR);
    fail(&store, &lane, &heads(&store, &lane, 0, 1).await[0], due).await;
    let store = fixture.reopen(store).await;
    let head = Some(NextAttempt { delivery: tasks[0].delivery, number: 2, due });
    assert_eq!(next(&store, &tasks[0], now).await, head);
    assert_eq!(next(&store, &tasks[1], now).await, head, "it waits behind the first one");
    assert_eq!(next(&store, &tasks[1], due).await, None, "whose time has come");

    let first = heads(&store, &lane, 0, 1).await.remove(0);
    store.finish(journey::shard(&store, &lane), &first, &make::attempt(&first, 200)).await.expect("it ends");
    assert_eq!(next(&store, &tasks[1], now).await, None, "nothing is before it any more");
    store.close().await;
}
