//! Counting everything that was acknowledged: one question per stream.
//!
//! The streams are asked in the order in which events pass through them: what moves on meanwhile is counted twice, never
//! left out.

use std::time::Instant;

use futures::future::try_join_all;

use super::{
    Nats, link,
    names::REPLAYED,
    tally::{numbers, tally},
};
use crate::{Ending, StoreError, store::Census};

impl Nats {
    pub(in crate::store) async fn census(&self) -> Result<Census, StoreError> {
        let deadline = link::soon();
        let unmatched = numbers(&self.link, &self.names.parked(), deadline).await?.messages;
        let logs = try_join_all((0..self.names.partitions).map(|partition| self.unrouted(partition, deadline))).await?;
        let lanes = try_join_all((0..self.names.shards).map(|shard| self.waiting(shard, deadline))).await?;
        let mut census = Census {
            unrouted_yet: logs.iter().sum(),
            in_lanes: lanes.iter().map(|(in_lanes, _)| in_lanes).sum(),
            scheduled: lanes.iter().map(|(_, scheduled)| scheduled).sum(),
            unmatched,
            ..Census::default()
        };
        let ends = tally(&self.link, &self.names.attempts(), &self.names.endings_filter(), deadline).await?;
        for (subject, count) in &ends.subjects {
            let word = subject.rsplit('.').next().unwrap_or_default();
            if word == REPLAYED {
                census.replayed += count;
            } else if let Some(ending) = Ending::ALL.into_iter().find(|ending| ending.word() == word) {
                *census.ended.entry(ending).or_default() += count;
            }
        }
        for (ending, count) in self.counted(deadline).await? {
            *census.ended.entry(ending).or_default() += count;
        }
        Ok(census)
    }

    async fn unrouted(&self, partition: u16, deadline: Instant) -> Result<u64, StoreError> {
        let log = numbers(&self.link, &self.names.events(partition), deadline).await?;
        let through = self.routed_through(partition, &log, deadline).await?;
        Ok(log.last.saturating_sub(through.max(log.first.saturating_sub(1))))
    }

    /// In lanes, and waiting for their time: what a shard's stream holds is one or the other, or a note beside an
    /// ordered lane.
    async fn waiting(&self, shard: u16, deadline: Instant) -> Result<(u64, u64), StoreError> {
        let filter = self.names.lane_filter(shard);
        let lanes = tally(&self.link, &self.names.deliveries(shard), &filter, deadline).await?;
        let filter = self.names.hold_filter(shard);
        let held = tally(&self.link, &self.names.deliveries(shard), &filter, deadline).await?;
        let held: u64 = held.subjects.values().sum();
        let in_lanes = lanes.subjects.values().sum();
        Ok((in_lanes, lanes.messages.saturating_sub(in_lanes + held)))
    }
}
