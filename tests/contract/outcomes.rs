//! Following what becomes of events.

use std::collections::BTreeMap;

use gatepost_config::Timestamp;
use gatepost_event::{DeadReason, DeliveryId, Ending, Lane, Outcomes, Replay, ReplayId, Store, Task, outcome::Spot};

use crate::{
    fixture::{Fixture, contract},
    journey, make,
};

contract! {
    what_became_of_events_can_be_followed,
    what_is_owed_anew_is_told_with_its_replay,
}

/// Everything told so far, read in small pages.
async fn all(store: &Store) -> Vec<Outcomes> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = store.outcomes(after, 1).await.expect("they are read");
        let Some((position, record)) = page.into_iter().next() else { return all };
        assert!(position > after, "in order");
        after = position;
        all.push(record);
    }
}

/// By delivery: destination, route, replay, event.
fn owed(records: &[Outcomes]) -> BTreeMap<DeliveryId, (String, String, Option<ReplayId>, Spot)> {
    let mut owed = BTreeMap::new();
    for part in records.iter().flat_map(|record| &record.owed) {
        for (delivery, spot) in &part.deliveries {
            let what = (part.destination.to_string(), part.route.to_string(), part.replay, *spot);
            owed.insert(*delivery, what);
        }
    }
    owed
}

async fn what_became_of_events_can_be_followed(fixture: &Fixture) {
    let store = fixture.open().await;
    for n in 0..4 {
        journey::append(&store, make::event("acme", &format!("event-{n}"))).await;
    }
    let mut logs = journey::Logs::open(&store).await;
    let events = logs.take(4).await;
    let tasks = [(0, "a"), (0, "b"), (1, "a")].map(|(n, to): (usize, &str)| make::task(events[n].at, "acme", to));
    let mut routed = journey::by_partition(&events, tasks.to_vec()).remove(0);
    routed.ended = vec![(events[2].at, Ending::Filtered), (events[3].at, Ending::Unrouted)];
    // Told twice, as after an answer that was lost.
    for _ in 0..2 {
        store.routed(logs.lease(routed.partition), routed.clone()).await.expect("it is recorded");
    }
    logs.release(&store).await;

    let store = fixture.reopen(store).await;
    let told = all(&store).await;
    let expected = tasks
        .map(|task| (task.delivery, (task.destination.to_string(), "all".to_owned(), None, Spot::of(&task.event))));
    assert_eq!(owed(&told), expected.into());
    for (ending, event) in [(Ending::Filtered, &events[2]), (Ending::Unrouted, &events[3])] {
        let ended: Vec<_> =
            told.iter().flat_map(|record| &record.ended).filter(|ended| ended.ending == ending).collect();
        assert!(!ended.is_empty(), "{ending:?}");
        assert!(ended.iter().all(|ended| ended.events == [Spot::of(&event.at)]), "{ended:?}");
    }
    assert!(told.iter().all(|record| record.revived.is_empty()));
    store.close().await;
}

async fn what_is_owed_anew_is_told_with_its_replay(fixture: &Fixture) {
    let store = fixture.open().await;
    journey::append(&store, make::event("acme", "event-0")).await;
    let mut logs = journey::Logs::open(&store).await;
    let events = logs.take(1).await;
    let task = make::task(events[0].at, "acme", "a");
    logs.record(&store, &events, vec![task.clone()]).await;
    logs.release(&store).await;
    let before = all(&store).await.len();
    assert_eq!(before, 1);

    let id = ReplayId::fresh(Timestamp::now());
    let anew =
        Task { replay: Some(Replay { id, webhook_id: None, letter: None }), ..make::task(events[0].at, "acme", "b") };
    assert_eq!(store.enqueue(vec![anew.clone()]).await.expect("it is owed"), 1);
    let told = owed(&all(&store).await[before..]);
    assert_eq!(told[&anew.delivery], ("b".to_owned(), "all".to_owned(), Some(id), Spot::of(&events[0].at)));

    let lane = Lane::of(&task);
    let head = journey::only_head(&store, &lane).await;
    let event = store.event_of(&head.task).await.expect("it is read").expect("it is there");
    let letter = make::letter(&head, event, DeadReason::Exhausted);
    store.bury(journey::shard(&store, &lane), &head, &letter).await.expect("it is buried");
    let (position, _) = store.dead_letter(task.delivery).await.expect("it is read").expect("it is there");
    let replay = Some(Replay { id, webhook_id: None, letter: Some(position) });
    assert!(store.revive(position, vec![Task { replay, ..task.clone() }]).await.expect("it is revived"));
    let told = all(&store).await;
    assert!(told.iter().any(|record| record.revived == [task.delivery]), "{told:?}");
    assert_eq!(owed(&told)[&task.delivery].2, Some(id), "it is owed by the replay now");
    store.close().await;
}
