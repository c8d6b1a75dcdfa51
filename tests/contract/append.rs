//! What `Ok` of an append means.

use std::time::Duration;

use futures::future::join_all;
use gatepost_event::{
    Event, EventRef,
    store::{Appended, LogPlace},
};

use crate::{
    fixture::{Fixture, Setup, contract},
    journey::{self, Logs, append, is_duplicate},
    make, wait,
};

contract! {
    an_appended_event_reads_back_as_it_was,
    events_that_stand_close_are_read_together,
    items_are_answered_one_each_in_order,
    an_id_is_stored_once,
    copies_appended_at_once_are_one_event,
    after_the_dedupe_window_a_repeat_is_stored_under_the_same_id,
    the_same_provider_id_under_another_connection_is_another_event,
    a_request_of_which_a_part_was_stored_is_completed,
    the_log_waits_and_resumes_at_the_cursor,
}

async fn an_appended_event_reads_back_as_it_was(fixture: &Fixture) {
    let store = fixture.open().await;
    let bodies = [
        ("empty", Vec::new().into()),
        ("small", make::noise(17)),
        ("not UTF-8", bytes::Bytes::from_static(b"\xff\xfe\x00{}")),
        ("600 KiB", make::noise(600 * 1024)),
        ("3 MiB", make::noise(3 * 1024 * 1024)),
    ];
    let events: Vec<Event> =
        bodies.into_iter().map(|(name, body)| make::with_body(make::event("acme", name), body)).collect();
    for event in &events {
        assert_eq!(append(&store, event.clone()).await, Appended::Stored);
    }

    let store = fixture.reopen(store).await;
    let stored = Logs::open(&store).await.take(events.len()).await;
    for (stored, event) in stored.iter().zip(&events) {
        let read = stored.event.as_ref().expect("readable");
        assert!(read == event, "{} came back different", event.meta.provider_event_id.as_deref().unwrap_or_default());
        assert_eq!((stored.at.id, stored.at.received_at), (event.meta.id, event.meta.received_at));
        assert_eq!(store.event(&stored.at).await.expect("it is read").as_ref(), Some(event));
    }
    store.close().await;
}

async fn events_that_stand_close_are_read_together(fixture: &Fixture) {
    let store = fixture.open().await;
    for (id, bytes) in [("1", 17), ("2", 9), ("large", 600 * 1024), ("3", 40), ("4", 3)] {
        append(&store, make::with_body(make::event("acme", id), make::noise(bytes))).await;
    }
    let mut stored = Logs::open(&store).await.take(5).await;
    let last = stored[4].at;
    let nowhere = EventRef { sequence: last.sequence + 1, ..last };
    // Not asked for, and not in order.
    let places = [4, 2, 0, 3].map(|at: usize| stored[at].at);
    let ask = places.into_iter().chain([nowhere]).collect::<Vec<_>>();
    stored.remove(2);
    stored.remove(1);
    // A replica may be behind.
    let mut read = wait::eventually("all of them", async || {
        let read = store.events_at(ask.clone()).await.expect("they are read");
        (read.len() == stored.len()).then_some(read)
    })
    .await;
    read.sort_by_key(|event| event.at.sequence);
    for (read, stored) in read.iter().zip(&stored) {
        assert_eq!((&read.at, &read.event), (&stored.at, &stored.event));
    }
    store.close().await;
}

async fn items_are_answered_one_each_in_order(fixture: &Fixture) {
    let store = fixture.open().await;
    append(&store, make::event("acme", "b")).await;
    let b = Logs::open(&store).await.take(1).await.remove(0).at;
    let b = LogPlace { partition: b.partition, sequence: b.sequence };
    let items = ["a", "b", "c", "c"].map(|id| make::to_log(make::event("acme", id)));
    let answers = store.append(items.into(), wait::soon()).await.expect("they are stored");
    assert_eq!(answers[..3], [Appended::Stored, Appended::Duplicate(Some(b)), Appended::Stored]);
    assert!(is_duplicate(answers[3]), "{answers:?}");
    let nothing = store.append(Vec::new(), wait::soon()).await.expect("nothing is stored");
    assert!(nothing.is_empty());
    store.close().await;
}

async fn an_id_is_stored_once(fixture: &Fixture) {
    let store = fixture.open().await;
    let event = make::event("acme", "1");
    assert_eq!(append(&store, event.clone()).await, Appended::Stored);
    let Appended::Duplicate(Some(first)) = append(&store, event.clone()).await else { panic!("it was stored again") };
    let store = fixture.reopen(store).await;
    assert_eq!(append(&store, event).await, Appended::Duplicate(Some(first)));

    let mut logs = Logs::open(&store).await;
    let stored = logs.take(1).await.remove(0).at;
    assert_eq!((stored.partition, stored.sequence), (first.partition, first.sequence), "where the first copy stands");
    assert!(logs.is_quiet().await, "the repeat is in the log");
    append(&store, make::event("acme", "2")).await;
    logs.take(1).await;
    store.close().await;
}

async fn copies_appended_at_once_are_one_event(fixture: &Fixture) {
    let store = fixture.open().await;
    for id in journey::ids("race", 20) {
        let answers = join_all((0..6).map(|_| append(&store, make::event("acme", &id)))).await;
        let stored = answers.iter().filter(|answer| **answer == Appended::Stored).count();
        assert_eq!(stored, 1, "{answers:?}");
    }
    let mut logs = Logs::open(&store).await;
    logs.take(20).await;
    assert!(logs.is_quiet().await);
    store.close().await;
}

async fn after_the_dedupe_window_a_repeat_is_stored_under_the_same_id(fixture: &Fixture) {
    let window = Duration::from_secs(1);
    let setup = Setup { dedupe_window: Some(window), ..Setup::default() };
    let store = fixture.open_as(&setup).await;
    assert_eq!(store.promises().dedupe_window, window);
    // However an engine divides its time, the window counts from the event: not from what was stored before it.
    let before = std::time::Instant::now();
    append(&store, make::event("acme", "earlier")).await;
    wait::eventually("a part of a window", async || (before.elapsed() > window * 6 / 10).then_some(())).await;
    let event = make::event("acme", "1");
    let first = std::time::Instant::now();
    assert_eq!(append(&store, event.clone()).await, Appended::Stored);
    // The control is only fair while the window lasts.
    let repeat = append(&store, event.clone()).await;
    assert!(is_duplicate(repeat) || first.elapsed() >= window);

    wait::eventually("the end of the window", async || {
        (append(&store, event.clone()).await == Appended::Stored).then_some(())
    })
    .await;
    assert!(first.elapsed() >= window - Duration::from_millis(50), "stored again after {:?}", first.elapsed());
    let mut stored = Logs::open(&store).await.take(3).await;
    stored.retain(|stored| stored.at.id == event.meta.id);
    assert_eq!(stored.len(), 2);
    assert_ne!(stored[0].at.sequence, stored[1].at.sequence);
    store.close().await;
}

async fn the_same_provider_id_under_another_connection_is_another_event(fixture: &Fixture) {
    let store = fixture.open().await;
    assert_eq!(append(&store, make::event("acme", "1")).await, Appended::Stored);
    assert_eq!(append(&store, make::event("umbrella", "1")).await, Appended::Stored);
    assert!(is_duplicate(append(&store, make::event("acme", "1")).await));
    let stored = Logs::open(&store).await.take(2).await;
    assert_ne!(stored[0].at.id, stored[1].at.id);
    store.close().await;
}

async fn a_request_of_which_a_part_was_stored_is_completed(fixture: &Fixture) {
    let store = fixture.open().await;
    let ids = journey::ids("item", 100);
    let part = ids.iter().step_by(3).map(|id| make::to_log(make::event("acme", id))).collect();
    store.append(part, wait::soon()).await.expect("a part is stored");
    let whole = ids.iter().map(|id| make::to_log(make::event("acme", id))).collect();
    let answers = store.append(whole, wait::soon()).await.expect("the rest is stored");
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(is_duplicate(*answer), n % 3 == 0, "item {n}");
    }
    let mut logs = Logs::open(&store).await;
    let mut stored: Vec<_> = logs.take(100).await.iter().map(|stored| stored.at.id).collect();
    assert!(logs.is_quiet().await);
    stored.sort();
    stored.dedup();
    assert_eq!(stored.len(), 100);
    store.close().await;
}

async fn the_log_waits_and_resumes_at_the_cursor(fixture: &Fixture) {
    let store = fixture.open().await;
    let mut logs = Logs::open(&store).await;
    assert!(logs.is_quiet().await, "there is something in an empty log");
    let ids = journey::ids("event", 10);
    let (read, ()) = tokio::join!(logs.take(10), async {
        for id in &ids {
            append(&store, make::event("acme", id)).await;
        }
    });
    let order: Vec<_> = read.iter().map(|stored| stored.at.id).collect();
    let appended: Vec<_> = ids.iter().map(|id| make::event("acme", id).meta.id).collect();
    assert_eq!(order, appended, "one connection's events are in the order of their appends");

    logs.record(&store, &read[..6], Vec::new()).await;
    logs.release(&store).await;
    let store = fixture.reopen(store).await;
    let mut logs = Logs::open(&store).await;
    let resumed: Vec<_> = logs.take(4).await.iter().map(|stored| stored.at.id).collect();
    assert_eq!(resumed, appended[6..]);
    assert!(logs.is_quiet().await);
    logs.release(&store).await;
    store.close().await;
}
