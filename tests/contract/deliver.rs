//! How a delivery goes on after an attempt.

use std::time::Duration;

use gatepost_config::Timestamp;
use gatepost_event::{DeadReason, Ending, Lane, Queued, Store, Task};

use crate::{
    fixture::{Fixture, contract},
    journey::{self, heads, owe},
    make, wait,
};

contract! {
    a_finished_delivery_is_owed_no_more_however_often_it_is_finished,
    a_retry_arrives_in_its_lane_when_it_is_due,
    a_retry_that_fell_due_while_the_store_was_closed_arrives,
    a_retry_that_is_due_already_arrives_at_once,
    a_retry_repeated_is_one_retry,
    a_dead_letter_keeps_the_body_and_the_reason,
    a_delivery_buried_twice_is_one_dead_letter,
    attempts_read_back_in_order,
}

/// A delivery that is owed, at the head of its lane.
async fn one(store: &Store) -> (Lane, Queued) {
    let task: Task = owe(store, "acme", &journey::ids("event", 1), &["a"]).await.remove(0);
    let lane = Lane::of(&task);
    (lane, journey::only_head(store, &lane).await)
}

async fn a_finished_delivery_is_owed_no_more_however_often_it_is_finished(fixture: &Fixture) {
    let store = fixture.open().await;
    let (lane, head) = one(&store).await;
    for _ in 0..3 {
        store.finish(journey::shard(&store, &lane), &head, &make::attempt(&head, 200)).await.expect("it is finished");
        assert_eq!(heads(&store, &lane, 0, 10).await, []);
    }
    let store = fixture.reopen(store).await;
    store.finish(journey::shard(&store, &lane), &head, &make::attempt(&head, 200)).await.expect("it is finished");
    assert_eq!(heads(&store, &lane, 0, 10).await, []);
    let delivered = wait::eventually("the count", async || {
        store.census().await.expect("it counts").ended.get(&Ending::Delivered).copied()
    });
    assert_eq!(delivered.await, 1);
    assert_eq!(store.attempts(0, 10).await.expect("they are read").len(), 1);
    store.close().await;
}

async fn a_retry_arrives_in_its_lane_when_it_is_due(fixture: &Fixture) {
    let store = fixture.open().await;
    let (lane, head) = one(&store).await;
    let shard = journey::shard(&store, &lane);
    let mut tail = store.tail(shard).await.expect("the tail opens");
    let due = Timestamp::now().after(Duration::from_millis(1_500));
    store.retry(shard, &head, &make::attempt(&head, 500), due).await.expect("it waits");
    let early = heads(&store, &lane, 0, 10).await;
    assert!(early.is_empty() || Timestamp::now() >= due, "it is in its lane before it is due");
    assert_eq!(store.census().await.expect("it counts").waiting(), 1);

    let (heard_of, heard) = journey::arrival(&mut tail).await;
    assert!(Timestamp::now() >= due, "it arrived {:?} early", due.since(Timestamp::now()));
    assert_eq!(heard_of, lane);
    assert_eq!(heard.task, Task { attempt: 2, ..head.task.clone() });
    assert!(heard.position > head.position);
    assert_eq!(heads(&store, &lane, 0, 10).await, [heard]);
    store.close().await;
}

async fn a_retry_that_fell_due_while_the_store_was_closed_arrives(fixture: &Fixture) {
    let store = fixture.open().await;
    let (lane, head) = one(&store).await;
    let due = Timestamp::now().after(Duration::from_millis(300));
    let shard = journey::shard(&store, &lane);
    store.retry(shard, &head, &make::attempt(&head, 500), due).await.expect("it waits");
    store.close().await;
    drop(store);
    wait::eventually("the retry's time", async || (Timestamp::now() > due).then_some(())).await;

    let store = fixture.open().await;
    let arrived = journey::only_head(&store, &lane).await;
    assert_eq!(arrived.task, Task { attempt: 2, ..head.task });
    store.close().await;
}

async fn a_retry_that_is_due_already_arrives_at_once(fixture: &Fixture) {
    let store = fixture.open().await;
    let (lane, head) = one(&store).await;
    let past = Timestamp::now().before(Duration::from_secs(5));
    let shard = journey::shard(&store, &lane);
    store.retry(shard, &head, &make::attempt(&head, 500), past).await.expect("it waits");
    let arrived = wait::eventually("the retry", async || {
        heads(&store, &lane, 0, 10).await.into_iter().find(|queued| queued.task.attempt == 2)
    });
    assert_eq!(arrived.await.task.delivery, head.task.delivery);
    store.close().await;
}

async fn a_retry_repeated_is_one_retry(fixture: &Fixture) {
    let store = fixture.open().await;
    let (lane, head) = one(&store).await;
    let due = Timestamp::now().after(Duration::from_millis(700));
    let shard = journey::shard(&store, &lane);
    for _ in 0..2 {
        store.retry(shard, &head, &make::attempt(&head, 500), due).await.expect("it waits");
    }
    let arrived = journey::only_head(&store, &lane).await;
    // After it fired, a late repeat is of a task that is gone.
    store.retry(shard, &head, &make::attempt(&head, 500), due).await.expect("nothing happens");
    store.finish(shard, &head, &make::attempt(&head, 200)).await.expect("nothing happens");
    assert_eq!(journey::only_head(&store, &lane).await, arrived);
    let census = store.census().await.expect("it counts");
    assert_eq!((census.in_lanes, census.scheduled), (1, 0));
    store.close().await;
}

async fn a_dead_letter_keeps_the_body_and_the_reason(fixture: &Fixture) {
    let store = fixture.open().await;
    let bodies = [make::noise(40), make::noise(700 * 1024)];
    for (n, body) in bodies.iter().enumerate() {
        journey::append(&store, make::with_body(make::event("acme", &n.to_string()), body.clone())).await;
    }
    let mut logs = journey::Logs::open(&store).await;
    let events = logs.take(2).await;
    let tasks: Vec<Task> = events.iter().map(|event| make::task(event.at, "acme", "a")).collect();
    logs.record(&store, &events, tasks.clone()).await;
    let lane = Lane::of(&tasks[0]);
    let mut letters = Vec::new();
    for (queued, event) in heads(&store, &lane, 0, 10).await.iter().zip(&events) {
        let letter = make::letter(queued, event.event.clone().expect("readable"), DeadReason::FinalStatus);
        store.bury(journey::shard(&store, &lane), queued, &letter).await.expect("it is buried");
        letters.push(letter);
    }
    logs.release(&store).await;

    let store = fixture.reopen(store).await;
    let read = store.dead_letters(0, 10).await.expect("they are read");
    assert_eq!(read.len(), 2);
    for ((_, read), letter) in read.iter().zip(&letters) {
        assert_eq!(read.note, letter.note);
        assert!(read.event == letter.event, "the event came back different");
    }
    let after = store.dead_letters(read[0].0, 10).await.expect("they are read");
    assert_eq!(after.iter().map(|(position, _)| *position).collect::<Vec<_>>(), [read[1].0]);
    assert_eq!(heads(&store, &lane, 0, 10).await, []);
    store.close().await;
}

async fn a_delivery_buried_twice_is_one_dead_letter(fixture: &Fixture) {
    let store = fixture.open().await;
    let (lane, head) = one(&store).await;
    let event = store.event(&head.task.event).await.expect("it is read").expect("it is there");
    let letter = make::letter(&head, event, DeadReason::Exhausted);
    for _ in 0..2 {
        store.bury(journey::shard(&store, &lane), &head, &letter).await.expect("it is buried");
    }
    let store = fixture.reopen(store).await;
    store.bury(journey::shard(&store, &lane), &head, &letter).await.expect("it is buried");
    assert_eq!(store.dead_letters(0, 10).await.expect("they are read").len(), 1);
    assert_eq!(store.census().await.expect("it counts").ended.get(&Ending::Dead), Some(&1));
    store.close().await;
}

async fn attempts_read_back_in_order(fixture: &Fixture) {
    let store = fixture.open().await;
    let (lane, mut head) = one(&store).await;
    let shard = journey::shard(&store, &lane);
    let mut made = Vec::new();
    for status in [500, 503] {
        let attempt = make::attempt(&head, status);
        store.retry(shard, &head, &attempt, Timestamp::now()).await.expect("it waits");
        made.push(attempt);
        let next = head.task.attempt + 1;
        head = wait::eventually("the retry", async || {
            heads(&store, &lane, 0, 10).await.into_iter().find(|queued| queued.task.attempt == next)
        })
        .await;
    }
    let last = make::attempt(&head, 204);
    store.finish(shard, &head, &last).await.expect("it is finished");
    made.push(last);

    // Failed attempts are recorded beside the delivery's way.
    let read = wait::eventually("every record", async || {
        let read = store.attempts(0, 10).await.expect("they are read");
        (read.len() >= made.len()).then_some(read)
    })
    .await;
    assert_eq!(read.iter().map(|(_, attempt)| attempt).collect::<Vec<_>>(), made.iter().collect::<Vec<_>>());
    let after = store.attempts(read[1].0, 10).await.expect("they are read");
    assert_eq!(after, read[2..]);
    store.close().await;
}
