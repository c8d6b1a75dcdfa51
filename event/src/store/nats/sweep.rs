//! Schedules that did not fire.
//!
//! A schedule that comes due while the account has no storage left stays marked as being in flight and never fires,
//! even when there is room again (nats-server 2.15.1); publishing it anew on its subject frees it. So the owner of a
//! shard looks for overdue ones now and then.

use std::{sync::Arc, time::Duration};

use gatepost_config::Timestamp;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    Nats,
    link::{self, Post, Repeat},
    read::Stored,
    settle,
};
use crate::{Lane, StoreError, Task};

/// How often a shard is looked through; each time costs a read of all its schedules.
const EVERY: Duration = Duration::from_secs(300);
/// How late a schedule is that will not fire by itself.
const OVERDUE: Duration = Duration::from_secs(60);
/// Schedules read at a time.
const PAGE: usize = 256;

impl Nats {
    /// Looks a shard through now and then, until the guard goes.
    pub(super) fn keep_sweeping(&self, shard: u16) -> DropGuard {
        let (stop, inner) = (CancellationToken::new(), Arc::downgrade(&self.inner));
        let sweeping = async move {
            loop {
                tokio::time::sleep(EVERY).await;
                let Some(inner) = inner.upgrade() else { return };
                match (Self { inner }).sweep(shard, Timestamp::now()).await {
                    Ok(0) => {}
                    Ok(freed) => tracing::warn!(shard, freed, "overdue retries were scheduled anew"),
                    Err(error) => tracing::debug!(shard, %error, "overdue retries were not looked for"),
                }
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(sweeping));
        stop.drop_guard()
    }

    /// Schedules anew what is overdue; how many.
    pub(super) async fn sweep(&self, shard: u16, now: Timestamp) -> Result<u64, StoreError> {
        let (stream, filter) = (self.names.deliveries(shard), self.names.schedule_filter(shard));
        let (mut after, mut freed) = (0, 0);
        loop {
            let page = self.link.page(&stream, &filter, after, PAGE, self.replicas).await?;
            let Some(last) = page.last() else { return Ok(freed) };
            after = last.sequence;
            for message in page.iter().filter(|message| is_overdue(message, now)) {
                freed += u64::from(self.schedule_anew(shard, message, now).await?);
            }
        }
    }

    async fn schedule_anew(&self, shard: u16, message: &Stored, now: Timestamp) -> Result<bool, StoreError> {
        let Ok(task) = serde_json::from_slice::<Task>(&message.payload) else {
            tracing::error!(subject = message.subject, "a scheduled task can't be read; it is never delivered");
            return Ok(false);
        };
        // At the revision that was read: one that fires meanwhile is left alone.
        let mut headers = async_nats::HeaderMap::new();
        let revision = message.sequence.to_string();
        headers.insert(async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.as_str());
        let target = self.names.lane_subject(shard, &Lane::of(&task));
        settle::schedule(&mut headers, now, &target);
        let post = Post { subject: message.subject.clone(), headers, payload: message.payload.clone() };
        match self.link.publish(&post, Repeat::Never, link::soon()).await {
            Ok(_) => Ok(true),
            Err(super::reply::Failed::Refused(refused)) if refused.is_wrong_revision() => Ok(false),
            Err(failed) => Err(failed.into()),
        }
    }
}

fn is_overdue(message: &Stored, now: Timestamp) -> bool {
    let due = message.headers.get_last(async_nats::header::NATS_SCHEDULE);
    let due = due.and_then(|due| due.as_str().strip_prefix("@at ")).and_then(|due| due.parse::<Timestamp>().ok());
    due.is_some_and(|due| now.since(due) > OVERDUE)
}
