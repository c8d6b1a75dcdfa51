//! What becomes of a task after an attempt: delivered, tried again later, or dead.
//!
//! Each step is confirmed before the next, and the task goes last: a crash in between is a repeat, never a loss.

use std::time::Instant;

use async_nats::HeaderMap;
use gatepost_config::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Nats,
    link::{self, Post, Repeat},
    names::{self, RETRIED},
};
use crate::{Attempt, DeadLetter, DeadReason, Ending, Lane, Queued, StoreError, Task, subject::destination_token};

#[derive(Deserialize)]
struct Done {}

impl Nats {
    pub(in crate::store) async fn finish(
        &self,
        shard: u16,
        queued: &Queued,
        attempt: &Attempt,
    ) -> Result<(), StoreError> {
        self.end(shard, queued, (Ending::Delivered, Some(attempt)), link::soon()).await
    }

    pub(in crate::store) async fn retry(
        &self,
        shard: u16,
        queued: &Queued,
        attempt: &Attempt,
        due: Timestamp,
    ) -> Result<(), StoreError> {
        let deadline = link::soon();
        let next = queued.task.next_attempt(due);
        if next.ordered {
            return self.hold(shard, queued, attempt, &next, deadline).await;
        }
        let schedule = self.schedule_post(shard, &next, due)?;
        let record = self.retried_post(shard, &queued.task, attempt)?;
        self.doubts.unsure(queued.task.delivery);
        self.near().publish(&schedule, Repeat::Harmless, deadline).await?;
        self.record(record);
        self.take_out(shard, queued, deadline).await
    }

    pub(in crate::store) async fn bury(
        &self,
        shard: u16,
        queued: &Queued,
        letter: &DeadLetter,
    ) -> Result<(), StoreError> {
        let deadline = link::soon();
        let ending = ending_of(letter);
        self.keep_letter(letter, names::letter_name(&queued.task), deadline).await?;
        self.end(shard, queued, (ending, letter.note.last.as_ref()), deadline).await
    }

    /// Ends a delivery: it is counted, with its last attempt's record, and then its task goes.
    async fn end(
        &self,
        shard: u16,
        queued: &Queued,
        (ending, attempt): (Ending, Option<&Attempt>),
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let task = &queued.task;
        if !task.ordered {
            self.unschedule(shard, queued, deadline).await?;
        }
        let attempt = match attempt {
            Some(attempt) if self.keep_briefly(shard, task, attempt, deadline).await? => None,
            attempt => attempt,
        };
        self.count_end(shard, queued, (ending, attempt), deadline).await?;
        if task.ordered {
            self.unschedule(shard, queued, deadline).await?;
        }
        self.leave(shard, Lane::of(task), queued.position, deadline).await?;
        self.doubts.ended(shard, queued);
        self.ledgers.left(shard, queued.position);
        self.forget_copy(task, deadline).await
    }

    /// Stores an attempt's record by itself if it is to go earlier than those of others; whether it is.
    async fn keep_briefly(
        &self,
        shard: u16,
        task: &Task,
        attempt: &Attempt,
        deadline: Instant,
    ) -> Result<bool, StoreError> {
        let kept = self.kept(&task.integration, |kept| kept.events);
        if kept.is_some() {
            let subject = self.names.recorded_subject(shard);
            let post = Post::once(subject, &names::end_message(task), written(&[attempt])?).lasting(kept);
            self.near().publish(&post, Repeat::Harmless, deadline).await?;
        }
        Ok(kept.is_some())
    }

    /// Writes down beside the lane what became of its head, which stays.
    async fn hold(
        &self,
        shard: u16,
        queued: &Queued,
        attempt: &Attempt,
        next: &Task,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let id = names::hold_message(next);
        let hold = Post::once(self.names.hold_subject(shard, &Lane::of(next)), &id, written(next)?);
        let record = self.retried_post(shard, &queued.task, attempt)?;
        self.near().publish(&hold, Repeat::Harmless, deadline).await?;
        self.record(record);
        Ok(())
    }

    /// A task as it waits in its lane.
    pub(super) fn task_post(&self, task: &Task) -> Result<Post, StoreError> {
        let lane = Lane::of(task);
        let shard = lane.destination.spread(self.names.shards);
        Ok(Post::once(self.names.lane_subject(shard, &lane), &names::task_message(task), written(task)?))
    }

    fn retried_post(&self, shard: u16, task: &Task, attempt: &Attempt) -> Result<Post, StoreError> {
        let id = names::retried_message(task, attempt.number);
        let kept = self.kept(&task.integration, |kept| kept.events);
        Ok(Post::once(self.names.attempt_subject(shard, RETRIED), &id, written(attempt)?).lasting(kept))
    }

    fn schedule_post(&self, shard: u16, next: &Task, due: Timestamp) -> Result<Post, StoreError> {
        let id = names::schedule_message(next, next.attempt);
        let mut post = Post::once(self.schedule_of(shard, next), &id, written(next)?);
        let target = self.names.lane_subject(shard, &Lane::of(next));
        schedule(&mut post.headers, due, &target);
        Ok(post)
    }

    fn schedule_of(&self, shard: u16, task: &Task) -> String {
        self.names.schedule_subject(shard, &destination_token(&task.destination), task.delivery)
    }

    /// Removes what stands beside the task: the schedule that an interrupted retry may have left, or what was written
    /// down about the head of an ordered lane.
    async fn unschedule(&self, shard: u16, queued: &Queued, deadline: Instant) -> Result<(), StoreError> {
        let subject = match queued.task.ordered {
            true if queued.task.attempt > 1 => self.names.hold_subject(shard, &Lane::of(&queued.task)),
            false if self.doubts.may_be_scheduled(shard, queued) => self.schedule_of(shard, &queued.task),
            _ => return Ok(()),
        };
        let purge = format!("STREAM.PURGE.{}", self.names.deliveries(shard));
        let _: Done = self.near().api(&purge, &json!({ "filter": subject }), deadline).await?;
        Ok(())
    }

    /// Takes a task out of its lane with what stands beside it.
    pub(super) async fn leave_lane(&self, shard: u16, queued: &Queued, deadline: Instant) -> Result<(), StoreError> {
        self.unschedule(shard, queued, deadline).await?;
        self.take_out(shard, queued, deadline).await
    }

    async fn take_out(&self, shard: u16, queued: &Queued, deadline: Instant) -> Result<(), StoreError> {
        self.delete_task(shard, queued.position, deadline).await?;
        self.fronts.ended(shard, &Lane::of(&queued.task), queued.position);
        self.doubts.ended(shard, queued);
        Ok(())
    }
}

/// Says when the server is to put a message where.
pub(super) fn schedule(headers: &mut HeaderMap, due: Timestamp, target: &str) {
    headers.insert(async_nats::header::NATS_SCHEDULE, format!("@at {due}").as_str());
    headers.insert(async_nats::header::NATS_SCHEDULE_TARGET, target);
}

/// The terminal word of a dead letter.
pub(super) fn ending_of(letter: &DeadLetter) -> Ending {
    match letter.note.reason {
        DeadReason::Expired => Ending::Expired,
        DeadReason::Exhausted
        | DeadReason::FinalStatus
        | DeadReason::FilterError
        | DeadReason::Unreadable
        | DeadReason::OtherTenant => Ending::Dead,
    }
}

/// A record as it is stored.
pub(super) fn written(record: &impl Serialize) -> Result<bytes::Bytes, StoreError> {
    serde_json::to_vec(record).map(Into::into).map_err(|error| StoreError::Corrupt(error.to_string()))
}
