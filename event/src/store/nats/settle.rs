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
    reply::Failed,
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
        let deadline = link::soon();
        let ended = self.attempt_post(shard, Ending::Delivered.word(), &queued.task, attempt)?;
        self.near().publish(&ended, Repeat::Harmless, deadline).await?;
        self.unschedule(shard, queued, deadline).await?;
        self.take_out(shard, queued, deadline).await?;
        self.forget_copy(&queued.task, deadline).await
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
        let record = self.attempt_post(shard, RETRIED, &queued.task, attempt)?;
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
        let ended = match &letter.note.last {
            Some(attempt) => self.attempt_post(shard, ending.word(), &queued.task, attempt)?,
            None => {
                let subject = self.names.end_subject('s', shard, ending);
                Post::once(subject, &names::end_message(&queued.task), written(&queued.task.event)?)
            }
        };
        self.near().publish(&ended, Repeat::Harmless, deadline).await?;
        self.unschedule(shard, queued, deadline).await?;
        self.take_out(shard, queued, deadline).await?;
        self.forget_copy(&queued.task, deadline).await
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
        let record = self.attempt_post(shard, RETRIED, &queued.task, attempt)?;
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

    fn attempt_post(&self, shard: u16, word: &str, task: &Task, attempt: &Attempt) -> Result<Post, StoreError> {
        let id = match word {
            RETRIED => names::retried_message(task, attempt.number),
            _ => names::end_message(task),
        };
        let kept = self.kept(&task.integration, |kept| kept.events);
        Ok(Post::once(self.names.attempt_subject(shard, word), &id, written(attempt)?).lasting(kept))
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
        let delete = format!("STREAM.MSG.DELETE.{}", self.names.deliveries(shard));
        let request = json!({ "seq": queued.position, "no_erase": true });
        match self.near().api::<Done>(&delete, &request, deadline).await {
            Ok(_) => {}
            // An earlier try took it out.
            Err(Failed::Refused(refused)) if refused.is_not_found() => {}
            Err(failed) => return Err(failed.into()),
        }
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
