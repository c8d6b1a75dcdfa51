//! What is owed anew of a letter or an event.

use std::sync::Arc;

use gatepost_config::Timestamp;
use gatepost_event::{
    DeadLetter, DeliveryId, Event, EventId, EventRef, Replay, StoreError, Task, replay::Job, store::StoredEvent,
};

use crate::{filter, plan::Plan, route};

/// The tasks that take a dead letter's place: one to where it was going, or, when it died in routing, those of the present
/// routes. None when its destination is gone, may not have it any more, or nobody wants it.
pub(crate) async fn of_letter(
    plan: &Arc<Plan>,
    job: &Job,
    position: u64,
    letter: &DeadLetter,
) -> Result<Vec<Task>, StoreError> {
    let Some(event) = &letter.event else { return Ok(Vec::new()) };
    let now = Timestamp::now();
    // Its place in the log means nothing any more: it carries its own copy, whose time begins now.
    let at = EventRef { id: event.meta.id, partition: 0, sequence: 0, received_at: job.created_at };
    let tasks = match &letter.note.destination {
        Some(destination) => route::direct(plan, event, at, destination, letter.note.route.as_ref(), now)
            .map(|task| Task { delivery: letter.note.delivery, ..task })
            .into_iter()
            .collect(),
        None => routed(plan, at, event.clone(), now).await?,
    };
    let anew = |task: Task| {
        let event = EventRef { received_at: now, ..task.event };
        Task { event, ..marked(job, task, Some(position)) }
    };
    Ok(tasks.into_iter().map(anew).collect())
}

/// The tasks that the present routes make of a stored event.
pub(super) async fn of_event(plan: &Arc<Plan>, job: &Job, at: EventRef, event: Event) -> Result<Vec<Task>, StoreError> {
    let tasks = routed(plan, at, event, Timestamp::now()).await?;
    let anew = |task: Task| {
        // A space, so that no destination is taken for another's replay.
        let sync = task.sync.as_ref().map_or_else(String::new, |sync| format!(" for {sync}"));
        let delivery = DeliveryId::of(&at, &format!("to {}{sync} by {}", task.destination, job.id));
        marked(job, Task { delivery, ..task }, None)
    };
    Ok(tasks.into_iter().map(anew).collect())
}

async fn routed(plan: &Arc<Plan>, at: EventRef, event: Event, now: Timestamp) -> Result<Vec<Task>, StoreError> {
    let stored = StoredEvent { at, event: Ok(event) };
    if !plan.has_filters() {
        return Ok(route::route(plan, &stored, now).into_tasks());
    }
    let plan = plan.clone();
    let routing = filter::on_big_stack(move || route::route(&plan, &stored, now).into_tasks());
    routing.await.map_err(StoreError::Unavailable)
}

fn marked(job: &Job, task: Task, letter: Option<u64>) -> Task {
    let (replay, event) = (job.id.to_string(), task.event.id.to_string());
    let fresh = || EventId::of("replay", &replay, &event, Some(task.destination.as_str()));
    let webhook_id = job.wish.new_ids.then(fresh);
    Task { replay: Some(Replay { id: job.id, webhook_id, letter }), ..task }
}
