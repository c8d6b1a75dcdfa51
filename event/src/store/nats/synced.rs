//! Ending what waited in a lane for one run of a sync: an end for each task and a record of all, then one purge.

use std::time::Instant;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use gatepost_config::Timestamp;

use super::{
    Nats,
    lanes::queued,
    link::{self, Post, Repeat},
    names,
    routed::outcomes_post,
    settle::written,
};
use crate::{Ending, Lane, Outcomes, Queued, StoreError};

/// Tasks read and ended at a time.
const PAGE: usize = 256;
/// Ends published at once.
const AT_ONCE: usize = 64;

impl Nats {
    pub(in crate::store) async fn newest(&self, shard: u16, lane: &Lane) -> Result<Option<Queued>, StoreError> {
        let (stream, subject) = (self.names.deliveries(shard), self.names.lane_subject(shard, lane));
        let last = self.link.last_of(&stream, &subject, self.replicas, link::soon()).await?;
        Ok(last.as_ref().and_then(queued))
    }

    pub(in crate::store) async fn finish_through(
        &self,
        shard: u16,
        lane: &Lane,
        through: u64,
    ) -> Result<u64, StoreError> {
        let mut ended = 0;
        loop {
            let mut heads = self.heads(shard, lane, 0, PAGE).await?;
            let full = heads.len() == PAGE;
            heads.retain(|head| head.position <= through);
            let Some(last) = heads.last().map(|head| head.position) else { return Ok(ended) };
            let deadline = link::soon();
            stream::iter(&heads)
                .map(Ok)
                .try_for_each_concurrent(AT_ONCE, |head| self.end_synced(shard, head, deadline))
                .await?;
            self.note_synced(shard, &heads, deadline).await?;
            // What can't be read goes too: it was told of when it was read.
            self.purge_lane(shard, lane, last, deadline).await?;
            for head in &heads {
                self.doubts.ended(shard, head);
            }
            ended += heads.len() as u64;
            if !full || last == through {
                return Ok(ended);
            }
        }
    }

    /// Writes down for those who follow the store which deliveries have ended.
    async fn note_synced(&self, shard: u16, heads: &[Queued], deadline: Instant) -> Result<(), StoreError> {
        let synced = heads.iter().map(|head| head.task.delivery).collect();
        let record = Outcomes::of_synced(synced, Timestamp::now());
        let post = outcomes_post(self.names.synced_outcomes(shard), &record)?;
        self.link.publish(&post, Repeat::Harmless, deadline).await?;
        Ok(())
    }

    async fn end_synced(&self, shard: u16, head: &Queued, deadline: Instant) -> Result<(), StoreError> {
        let subject = self.names.end_subject('s', shard, Ending::Synced);
        let end = Post::once(subject, &names::end_message(&head.task), written(&head.task.event)?);
        self.link.publish(&end, Repeat::Harmless, deadline).await?;
        self.forget_copy(&head.task, deadline).await
    }
}
