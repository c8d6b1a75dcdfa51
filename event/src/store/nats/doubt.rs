//! What this process remembers of tasks so that a half-done step leaves nothing behind.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{DeliveryId, Queued};

/// Ended tasks that are remembered; more than can end in the time that a replica may be behind.
const ENDED_MAX: usize = 64 * 1024;
/// Deliveries that are remembered because a schedule may stand beside their task.
const UNSURE_MAX: usize = 256 * 1024;
/// Of them, those that were found in one shard when it was taken over.
const INHERITED_MAX: usize = 64 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Doubts(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    /// By shard, the last task that stood there before this process looked.
    inherited: HashMap<u16, u64>,
    unsure: HashSet<DeliveryId>,
    ended: HashSet<(u16, u64)>,
    order: VecDeque<(u16, u64)>,
}

impl Doubts {
    /// A shard was taken over with tasks up to `last` and these schedules. Its last owner may have died between
    /// scheduling a retry and taking its task out, so that a delivery has both.
    pub(super) fn inherit(&self, shard: u16, last: u64, scheduled: &[DeliveryId]) {
        let mut memory = self.memory();
        let room = scheduled.len() <= INHERITED_MAX && memory.unsure.len() + scheduled.len() < UNSURE_MAX;
        // Too many to remember: then every task that was there is in doubt.
        memory.inherited.insert(shard, if room { 0 } else { last });
        if room {
            memory.unsure.extend(scheduled);
        }
    }

    /// A retry began; a schedule may exist beside the task until [`Self::ended`].
    pub(super) fn unsure(&self, delivery: DeliveryId) {
        let mut memory = self.memory();
        if memory.unsure.len() < UNSURE_MAX {
            memory.unsure.insert(delivery);
        }
    }

    /// Whether a schedule may exist for a delivery whose task is in its lane.
    pub(super) fn may_be_scheduled(&self, shard: u16, queued: &Queued) -> bool {
        let memory = self.memory();
        let ours = memory.inherited.get(&shard).is_some_and(|last| queued.position > *last);
        !ours || memory.unsure.contains(&queued.task.delivery) || memory.unsure.len() >= UNSURE_MAX
    }

    /// A task was taken out of its lane.
    pub(super) fn ended(&self, shard: u16, queued: &Queued) {
        let mut memory = self.memory();
        memory.unsure.remove(&queued.task.delivery);
        memory.end((shard, queued.position));
    }

    /// The task at a place was ended by the shard's last owner, and is about to be taken out.
    pub(super) fn ended_at(&self, shard: u16, position: u64) {
        self.memory().end((shard, position));
    }

    /// Whether the task at a place was taken out, or is about to be.
    pub(super) fn is_ended(&self, shard: u16, position: u64) -> bool {
        self.memory().ended.contains(&(shard, position))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn end(&mut self, place: (u16, u64)) {
        if self.ended.insert(place) {
            self.order.push_back(place);
        }
        if self.order.len() > ENDED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ended.remove(&oldest);
        }
    }
}
