//! What the owner of a shard looks for now and then: deliveries whose event is at the end of its retention, and
//! schedules that did not fire.
//!
//! A schedule that comes due while the account has no storage left stays marked as being in flight and never fires,
//! even when there is room again (nats-server 2.15.1); publishing it anew on its subject frees it.

use std::time::Duration;

use futures::{TryStreamExt as _, stream};
use gatepost_config::Timestamp;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    Nats,
    link::{self, Post, Repeat},
    read::Stored,
    reply::Failed,
    settle,
    streams::expiry_margin,
};
use crate::{DeadLetter, DeadReason, Lane, Queued, StoreError, Task, dead::DeadNote};

/// How often a shard is looked through at least; each time costs a read of all that waits in it.
const EVERY_MAX: Duration = Duration::from_secs(300);
/// How late a schedule is that will not fire by itself.
const OVERDUE: Duration = Duration::from_secs(60);
/// Tasks read at a time.
const PAGE: usize = 256;
/// Tasks put right at once.
const AT_ONCE: usize = 16;

impl Nats {
    /// Looks a shard through now and then, until the guard goes.
    pub(super) fn keep_sweeping(&self, shard: u16) -> DropGuard {
        let (stop, inner) = (CancellationToken::new(), std::sync::Arc::downgrade(&self.inner));
        let sweeping = async move {
            loop {
                let Some(every) = inner.upgrade().map(|inner| (Self { inner }).sweep_pause()) else { return };
                tokio::time::sleep(every).await;
                let Some(inner) = inner.upgrade() else { return };
                if let Err(error) = (Self { inner }).sweep(shard, Timestamp::now()).await {
                    tracing::warn!(shard, %error, "expired and overdue deliveries were not looked for");
                }
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(sweeping));
        stop.drop_guard()
    }

    /// Short enough that what is owed is buried while its event's bytes are still there.
    fn sweep_pause(&self) -> Duration {
        (expiry_margin(self.retention().shortest(|kept| kept.events)) / 3).min(EVERY_MAX)
    }

    /// Buries what is expired, and schedules anew what is overdue.
    async fn sweep(&self, shard: u16, now: Timestamp) -> Result<(), StoreError> {
        let (stream, filter) = (self.names.deliveries(shard), self.names.shard_filter(shard));
        let mut after = 0;
        loop {
            let page = self.link.page(&stream, &filter, after, PAGE, self.replicas).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.sequence;
            stream::iter(page.iter().map(Ok))
                .try_for_each_concurrent(AT_ONCE, |message| self.put_right(shard, message, now))
                .await?;
        }
    }

    async fn put_right(&self, shard: u16, message: &Stored, now: Timestamp) -> Result<(), StoreError> {
        if self.names.is_hold(shard, &message.subject) {
            return Ok(());
        }
        // One that can't be read was told of where it was met.
        let Ok(task) = serde_json::from_slice::<Task>(&message.payload) else { return Ok(()) };
        let kept = self.retention().of(&task.integration).events;
        if now.since(task.event.received_at) > kept {
            self.expire(shard, Queued { position: message.sequence, task }, now).await
        } else if is_overdue(message, now) {
            if self.schedule_anew(shard, message, &task, now).await? {
                tracing::warn!(shard, delivery = %task.delivery, "an overdue retry was scheduled anew");
            }
            Ok(())
        } else {
            Ok(())
        }
    }

    /// Buries a delivery with its event's bytes while they are still there.
    async fn expire(&self, shard: u16, queued: Queued, now: Timestamp) -> Result<(), StoreError> {
        let event = match self.event_of(&queued.task).await {
            Ok(event) => event,
            Err(StoreError::Corrupt(_)) => None,
            Err(error) => return Err(error),
        };
        let note = DeadNote {
            delivery: queued.task.delivery,
            destination: Some(queued.task.destination.clone()),
            sync: queued.task.sync.clone(),
            route: Some(queued.task.route.clone()),
            attempts: queued.task.attempt.saturating_sub(1),
            reason: DeadReason::Expired,
            detail: None,
            last: None,
            died_at: now,
        };
        self.bury(shard, &queued, &DeadLetter { note, event }).await
    }

    /// Lets a schedule fire now; `false` when it is no more what was read.
    pub(super) async fn schedule_anew(
        &self,
        shard: u16,
        message: &Stored,
        task: &Task,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // At the revision that was read: one that fires meanwhile is left alone.
        let mut headers = async_nats::HeaderMap::new();
        let revision = message.sequence.to_string();
        headers.insert(async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.as_str());
        settle::schedule(&mut headers, now, &self.names.lane_subject(shard, &Lane::of(task)));
        let post = Post::new(message.subject.clone(), headers, message.payload.clone());
        match self.link.publish(&post, Repeat::Never, link::soon()).await {
            Ok(_) => Ok(true),
            Err(Failed::Refused(refused)) if refused.is_wrong_revision() => Ok(false),
            Err(failed) => Err(failed.into()),
        }
    }
}

/// When a schedule is to fire.
pub(super) fn due_of(message: &Stored) -> Option<Timestamp> {
    let due = message.headers.get_last(async_nats::header::NATS_SCHEDULE)?;
    due.as_str().strip_prefix("@at ")?.parse().ok()
}

fn is_overdue(message: &Stored, now: Timestamp) -> bool {
    due_of(message).is_some_and(|due| now.since(due) > OVERDUE)
}
