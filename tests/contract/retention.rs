//! What has been kept long enough ends, and never in silence.

use std::time::Duration;

use gatepost_config::{Retention, Retentions, Timestamp};
use gatepost_event::{DeadReason, Ending, Event, EventId, Lane, Store, Task, store::StoredEvent};

use crate::{
    fixture::{Fixture, Setup, contract},
    journey::{self, Logs, heads, owe},
    make, wait,
};

contract! {
    an_event_that_is_owed_nothing_vanishes_after_its_retention,
    what_an_expired_event_was_owed_ends_as_a_dead_letter_with_the_body,
    parked_and_refused_ones_vanish_after_their_retention,
    an_integration_keeps_what_is_its_own_for_less_time,
}

/// Long enough for a test to look, short enough to wait for.
const KEPT: Duration = Duration::from_secs(2);

fn brief() -> Setup {
    let retention = Retention { events: KEPT, unmatched: KEPT, quarantine: KEPT, ..Setup::default().retention };
    Setup { dedupe_window: Some(KEPT / 2), retention, ..Setup::default() }
}

async fn an_event_that_is_owed_nothing_vanishes_after_its_retention(fixture: &Fixture) {
    let store = fixture.open_as(&brief()).await;
    let appended = Timestamp::now();
    journey::append(&store, make::with_body(make::event("acme", "1"), make::noise(600 * 1024))).await;
    let mut logs = Logs::open(&store).await;
    let events = logs.take(1).await;
    logs.record(&store, &events, Vec::new()).await;
    assert!(store.event(&events[0].at).await.expect("it is read").is_some() || Timestamp::now().since(appended) > KEPT);
    wait::eventually("the event's end", async || {
        store.event(&events[0].at).await.expect("it is read").is_none().then_some(())
    })
    .await;
    assert!(Timestamp::now().since(appended) + Duration::from_millis(100) >= KEPT, "it went too early");
    assert_eq!(store.dead_letters(0, 10).await.expect("they are read"), []);

    // The log goes on behind it.
    journey::append(&store, make::event("acme", "2")).await;
    let next = logs.take(1).await;
    assert!(next[0].at.sequence > events[0].at.sequence);
    store.close().await;
}

async fn what_an_expired_event_was_owed_ends_as_a_dead_letter_with_the_body(fixture: &Fixture) {
    let store = fixture.open_as(&brief()).await;
    let bodies = [make::noise(64), make::noise(600 * 1024)];
    for (n, body) in bodies.iter().enumerate() {
        journey::append(&store, make::with_body(make::event("acme", &n.to_string()), body.clone())).await;
    }
    let mut logs = Logs::open(&store).await;
    let events = logs.take(2).await;
    // Each event is owed twice: once in a lane, once as a retry.
    let tasks: Vec<Task> = events
        .iter()
        .flat_map(|event| ["waits", "retries"].map(|destination| make::task(event.at, "acme", destination)))
        .collect();
    logs.record(&store, &events, tasks.clone()).await;
    let (waits, retries) = (Lane::of(&tasks[0]), Lane::of(&tasks[1]));
    for head in heads(&store, &retries, 0, 10).await {
        let due = Timestamp::now().after(Duration::from_hours(1));
        let shard = journey::shard(&store, &retries);
        store.retry(shard, &head, &make::attempt(&head, 500), due).await.expect("it waits");
    }

    // Whoever owns a shard sees to what waits in it.
    let mut owned = Vec::new();
    for shard in 0..store.shards() {
        owned.push(store.tail(shard).await.expect("the tail opens"));
    }
    let letters = wait::eventually("four dead letters", async || {
        let letters = store.dead_letters(0, 10).await.expect("they are read");
        (letters.len() >= 4).then_some(letters)
    })
    .await;
    assert_eq!(letters.len(), 4);
    for task in &tasks {
        let (_, letter) = letters.iter().find(|(_, letter)| letter.note.delivery == task.delivery).expect("a letter");
        assert_eq!(letter.note.reason, DeadReason::Expired);
        assert_eq!(letter.note.destination.as_ref(), Some(&task.destination));
        let event = letter.event.as_ref().expect("the letter has its event");
        let body = &bodies[events.iter().position(|event| event.at == task.event).expect("its event")];
        assert!(event.meta.id == task.event.id && event.body == *body, "the event came back different");
    }
    for lane in [waits, retries] {
        assert_eq!(heads(&store, &lane, 0, 10).await, []);
    }
    let census = store.census().await.expect("it counts");
    assert_eq!(census.ended.get(&Ending::Expired), Some(&4));
    assert_eq!(census.waiting(), 0);
    store.close().await;
}

async fn parked_and_refused_ones_vanish_after_their_retention(fixture: &Fixture) {
    let store = fixture.open_as(&brief()).await;
    let parked = Timestamp::now();
    store.append(vec![make::to_park(make::parked("one", "1"))], wait::soon()).await.expect("it is stored");
    store.quarantine(&make::refusal("github", 1, "refused")).await.expect("it is kept");
    let tasks = owe(&store, "acme", &journey::ids("event", 1), &["a"]).await;
    wait::eventually("the end of both", async || {
        let parked = store.unmatched(None, None, 0, 10).await.expect("they are listed");
        let refused = store.quarantined(None).await.expect("they are listed");
        (parked.is_empty() && refused.is_empty()).then_some(())
    })
    .await;
    assert!(Timestamp::now().since(parked) + Duration::from_millis(100) >= KEPT, "they went too early");
    assert_eq!(store.census().await.expect("it counts").unmatched, 0);
    assert_eq!(tasks.len(), 1);
    store.close().await;
}

/// An event as one of another integration.
fn of(integration: &str, mut event: Event) -> Event {
    event.meta.integration = make::id(integration);
    event.meta.id = EventId::of(integration, "acme", event.meta.provider_event_id.as_deref().unwrap_or("1"), None);
    event
}

fn integration_of(event: &StoredEvent) -> &str {
    event.event.as_ref().expect("an event").meta.integration.as_str()
}

/// Owes each event to the destination that its provider's id names, and delivers what is owed to "delivered".
async fn deliver(store: &Store, logs: &Logs, events: &[StoredEvent]) {
    let tasks = events.iter().map(|event| {
        let id = event.event.as_ref().expect("an event").meta.provider_event_id.clone().expect("an id");
        Task { integration: make::id(integration_of(event)), ..make::task(event.at, "acme", &id) }
    });
    logs.record(store, events, tasks.collect()).await;
    let delivered = Lane::of(&make::task(events[0].at, "acme", "delivered"));
    for head in heads(store, &delivered, 0, 10).await {
        let shard = journey::shard(store, &delivered);
        store.finish(shard, &head, &make::attempt(&head, 200)).await.expect("it is delivered");
    }
}

async fn an_integration_keeps_what_is_its_own_for_less_time(fixture: &Fixture) {
    let own = Retention { dead_letters: KEPT, ..brief().retention };
    let setup = Setup { dedupe_window: Some(KEPT / 2), ..Setup::default() };
    let setup = Setup { own: [(make::id("brief"), own.clone())].into(), ..setup };
    let store = fixture.open_as(&setup).await;
    // One says so while the store is open.
    let retentions = setup.retentions();
    store
        .keep_own(Retentions { own: ["brief", "reloaded"].map(|id| (make::id(id), own.clone())).into(), ..retentions });
    let mut logs = Logs::open(&store).await;
    // Whoever owns a shard sees to what waits in it.
    let mut owned = Vec::new();
    for shard in 0..store.shards() {
        owned.push(store.tail(shard).await.expect("the tail opens"));
    }
    let began = Timestamp::now();
    for integration in ["github", "reloaded", "brief"] {
        let parked = make::to_park(of(integration, make::parked("one", "parked")));
        store.append(vec![parked], wait::soon()).await.expect("it is stored");
        store.quarantine(&make::refusal(integration, 1, "refused")).await.expect("it is kept");
        journey::append(
            &store,
            of(integration, make::with_body(make::event("acme", "waits"), make::noise(600 * 1024))),
        )
        .await;
        journey::append(&store, of(integration, make::event("acme", "delivered"))).await;
    }
    let events = logs.take(6).await;
    deliver(&store, &logs, &events).await;
    let census = wait::eventually("the end of all that is kept for less time, and of nothing else", async || {
        let mut logged = Vec::new();
        for event in &events {
            logged.extend(store.event(&event.at).await.expect("it is read").map(|_| integration_of(event)));
        }
        let parked = store.unmatched(None, None, 0, 10).await.expect("they are listed");
        let refused = store.quarantined(None).await.expect("they are listed");
        let attempts = store.attempts(0, 10).await.expect("they are read");
        let letters = store.dead_letters(0, 10).await.expect("they are read");
        let left = [parked.len(), refused.len(), attempts.len(), letters.len()] == [1, 1, 1, 0];
        let census = store.census().await.expect("it counts");
        let is_buried = census.ended.get(&Ending::Expired).is_some_and(|ended| *ended >= 2);
        (logged == ["github", "github"] && left && is_buried).then_some(census)
    })
    .await;
    assert!(Timestamp::now().since(began) + Duration::from_millis(100) >= KEPT * 2, "they went too early");
    // The control: what is the other's is there.
    assert_eq!((census.waiting(), census.unmatched), (1, 1));
    let parked = store.unmatched(None, None, 0, 10).await.expect("they are listed");
    assert_eq!(parked[0].event.meta.integration, make::integration());
    // The log goes on behind it.
    journey::append(&store, of("brief", make::event("acme", "next"))).await;
    assert_eq!(logs.take(1).await.len(), 1);
    store.close().await;
}
