//! What providers send once more, and what goes at once because of it.

use std::time::Duration;

use gatepost_config::Timestamp;
use gatepost_event::{
    DeliveryId, EventId, Lane, Noted, Queued, Redelivery, ReplayId, Store, Task,
    redelivery::{PER_EVENT_MAX, SPACING},
    store::{LogPlace, Tailed},
};

use crate::{
    fixture::{Fixture, contract},
    journey::{self, heads, owe},
    make, wait,
};

contract! {
    a_retry_that_waits_for_its_time_goes_at_once,
    what_does_not_wait_for_a_time_is_left_alone,
    the_head_of_an_ordered_lane_goes_at_once,
    redeliveries_are_noted_once_in_a_while_and_at_most_ten_times,
    redeliveries_that_were_dealt_with_are_told_no_more,
}

const HOUR: Duration = Duration::from_secs(3600);

/// The lane of a task, if its route were ordered.
fn ordered(task: &Task) -> Lane {
    Lane::of(&Task { ordered: true, ..task.clone() })
}

async fn hasten(store: &Store, task: &Task) -> bool {
    store.hasten(task.delivery, &ordered(task), Timestamp::now()).await.expect("it is answered")
}

async fn fail(store: &Store, lane: &Lane, head: &Queued) {
    let due = Timestamp::now().after(HOUR);
    store.retry(journey::shard(store, lane), head, &make::attempt(head, 500), due).await.expect("it waits");
}

async fn waiting(store: &Store) -> (u64, u64) {
    let census = store.census().await.expect("it counts");
    (census.in_lanes, census.scheduled)
}

async fn a_retry_that_waits_for_its_time_goes_at_once(fixture: &Fixture) {
    let store = fixture.open().await;
    let tasks = owe(&store, "acme", &journey::ids("event", 2), &["a"]).await;
    let lane = Lane::of(&tasks[0]);
    for head in heads(&store, &lane, 0, 10).await {
        fail(&store, &lane, &head).await;
    }
    assert_eq!(waiting(&store).await, (0, 2));
    let store = fixture.reopen(store).await;
    let mut tail = store.tail(journey::shard(&store, &lane)).await.expect("the tail opens");
    assert!(hasten(&store, &tasks[0]).await);
    let (heard_in, heard) = journey::arrival(&mut tail).await;
    assert_eq!((heard_in, &heard.task), (lane, &Task { attempt: 2, ..tasks[0].clone() }));
    wait::eventually("the other one waits on", async || (waiting(&store).await == (1, 1)).then_some(())).await;
    assert!(!hasten(&store, &tasks[0]).await, "it is in its lane");

    // It fails again, and again goes at once.
    fail(&store, &lane, &heard).await;
    assert!(hasten(&store, &tasks[0]).await);
    let (_, heard) = journey::arrival(&mut tail).await;
    assert_eq!(heard.task.attempt, 3);
    store.finish(journey::shard(&store, &lane), &heard, &make::attempt(&heard, 200)).await.expect("it is finished");
    assert!(!hasten(&store, &tasks[0]).await, "it has ended");
    assert_eq!(waiting(&store).await, (0, 1));
    let census = store.census().await.expect("it counts");
    assert_eq!(census.ended.values().sum::<u64>() + census.waiting(), 2, "{census:?}");
    store.close().await;
}

async fn what_does_not_wait_for_a_time_is_left_alone(fixture: &Fixture) {
    let store = fixture.open().await;
    let tasks = owe(&store, "acme", &journey::ids("event", 2), &["a", "b"]).await;
    let lane = Lane::of(&tasks[0]);
    let before = heads(&store, &lane, 0, 10).await;
    fail(&store, &Lane::of(&tasks[1]), &heads(&store, &Lane::of(&tasks[1]), 0, 1).await[0]).await;
    let never = Task { delivery: DeliveryId::fresh(Timestamp::now()), ..tasks[1].clone() };
    for task in [&tasks[0], &tasks[2], &never] {
        assert!(!hasten(&store, task).await);
    }
    assert_eq!(heads(&store, &lane, 0, 10).await, before);
    assert_eq!(waiting(&store).await, (3, 1));
    assert!(hasten(&store, &tasks[1]).await, "the positive control");
    store.close().await;
}

async fn the_head_of_an_ordered_lane_goes_at_once(fixture: &Fixture) {
    let store = fixture.open().await;
    let ordered_to = |task| Task { ordered: true, ..task };
    for id in ["1", "2"] {
        journey::append(&store, make::event("acme", id)).await;
    }
    let mut logs = journey::Logs::open(&store).await;
    let events = logs.take(2).await;
    let tasks: Vec<_> = events.iter().map(|event| ordered_to(make::task(event.at, "acme", "a"))).collect();
    logs.record(&store, &events, tasks.clone()).await;
    logs.release(&store).await;
    let lane = Lane::of(&tasks[0]);
    let head = heads(&store, &lane, 0, 1).await.remove(0);
    assert!(!hasten(&store, &tasks[0]).await, "it waits for nothing");
    fail(&store, &lane, &head).await;
    assert!(!hasten(&store, &tasks[1]).await, "it waits for the one before");

    let mut tail = store.tail(journey::shard(&store, &lane)).await.expect("the tail opens");
    assert!(hasten(&store, &tasks[0]).await);
    match wait::within(wait::SOON, tail.next()).await.expect("the tail is heard") {
        Tailed::Sooner(heard) => assert_eq!(heard, lane),
        other => panic!("{other:?}"),
    }
    let store = fixture.reopen(store).await;
    let found = heads(&store, &lane, 0, 10).await;
    assert_eq!(found.len(), 2);
    assert!(found[0].task.not_before.is_some_and(|until| until <= Timestamp::now()), "{found:?}");
    assert_eq!((found[0].position, found[0].task.attempt), (head.position, 2));
    assert!(!hasten(&store, &tasks[0]).await, "it may go already");
    assert_eq!(waiting(&store).await, (2, 0));
    fail(&store, &lane, &found[0]).await;
    assert!(hasten(&store, &tasks[0]).await, "its next wait is another one");
    let head = heads(&store, &lane, 0, 1).await.remove(0);
    assert_eq!(head.task.attempt, 3);
    store.finish(journey::shard(&store, &lane), &head, &make::attempt(&head, 200)).await.expect("it ends");
    assert_eq!(waiting(&store).await, (1, 0));
    assert!(!hasten(&store, &tasks[0]).await, "it has ended");
    store.close().await;
}

/// The beginning of a span in which there is one redelivery of an event.
fn first() -> Timestamp {
    let span = i64::try_from(SPACING.as_millis()).expect("short");
    Timestamp::from_millis(Timestamp::now().millis() / span * span)
}

/// That an event came once more.
fn again(event: EventId, at: Timestamp) -> Redelivery {
    Redelivery { event, place: LogPlace { partition: 0, sequence: 7 }, at, replay: ReplayId::fresh(at) }
}

async fn note(store: &Store, redelivery: &Redelivery) -> Noted {
    store.note_redelivery(redelivery, wait::soon()).await.expect("it is answered")
}

async fn open_redeliveries(store: &Store) -> Vec<(u64, Redelivery)> {
    let open = store.redeliveries(100).await.expect("they are read");
    open.into_iter().map(|(position, redelivery)| (position, redelivery.expect("readable"))).collect()
}

async fn redeliveries_are_noted_once_in_a_while_and_at_most_ten_times(fixture: &Fixture) {
    let store = fixture.open().await;
    let id = |name: &str| EventId::of("github", "acme", name, None);
    let (first, mut noted) = (first(), Vec::new());
    for n in 0..u32::try_from(PER_EVENT_MAX).expect("few") {
        let redelivery = again(id("one"), first.after(SPACING * n));
        assert_eq!(note(&store, &redelivery).await, Noted::New, "{n}");
        let soon = Redelivery { at: redelivery.at.after(SPACING / 2), ..redelivery.clone() };
        assert_eq!(note(&store, &soon).await, Noted::Enough, "{n}, a little later");
        noted.push(redelivery);
    }
    let store = fixture.reopen(store).await;
    for n in 11..13 {
        assert_eq!(
            note(&store, &again(id("one"), first.after(SPACING * n))).await,
            Noted::Enough,
            "the bound of one event"
        );
    }
    let other = again(id("two"), first.after(SPACING));
    assert_eq!(note(&store, &other).await, Noted::New, "another event");
    noted.push(other);
    let open = open_redeliveries(&store).await;
    assert_eq!(open.into_iter().map(|(_, redelivery)| redelivery).collect::<Vec<_>>(), noted);
    store.close().await;
}

async fn redeliveries_that_were_dealt_with_are_told_no_more(fixture: &Fixture) {
    let store = fixture.open().await;
    let id = |n: u64| EventId::of("github", "acme", &n.to_string(), None);
    let first = first();
    for n in 0..5 {
        assert_eq!(note(&store, &again(id(n), first)).await, Noted::New);
    }
    let open = open_redeliveries(&store).await;
    assert_eq!(store.redeliveries(2).await.expect("they are read").len(), 2);
    store.redelivered_through(open[2].0).await.expect("it is kept");
    assert_eq!(open_redeliveries(&store).await, open[3..]);
    let store = fixture.reopen(store).await;
    assert_eq!(open_redeliveries(&store).await, open[3..]);
    assert_eq!(note(&store, &again(id(0), first)).await, Noted::Enough, "what was dealt with is counted");
    store.redelivered_through(open[4].0).await.expect("it is kept");
    assert_eq!(open_redeliveries(&store).await, []);
    store.close().await;
}
