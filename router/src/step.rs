//! Telling each step of a delivery's way, for `gatepost dev` and for debugging.

use gatepost_config::Timestamp;
use gatepost_event::{Attempt, EventRef, Task, dead::DeadNote};

/// An event's routes were followed.
pub(crate) fn routed(event: &EventRef, destinations: usize) {
    tracing::debug!(target: "gatepost::step", step = "routed", event = %event.id, destinations);
}

/// A destination took a delivery.
pub(crate) fn delivered(task: &Task, attempt: &Attempt) {
    tracing::debug!(
        target: "gatepost::step", step = "delivered", event = %task.event.id, delivery = %task.delivery,
        destination = %task.destination, attempt = attempt.number, status = attempt.status,
    );
}

/// An attempt failed and another will follow.
pub(crate) fn retrying(task: &Task, attempt: &Attempt, due: Timestamp) {
    tracing::debug!(
        target: "gatepost::step", step = "retrying", event = %task.event.id, delivery = %task.delivery,
        destination = %task.destination, attempt = attempt.number,
        error = attempt.error.map_or("", |error| error.word()), due = %due,
    );
}

/// A delivery ended as a dead letter; one that ended in routing has no destination.
pub(crate) fn dead(event: &EventRef, note: &DeadNote) {
    tracing::debug!(
        target: "gatepost::step", step = "dead", event = %event.id, delivery = %note.delivery,
        destination = note.destination.as_ref().map_or("", |id| id.as_str()), reason = note.reason.word(),
    );
}
