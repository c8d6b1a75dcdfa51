//! Ending what waited for one run of a sync.

use std::collections::BTreeSet;

use gatepost_event::{DeadReason, DeliveryId, Ending, Lane, Store, Task};

use crate::{
    fixture::{Fixture, contract},
    journey::{self, Logs, heads},
    make,
};

contract! {
    what_stands_in_a_lane_up_to_a_place_ends_as_synced_and_the_rest_stays,
    a_run_that_is_told_twice_ends_nothing_twice,
    an_event_may_make_several_syncs_stale,
    a_dead_letter_of_a_sync_is_revived_and_synced,
}

/// Tasks that make syncs of a connection stale, one for each of its events and each sync.
async fn stale(store: &Store, connection: &str, ids: &[String], syncs: &[&str]) -> Vec<Task> {
    let items = ids.iter().map(|id| make::to_log(make::event(connection, id))).collect();
    store.append(items, crate::wait::soon()).await.expect("they are stored");
    let mut logs = Logs::open(store).await;
    let events = logs.take(ids.len()).await;
    let of = |event: &gatepost_event::store::StoredEvent| {
        let at = event.at;
        syncs.iter().map(move |sync| Task { sync: Some(make::id(sync)), ..make::task(at, connection, "engine") })
    };
    let tasks: Vec<Task> = events.iter().flat_map(of).collect();
    logs.record(store, &events, tasks.clone()).await;
    logs.release(store).await;
    tasks
}

async fn synced(store: &Store) -> u64 {
    store.census().await.expect("it counts").ended.get(&Ending::Synced).copied().unwrap_or(0)
}

/// The deliveries that followers of the store are told of as synced.
async fn told(store: &Store) -> BTreeSet<DeliveryId> {
    let (mut told, mut after) = (BTreeSet::new(), 0);
    loop {
        let page = store.outcomes(after, 10).await.expect("they are read");
        let Some((last, _)) = page.last() else { return told };
        after = *last;
        told.extend(page.into_iter().flat_map(|(_, outcomes)| outcomes.synced));
    }
}

async fn what_stands_in_a_lane_up_to_a_place_ends_as_synced_and_the_rest_stays(fixture: &Fixture) {
    let store = fixture.open().await;
    let acme = stale(&store, "acme", &journey::ids("acme", 600), &["contacts"]).await;
    let other = stale(&store, "umbrella", &journey::ids("umbrella", 2), &["contacts"]).await;
    let (lane, others) = (Lane::of(&acme[0]), Lane::of(&other[0]));
    assert_ne!(lane, others);
    let shard = journey::shard(&store, &lane);
    assert_eq!(shard, journey::shard(&store, &others), "one engine's lanes have one owner");

    let all = heads(&store, &lane, 0, 1_000).await;
    assert_eq!(all.len(), 600);
    assert_eq!(store.newest(shard, &lane).await.expect("it is read"), all.last().cloned());
    // More than is ended at a time on either engine's way.
    assert_eq!(store.finish_through(shard, &lane, all[589].position).await.expect("they end"), 590);
    assert_eq!(heads(&store, &lane, 0, 1_000).await, all[590..]);
    assert_eq!(heads(&store, &others, 0, 10).await.len(), 2);
    let store = fixture.reopen(store).await;
    assert_eq!(heads(&store, &lane, 0, 1_000).await, all[590..]);
    let census = store.census().await.expect("it counts");
    assert_eq!((census.ended.get(&Ending::Synced), census.in_lanes), (Some(&590), 12), "{census:?}");
    let told = told(&store).await;
    assert_eq!(told, all[..590].iter().map(|head| head.task.delivery).collect(), "followers are told of each");
    store.close().await;
}

async fn a_run_that_is_told_twice_ends_nothing_twice(fixture: &Fixture) {
    let store = fixture.open().await;
    let tasks = stale(&store, "acme", &journey::ids("event", 3), &["contacts"]).await;
    let lane = Lane::of(&tasks[0]);
    let (shard, all) = (journey::shard(&store, &lane), heads(&store, &lane, 0, 10).await);
    for ended in [2, 0] {
        assert_eq!(store.finish_through(shard, &lane, all[1].position).await.expect("they end"), ended);
    }
    assert_eq!(synced(&store).await, 2);
    let empty = Lane { connection: None, ..lane };
    assert_eq!(store.finish_through(shard, &empty, u64::MAX >> 1).await.expect("nothing ends"), 0);
    assert_eq!(store.newest(shard, &empty).await.expect("it is read"), None);
    assert_eq!(store.newest(shard, &lane).await.expect("it is read"), Some(all[2].clone()));
    store.close().await;
}

async fn an_event_may_make_several_syncs_stale(fixture: &Fixture) {
    let store = fixture.open().await;
    let tasks = stale(&store, "acme", &journey::ids("event", 1), &["contacts", "deals"]).await;
    for (n, task) in tasks.iter().enumerate() {
        let lane = Lane::of(task);
        assert_eq!(journey::only_head(&store, &lane).await.task, *task);
        let shard = journey::shard(&store, &lane);
        assert_eq!(store.finish_through(shard, &lane, u64::MAX >> 1).await.expect("it ends"), 1);
        assert_eq!(synced(&store).await, n as u64 + 1);
    }
    assert_eq!(store.census().await.expect("it counts").waiting(), 0);
    store.close().await;
}

async fn a_dead_letter_of_a_sync_is_revived_and_synced(fixture: &Fixture) {
    let store = fixture.open().await;
    let task = stale(&store, "acme", &journey::ids("event", 1), &["contacts"]).await.remove(0);
    let lane = Lane::of(&task);
    let (shard, head) = (journey::shard(&store, &lane), journey::only_head(&store, &lane).await);
    let event = store.event(&task.event).await.expect("it is read").expect("it is there");
    store.bury(shard, &head, &make::letter(&head, event.clone(), DeadReason::Exhausted)).await.expect("it is buried");

    let (position, _) = store.dead_letter(task.delivery).await.expect("it is read").expect("a letter");
    let id = gatepost_event::ReplayId::fresh(gatepost_config::Timestamp::now());
    let replay = gatepost_event::Replay { id, webhook_id: None, letter: Some(position) };
    let again = Task { replay: Some(replay), ..task };
    assert!(store.revive(position, vec![again.clone()]).await.expect("it is revived"));
    let head = journey::only_head(&store, &lane).await;
    let copied = store.event_of(&head.task).await.expect("it is read");
    assert_eq!(copied.map(|copied| copied.body), Some(event.body));
    assert_eq!(store.finish_through(shard, &lane, head.position).await.expect("it ends"), 1);
    assert_eq!(store.event_of(&head.task).await.expect("it is read"), None, "its copy goes with it");
    let census = store.census().await.expect("it counts");
    assert_eq!((census.ended.get(&Ending::Synced), census.replayed, census.waiting()), (Some(&1), 1, 0), "{census:?}");
    store.close().await;
}
