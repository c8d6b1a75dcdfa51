use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gatepost_event::{Event, EventId, EventRef, Task, store::StoredEvent};

use super::{AGE_MAX, BODY_BYTES_MAX, BYTES_MAX, META_BYTES, Recent};
use crate::{
    carried::Carried,
    delivery::fixture::delivery,
    route::fixture::{destination, event},
};

fn stored(sequence: u64, body: &str) -> StoredEvent {
    let event = event("github.push", body);
    let at = EventRef { id: event.meta.id, partition: 0, sequence, received_at: event.meta.received_at };
    StoredEvent { at, event: Ok(event) }
}

fn task(of: &StoredEvent) -> Task {
    let event = of.event.clone().expect("an event");
    Task { event: of.at, ..delivery(destination("backend", None), event, 1).due().queued.task.clone() }
}

fn remember(recent: &Recent, events: Vec<StoredEvent>, now: Instant) {
    recent.remember(events.into_iter().filter_map(Carried::of), now);
}

fn event_of(recent: &Recent, task: &Task, now: Instant) -> Option<Event> {
    recent.event_of(task, now).map(|event| Arc::unwrap_or_clone(event).into_event())
}

fn body(found: Option<Arc<Carried>>) -> Option<usize> {
    found.map(|event| event.body.len())
}

#[test]
fn an_event_is_remembered_for_a_while_and_only_as_itself() {
    let (recent, now, stored) = (Recent::default(), Instant::now(), stored(7, "{}"));
    remember(&recent, vec![stored.clone()], now);
    let task = task(&stored);
    assert_eq!(event_of(&recent, &task, now), stored.event.ok());
    let other = EventRef { id: EventId::of("github-app", "acme", "another", None), ..task.event };
    assert_eq!(event_of(&recent, &Task { event: other, ..task.clone() }, now), None, "the log was made anew");
    let next = EventRef { sequence: 8, ..task.event };
    assert_eq!(event_of(&recent, &Task { event: next, ..task.clone() }, now), None);
    assert_eq!(body(recent.event_of(&task, now + AGE_MAX)), Some(2));
    assert_eq!(event_of(&recent, &task, now + AGE_MAX + Duration::from_millis(1)), None);
}

#[test]
fn what_is_remembered_is_bounded_and_the_oldest_goes_first() {
    let (recent, now) = (Recent::default(), Instant::now());
    let large = "b".repeat(BODY_BYTES_MAX);
    let fit = BYTES_MAX / (BODY_BYTES_MAX + META_BYTES);
    let all: Vec<_> = (0..=fit as u64).map(|sequence| stored(sequence, &large)).collect();
    remember(&recent, all.clone(), now);
    let found: Vec<_> = all.iter().map(|stored| recent.event_of(&task(stored), now).is_some()).collect();
    assert_eq!(found, [vec![false], vec![true; fit]].concat());
    let larger = stored(1_000, &"b".repeat(BODY_BYTES_MAX + 1));
    remember(&recent, vec![larger.clone()], now);
    assert_eq!(event_of(&recent, &task(&larger), now), None);
    assert!(recent.event_of(&task(&all[1]), now).is_some(), "nothing made room for it");
}
