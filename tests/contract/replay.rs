//! Deliveries that are owed anew, and what a replay reads.

use std::time::Duration;

use gatepost_config::Timestamp;
use gatepost_event::{
    DeadLetter, DeadReason, Ending, Lane, Queued, Replay, ReplayId, Store, Task,
    store::{LeaseKey, StoredEvent},
};

use crate::{
    fixture::{Fixture, Setup, contract},
    journey::{self, heads, owe},
    make, wait,
};

contract! {
    a_revived_letter_is_owed_with_its_own_copy_and_is_a_letter_no_more,
    a_revived_delivery_may_be_tried_again_and_die_again,
    a_revived_letter_outlives_its_events_retention,
    reviving_twice_owes_once,
    a_letter_without_an_event_stays,
    an_event_is_owed_anew_once_per_replay_and_destination,
    the_log_is_read_by_place_and_by_time,
    replay_jobs_have_one_owner,
}

/// A delivery that died, with its event's body.
async fn bury_one(store: &Store, body: usize) -> (Lane, DeadLetter) {
    journey::append(store, make::with_body(make::event("acme", "event-0"), make::noise(body))).await;
    let mut logs = journey::Logs::open(store).await;
    let events = logs.take(1).await;
    let task = make::task(events[0].at, "acme", "a");
    logs.record(store, &events, vec![task.clone()]).await;
    logs.release(store).await;
    let lane = Lane::of(&task);
    let head = journey::only_head(store, &lane).await;
    let letter = bury(store, &lane, &head).await;
    (lane, letter)
}

async fn bury(store: &Store, lane: &Lane, head: &Queued) -> DeadLetter {
    let event = store.event_of(&head.task).await.expect("it is read").expect("it is there");
    let letter = make::letter(head, event, DeadReason::Exhausted);
    store.bury(journey::shard(store, lane), head, &letter).await.expect("it is buried");
    letter
}

/// What a router makes of a letter.
fn anew(letter: &DeadLetter, position: u64, id: ReplayId, now: Timestamp) -> Task {
    let event = letter.event.as_ref().expect("a letter with its event");
    let at = gatepost_event::EventRef { id: event.meta.id, partition: 0, sequence: 0, received_at: now };
    let task = make::task(at, "acme", letter.note.destination.as_ref().expect("a destination").as_str());
    let replay = Replay { id, webhook_id: None, letter: Some(position) };
    Task { delivery: letter.note.delivery, created_at: now, replay: Some(replay), ..task }
}

fn replay_id() -> ReplayId {
    ReplayId::fresh(Timestamp::now())
}

async fn sums(store: &Store) -> (u64, u64) {
    let census = store.census().await.expect("it counts");
    (census.replayed, census.ended.values().sum::<u64>() + census.waiting() + census.unmatched)
}

/// The equation, with one event acknowledged.
async fn adds_up(store: &Store, replayed: u64) {
    wait::eventually("a census that adds up", async || (sums(store).await == (replayed, 1 + replayed)).then_some(()))
        .await;
}

async fn a_revived_letter_is_owed_with_its_own_copy_and_is_a_letter_no_more(fixture: &Fixture) {
    let store = fixture.open().await;
    let (lane, letter) = bury_one(&store, 700 * 1024).await;
    adds_up(&store, 0).await;
    let (position, found) = store.dead_letter(letter.note.delivery).await.expect("it is read").expect("it is there");
    assert!(found == letter);
    assert_eq!(store.dead_letters(0, 10).await.expect("they are read")[0].0, position);

    let mut tail = store.tail(journey::shard(&store, &lane)).await.expect("the tail opens");
    let task = anew(&letter, position, replay_id(), Timestamp::now());
    assert!(store.revive(position, vec![task.clone()]).await.expect("it is revived"));
    let (_, heard) = journey::arrival(&mut tail).await;
    assert_eq!(heard.task, task);
    adds_up(&store, 1).await;

    let store = fixture.reopen(store).await;
    let head = journey::only_head(&store, &lane).await;
    assert_eq!(head.task, task);
    assert!(store.event_of(&head.task).await.expect("it is read") == letter.event, "the copy is the letter's event");
    assert!(store.dead_letters(0, 10).await.expect("they are read").is_empty());
    assert!(store.dead_letter(letter.note.delivery).await.expect("it is read").is_none());
    store.finish(journey::shard(&store, &lane), &head, &make::attempt(&head, 200)).await.expect("it is finished");
    adds_up(&store, 1).await;
    let census = store.census().await.expect("it counts");
    assert_eq!((census.ended.get(&Ending::Dead), census.ended.get(&Ending::Delivered)), (Some(&1), Some(&1)));
    assert!(store.event_of(&head.task).await.expect("it is read").is_none(), "its copy went with it");
    let store = fixture.reopen(store).await;
    assert_eq!(heads(&store, &lane, 0, 10).await, []);
    store.close().await;
}

/// Every message id of its second life must differ from its first one's, or the engine takes it for a repeat.
async fn a_revived_delivery_may_be_tried_again_and_die_again(fixture: &Fixture) {
    let store = fixture.open().await;
    let (lane, mut letter) = bury_one(&store, 600 * 1024).await;
    for life in 1..=3 {
        let (position, _) = store.dead_letter(letter.note.delivery).await.expect("it is read").expect("it is there");
        let task = anew(&letter, position, replay_id(), Timestamp::now());
        assert!(store.revive(position, vec![task]).await.expect("it is revived"));
        let head = journey::only_head(&store, &lane).await;
        let attempt = make::attempt(&head, 500);
        store.retry(journey::shard(&store, &lane), &head, &attempt, Timestamp::now()).await.expect("it waits");
        let head = wait::eventually("its second attempt", async || {
            heads(&store, &lane, 0, 10).await.into_iter().find(|queued| queued.task.attempt == 2)
        })
        .await;
        letter = bury(&store, &lane, &head).await;
        let letters = store.dead_letters(0, 10).await.expect("they are read");
        assert_eq!(letters.len(), 1);
        assert!(letters[0].1 == letter, "the letter of life {life} came back different");
        adds_up(&store, life).await;
    }
    assert_eq!(store.census().await.expect("it counts").ended.get(&Ending::Dead), Some(&4));
    store.close().await;
}

async fn a_revived_letter_outlives_its_events_retention(fixture: &Fixture) {
    let mut setup = Setup::default();
    setup.retention.events = Duration::from_secs(2);
    let store = fixture.open_as(&setup).await;
    let (lane, letter) = bury_one(&store, 600 * 1024).await;
    let at = store.events(0, 0, 10).await.expect("they are read");
    let other = store.events(store.partitions() - 1, 0, 10).await.expect("they are read");
    let at = at.first().or(other.first()).expect("it is in the log").at;
    wait::eventually("the end of the event's retention", async || {
        store.event(&at).await.expect("it is read").is_none().then_some(())
    })
    .await;
    let (position, _) = store.dead_letter(letter.note.delivery).await.expect("it is read").expect("it is there");
    let task = anew(&letter, position, replay_id(), Timestamp::now());
    assert!(store.revive(position, vec![task]).await.expect("it is revived"));
    let head = journey::only_head(&store, &lane).await;
    assert!(store.event_of(&head.task).await.expect("it is read") == letter.event);
    store.close().await;
}

async fn reviving_twice_owes_once(fixture: &Fixture) {
    let store = fixture.open().await;
    let (lane, letter) = bury_one(&store, 40).await;
    let (position, _) = store.dead_letter(letter.note.delivery).await.expect("it is read").expect("it is there");
    let task = anew(&letter, position, replay_id(), Timestamp::now());
    assert!(store.revive(position, vec![task.clone()]).await.expect("it is revived"));
    assert!(!store.revive(position, vec![task.clone()]).await.expect("nothing happens"));
    let head = journey::only_head(&store, &lane).await;
    assert_eq!(store.enqueue(vec![task]).await.expect("nothing happens"), 0);
    adds_up(&store, 1).await;
    store.finish(journey::shard(&store, &lane), &head, &make::attempt(&head, 200)).await.expect("it is finished");
    assert!(!store.revive(position + 1, Vec::new()).await.expect("nothing happens"), "no such letter");
    adds_up(&store, 1).await;
    store.close().await;
}

async fn a_letter_without_an_event_stays(fixture: &Fixture) {
    let store = fixture.open().await;
    let task: Task = owe(&store, "acme", &journey::ids("event", 1), &["a"]).await.remove(0);
    let lane = Lane::of(&task);
    let head = journey::only_head(&store, &lane).await;
    let event = store.event(&head.task.event).await.expect("it is read").expect("it is there");
    let bare = DeadLetter { event: None, ..make::letter(&head, event.clone(), DeadReason::Expired) };
    store.bury(journey::shard(&store, &lane), &head, &bare).await.expect("it is buried");
    let (position, letter) = store.dead_letter(task.delivery).await.expect("it is read").expect("it is there");
    let whole = DeadLetter { event: Some(event), ..letter };
    let task = anew(&whole, position, replay_id(), Timestamp::now());
    assert!(!store.revive(position, vec![task]).await.expect("nothing happens"));
    assert_eq!(store.dead_letters(0, 10).await.expect("they are read").len(), 1);
    assert_eq!(heads(&store, &lane, 0, 10).await, []);
    adds_up(&store, 0).await;
    store.close().await;
}

async fn an_event_is_owed_anew_once_per_replay_and_destination(fixture: &Fixture) {
    let store = fixture.open().await;
    let first: Task = owe(&store, "acme", &journey::ids("event", 1), &["a"]).await.remove(0);
    let lane = Lane::of(&first);
    let head = journey::only_head(&store, &lane).await;
    store.finish(journey::shard(&store, &lane), &head, &make::attempt(&head, 200)).await.expect("it is finished");
    let of = |id: ReplayId, destination: &str| {
        let whereto = format!("to {destination} by {id}");
        Task {
            delivery: gatepost_event::DeliveryId::of(&first.event, &whereto),
            replay: Some(Replay { id, webhook_id: None, letter: None }),
            ..make::task(first.event, "acme", destination)
        }
    };
    let (one, two) = (replay_id(), replay_id());
    assert_eq!(store.enqueue(vec![of(one, "a"), of(one, "b")]).await.expect("they are owed"), 2);
    let store = fixture.reopen(store).await;
    assert_eq!(store.enqueue(vec![of(one, "a"), of(one, "b")]).await.expect("nothing happens"), 0);
    let head = journey::only_head(&store, &lane).await;
    assert!(store.event_of(&head.task).await.expect("it is read").is_some(), "the log's");
    store.finish(journey::shard(&store, &lane), &head, &make::attempt(&head, 200)).await.expect("it is finished");
    assert_eq!(store.enqueue(vec![of(one, "a")]).await.expect("nothing happens"), 0, "it has ended");
    assert_eq!(store.enqueue(vec![of(two, "a")]).await.expect("it is owed"), 1, "another replay");
    adds_up(&store, 3).await;
    store.close().await;
}

async fn the_log_is_read_by_place_and_by_time(fixture: &Fixture) {
    let store = fixture.open().await;
    let partition = {
        journey::append(&store, make::event("acme", "one")).await;
        let all = store.events(0, 0, 10).await.expect("they are read");
        if all.is_empty() { store.partitions() - 1 } else { 0 }
    };
    let read = async |after: u64, limit: usize| -> Vec<String> {
        let events = store.events(partition, after, limit).await.expect("they are read");
        let name = |stored: StoredEvent| stored.event.expect("readable").meta.provider_event_id.expect("it has one");
        events.into_iter().map(name).collect()
    };
    journey::append(&store, make::event("acme", "two")).await;
    let before = Timestamp::now();
    wait::eventually("a later time", async || {
        (Timestamp::now() > before.after(Duration::from_millis(50))).then_some(())
    })
    .await;
    let since = Timestamp::now().before(Duration::from_millis(10));
    journey::append(&store, make::event("acme", "three")).await;
    let all = store.span(partition, None).await.expect("it is found");
    assert_eq!(all.through - all.after, 3);
    assert_eq!(read(all.after, 10).await, ["one", "two", "three"]);
    assert_eq!(read(all.after + 1, 1).await, ["two"]);
    let late = store.span(partition, Some(since)).await.expect("it is found");
    assert_eq!(late.through, all.through);
    assert_eq!(read(late.after, 10).await, ["three"]);
    let long_ago = since.before(Duration::from_secs(3600));
    assert_eq!(store.span(partition, Some(long_ago)).await.expect("it is found"), all);
    let never = store.span(partition, Some(since.after(Duration::from_secs(3600)))).await.expect("it is found");
    assert!(never.after >= never.through, "{never:?}");
    store.close().await;
}

async fn replay_jobs_have_one_owner(fixture: &Fixture) {
    let store = fixture.open().await;
    let lease = journey::lease(&store, LeaseKey::Replays, "router-a").await;
    assert!(store.acquire(LeaseKey::Replays, "router-b").await.expect("the store is asked").is_none());
    store.release(lease).await.expect("it is released");
    journey::lease(&store, LeaseKey::Replays, "router-b").await;
    store.close().await;
}
