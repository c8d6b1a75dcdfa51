use bytes::Bytes;
use gatepost_event::DeadReason;

use super::*;
use crate::{
    delivery::{fixture::delivery, note_of},
    route::fixture::{destination, event},
};

fn task(attempt: u32) -> Task {
    delivery(destination("backend", None), event("github.push", "{}"), attempt).due().task().clone()
}

fn retry(task: &Task) -> Arc<End> {
    let attempt = Attempt {
        delivery: task.delivery,
        event: task.event.id,
        destination: task.destination.clone(),
        number: task.attempt,
        started_at: Timestamp::from_millis(1),
        phases: Default::default(),
        duration_ms: 1,
        status: Some(500),
        error: None,
        response: String::new(),
        key_ids: Vec::new(),
    };
    Arc::new(End::Retry { attempt, at: Timestamp::from_millis(9) })
}

#[test]
fn an_end_is_recalled_for_the_attempt_that_reached_it_and_no_other() {
    let (ends, now, task) = (Unconfirmed::default(), Instant::now(), task(2));
    assert!(ends.recall(&task, now).is_none());
    ends.remember(&task, &retry(&task), now);
    let recalled = ends.recall(&task, now);
    assert!(matches!(recalled.as_deref(), Some(End::Retry { at, .. }) if at.millis() == 9));
    assert!(ends.recall(&Task { attempt: 3, ..task.clone() }, now).is_none(), "the next attempt");
    let replayed = Task { created_at: Timestamp::from_millis(77), ..task.clone() };
    assert!(ends.recall(&replayed, now).is_none(), "a replay");
    assert!(ends.recall(&task, now + END_AGE_MAX).is_none(), "too long ago");
    ends.forget(&task);
    assert!(ends.recall(&task, now).is_none());
}

#[test]
fn ends_remembered_are_bounded_in_number_and_size() {
    let (ends, now) = (Unconfirmed::default(), Instant::now());
    let numbered = |n: usize| Task { delivery: DeliveryId::of(&task(1).event, &n.to_string()), ..task(1) };
    for n in 0..ENDS_MAX + 10 {
        ends.remember(&numbered(n), &retry(&task(1)), now);
    }
    assert_eq!(ends.0.lock().expect("a lock").len(), ENDS_MAX);
    assert!(ends.recall(&numbered(ENDS_MAX + 5), now).is_none() && ends.recall(&numbered(0), now).is_some());
    ends.remember(&numbered(ENDS_MAX + 5), &retry(&task(1)), now + END_AGE_MAX);
    assert_eq!(ends.0.lock().expect("a lock").len(), 1, "the old ones made room");

    let large = |bytes: usize| {
        let mut event = event("github.push", "");
        event.body = Bytes::from(vec![b'x'; bytes]);
        let note = note_of(&task(1), DeadReason::Exhausted, None, None, Timestamp::from_millis(1));
        Arc::new(End::Dead(Box::new(DeadLetter { note, event: Some(event) })))
    };
    let ends = Unconfirmed::default();
    ends.remember(&numbered(1), &large(END_BODY_BYTES_MAX), now);
    ends.remember(&numbered(2), &large(END_BODY_BYTES_MAX + 1), now);
    assert!(ends.recall(&numbered(1), now).is_some() && ends.recall(&numbered(2), now).is_none());
}
