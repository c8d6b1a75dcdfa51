//! What providers sent once more: noted by gateways, dealt with by one router, and the retries that go at once because
//! of it.

use std::time::Instant;

use async_nats::HeaderMap;
use futures::future::try_join;
use gatepost_config::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Nats,
    link::{self, Post, Repeat},
    names,
    read::Stored,
    reply::Failed,
    settle::written,
    state::{At, Write},
    sweep::due_of,
};
use crate::{DeliveryId, Lane, Noted, Redelivery, StoreError, Task, store::NextAttempt};

/// The header of what was written down about an ordered lane's head by somebody else than its owner.
pub(super) const SOONER: &str = "Gatepost-Sooner";

/// What stands under [`names::Names::redelivered_key`].
#[derive(Debug, Serialize, Deserialize)]
struct Dealt {
    through: u64,
}

impl Nats {
    pub(in crate::store) async fn note_redelivery(
        &self,
        redelivery: &Redelivery,
        deadline: Instant,
    ) -> Result<Noted, StoreError> {
        let subject = self.names.redelivered_subject(&redelivery.event);
        let post = Post::once(subject, &names::redelivered_message(redelivery), written(redelivery)?);
        match self.link.publish(&post, Repeat::Harmless, deadline).await {
            Ok(ack) if ack.duplicate => Ok(Noted::Enough),
            Ok(_) => Ok(Noted::New),
            Err(Failed::Refused(refused)) if refused.is_subject_taken() => Ok(Noted::Enough),
            Err(failed) => Err(failed.into()),
        }
    }

    pub(in crate::store) async fn redeliveries(
        &self,
        limit: usize,
    ) -> Result<Vec<(u64, Result<Redelivery, String>)>, StoreError> {
        let dealt = self.read::<Dealt>(&self.names.redelivered_key(), link::soon()).await?;
        let after = dealt.and_then(|entry| entry.value).map_or(0, |dealt| dealt.through);
        let (stream, filter) = (self.names.redelivered(), self.names.redelivered_filter());
        let page = self.link.page(&stream, &filter, after, limit, self.replicas).await?;
        let read = |message: Stored| {
            let redelivery = serde_json::from_slice(&message.payload).map_err(|error| error.to_string());
            (message.sequence, redelivery)
        };
        Ok(page.into_iter().map(read).collect())
    }

    pub(in crate::store) async fn redelivered_through(&self, position: u64) -> Result<(), StoreError> {
        let (key, dealt) = (self.names.redelivered_key(), Dealt { through: position });
        self.write(&key, Write::Value(&dealt), At::Any, None, link::soon()).await.map(drop)
    }

    pub(in crate::store) async fn hasten(
        &self,
        delivery: DeliveryId,
        ordered: &Lane,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (schedule, hold) = self.postponed(delivery, ordered).await?;
        if let Some(message) = schedule.filter(|message| due_of(message).is_none_or(|due| due > now)) {
            let shard = ordered.destination.spread(self.names.shards);
            return self.schedule_anew(shard, &message, &task(&message)?, now).await;
        }
        match hold {
            Some(message) => self.let_go_sooner(delivery, &message, now).await,
            None => Ok(false),
        }
    }

    pub(in crate::store) async fn next_attempt(
        &self,
        delivery: DeliveryId,
        ordered: &Lane,
        now: Timestamp,
    ) -> Result<Option<NextAttempt>, StoreError> {
        let (schedule, hold) = self.postponed(delivery, ordered).await?;
        if let Some(message) = schedule
            && let Some(due) = due_of(&message).filter(|due| *due > now)
        {
            return Ok(Some(NextAttempt { delivery, number: task(&message)?.attempt, due }));
        }
        let head = hold.as_ref().map(task).transpose()?;
        Ok(head.and_then(|head| NextAttempt::of_head(&head, now)))
    }

    /// A delivery's schedule, and what is written down about the head of its ordered lane.
    async fn postponed(
        &self,
        delivery: DeliveryId,
        ordered: &Lane,
    ) -> Result<(Option<Stored>, Option<Stored>), StoreError> {
        let shard = ordered.destination.spread(self.names.shards);
        let (stream, deadline) = (self.names.deliveries(shard), link::soon());
        let schedule = self.names.schedule_subject(shard, &ordered.destination, delivery);
        let hold = self.names.hold_subject(shard, ordered);
        try_join(
            self.link.last_of(&stream, &schedule, self.replicas, deadline),
            self.link.last_of(&stream, &hold, self.replicas, deadline),
        )
        .await
    }

    /// Writes anew what is written down about the head of an ordered lane, if it is this delivery.
    async fn let_go_sooner(&self, delivery: DeliveryId, hold: &Stored, now: Timestamp) -> Result<bool, StoreError> {
        let held = task(hold)?;
        if held.delivery != delivery || held.not_before.is_none_or(|until| until <= now) {
            return Ok(false);
        }
        // At the revision that was read: what its owner writes meanwhile is newer than this.
        let mut headers = HeaderMap::new();
        let revision = hold.sequence.to_string();
        headers.insert(async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.as_str());
        headers.insert(SOONER, "1");
        let payload = written(&Task { not_before: Some(now), ..held })?;
        let post = Post::new(hold.subject.clone(), headers, payload);
        match self.link.publish(&post, Repeat::Never, link::soon()).await {
            Ok(_) => Ok(true),
            Err(Failed::Refused(refused)) if refused.is_wrong_revision() => Ok(false),
            Err(failed) => Err(failed.into()),
        }
    }
}

fn task(message: &Stored) -> Result<Task, StoreError> {
    let corrupt = |error| StoreError::Corrupt(format!("{} is no task: {error}", message.subject));
    serde_json::from_slice(&message.payload).map_err(corrupt)
}
