//! The lanes of a shard: what arrives in them, what waits in them.

use tokio_util::sync::DropGuard;

use super::{
    Nats,
    feed::{Fed, Feed, Source},
    link,
    names::{Names, scheduled_delivery},
    read::Stored,
    redelivery::SOONER,
    tally::tally,
};
use crate::{
    Lane, Queued, StoreError, Task,
    store::{LaneCount, Tailed},
};

/// Messages and bytes of a shard's arrivals that may be on their way to us at once.
const FEED_MAX: (usize, usize) = (512, 4 * 1024 * 1024);

/// See [`crate::store::Tail`].
pub struct Tail {
    names: Names,
    shard: u16,
    feed: Feed,
    _sweeping: DropGuard,
}

impl Nats {
    pub(in crate::store) async fn tail(&self, shard: u16) -> Result<Tail, StoreError> {
        let stream = self.names.deliveries(shard);
        self.take_ledger(shard).await?;
        let scheduled = tally(&self.link, &stream, &self.names.schedule_filter(shard), link::soon()).await?;
        let last = scheduled.last;
        let deliveries: Vec<_> = scheduled.subjects.keys().filter_map(|subject| scheduled_delivery(subject)).collect();
        self.doubts.inherit(shard, last, &deliveries);
        let filters = vec![self.names.lane_filter(shard), self.names.hold_filter(shard)];
        let source = Source { stream, filters, messages_max: FEED_MAX.0, bytes_max: FEED_MAX.1 };
        let feed = Feed::open(self.link.clone(), source, last + 1).await?;
        Ok(Tail { names: self.names.clone(), shard, feed, _sweeping: self.keep_sweeping(shard) })
    }

    pub(in crate::store) async fn lanes(&self, shard: u16) -> Result<Vec<LaneCount>, StoreError> {
        let tally =
            tally(&self.link, &self.names.deliveries(shard), &self.names.lane_filter(shard), link::soon()).await?;
        let lane = |(subject, waiting): (&String, &u64)| match self.names.lane_of(shard, subject) {
            Some(lane) => Some(LaneCount { lane, waiting: *waiting }),
            None => {
                tracing::error!(subject, "a subject among the lanes is no lane; its messages are never delivered");
                None
            }
        };
        let mut lanes: Vec<_> = tally.subjects.iter().filter_map(lane).collect();
        lanes.sort_by_key(|count| count.lane);
        Ok(lanes)
    }

    pub(in crate::store) async fn heads(
        &self,
        shard: u16,
        lane: &Lane,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Queued>, StoreError> {
        let mut heads = Vec::new();
        let mut after = after;
        while heads.len() < limit {
            let page = self.lane_page(shard, lane, after, limit - heads.len()).await?;
            // A replica that is behind may still have what has ended.
            let fresh = || page.iter().filter(|message| !self.doubts.is_ended(shard, message.sequence));
            let through = page.last().map_or(after, |last| last.sequence);
            let owed = fresh().map(|message| message.sequence);
            let owed = owed.filter(|place| !self.ledgers.is_standing(shard, *place));
            self.fronts.read(shard, lane, after, owed, through);
            if page.is_empty() {
                break;
            }
            after = through;
            heads.extend(fresh().filter_map(queued));
        }
        if let Some(head) = heads.first_mut()
            && head.task.ordered
        {
            self.recall_hold(shard, lane, head).await?;
        }
        Ok(heads)
    }

    /// The head of an ordered lane as its last failed attempt left it.
    async fn recall_hold(&self, shard: u16, lane: &Lane, head: &mut Queued) -> Result<(), StoreError> {
        let (stream, subject) = (self.names.deliveries(shard), self.names.hold_subject(shard, lane));
        let Some(message) = self.near().last_of(&stream, &subject, self.replicas, link::soon()).await? else {
            return Ok(());
        };
        let held = serde_json::from_slice::<Task>(&message.payload);
        let held = held.map_err(|error| StoreError::Corrupt(format!("{subject} is no task: {error}")))?;
        // One of an earlier head says nothing about this one.
        if held.delivery == head.task.delivery && held.created_at == head.task.created_at {
            head.task = held;
        }
        Ok(())
    }
}

impl Tail {
    pub(in crate::store) async fn next(&mut self) -> Result<Tailed, StoreError> {
        loop {
            match self.feed.next().await? {
                Fed::Again => return Ok(Tailed::Missed),
                Fed::Message(message) if self.names.is_hold(self.shard, &message.subject) => {
                    let lane = self.names.held_lane(self.shard, &message.subject);
                    if let Some(lane) = lane.filter(|_| message.headers.get(SOONER).is_some()) {
                        return Ok(Tailed::Sooner(lane));
                    }
                }
                Fed::Message(message) => {
                    let lane = self.names.lane_of(self.shard, &message.subject);
                    if let (Some(lane), Some(queued)) = (lane, queued(&message)) {
                        return Ok(Tailed::Arrived(lane, queued));
                    }
                }
            }
        }
    }
}

/// A task in its place.
pub(super) fn queued(message: &Stored) -> Option<Queued> {
    match serde_json::from_slice::<Task>(&message.payload) {
        Ok(task) => Some(Queued { position: message.sequence, task }),
        Err(error) => {
            let (subject, sequence) = (&message.subject, message.sequence);
            tracing::error!(subject, sequence, %error, "a stored task can't be read; it stays and is never delivered");
            None
        }
    }
}
