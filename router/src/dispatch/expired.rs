//! Ending what waited for too long.

use std::sync::Arc;

use gatepost_config::Timestamp;
use gatepost_event::{Lane, Queued, Task};

use super::{Dispatcher, Started, heads};
use crate::{expiry, lanes::Refill, work::Report};

/// Most deliveries ended by one such look.
const EXPIRED_MAX: usize = 256;

/// Tasks read of a lane whose destination is not configured, to see whether they waited for too long.
const UNKNOWN_HEADS: usize = 32;

impl Dispatcher {
    /// Ends deliveries that waited until their event's retention ended: those remembered, and those of destinations
    /// that are not configured, which only the store remembers.
    pub(super) fn look_for_expired(&mut self) {
        let is_expired = self.is_expired();
        for (lane, shard, queued) in self.lanes.take_expired(is_expired, EXPIRED_MAX) {
            self.expire(lane, shard, queued);
        }
        for (lane, shard) in self.lanes.unknown().collect::<Vec<_>>() {
            let desk = self.desk.clone();
            let ask = Refill { lane, shard, after: 0, limit: UNKNOWN_HEADS };
            self.scans.spawn(async move { (lane, shard, heads(&desk, ask).await.unwrap_or_default()) });
        }
    }

    pub(super) fn scanned(&mut self, lane: Lane, shard: u16, heads: Vec<Queued>) {
        let is_expired = self.is_expired();
        for queued in heads {
            self.tell_unknown(&lane, &queued);
            if is_expired(&queued.task) && self.lanes.take(&lane, queued.position) {
                self.expire(lane, shard, queued);
            }
        }
    }

    /// Whether what is owed is to be given up now.
    fn is_expired(&self) -> impl Fn(&Task) -> bool + use<> {
        let (plan, now) = (Arc::clone(&self.plan.borrow()), Timestamp::now());
        move |task| {
            let kept = plan.retention.of(&task.integration).events;
            task.event.received_at < expiry::expired_before(now, kept)
        }
    }

    fn expire(&mut self, lane: Lane, shard: u16, queued: Queued) {
        let Some(held) = self.shards.get(&shard).map(|shard| shard.held.clone()) else { return };
        let position = queued.position;
        let expiring = expiry::expire(self.desk.clone(), held, shard, queued);
        let id = self.under_way.spawn(async { Report { settled: expiring.await, health: None } }).id();
        self.note_start(id, Started::unslotted(lane, shard, position));
    }
}
