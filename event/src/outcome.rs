//! What became of events, written down for those who follow the store: which deliveries they were owed, or why none.

use gatepost_config::{DestinationId, RouteId, SyncName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{DeliveryId, Ending, EventId, EventRef, ReplayId, Task, store::Routed};

/// Deliveries that one record names at most, so that it fits into a message.
const DELIVERIES_MAX: usize = 4_000;

/// What one step of routing, or of a replay, made of events. A step that was repeated after a crash may be told twice,
/// with the same deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// When.
    pub at: Timestamp,
    /// Deliveries that are owed since then.
    pub owed: Vec<Owed>,
    /// Events that nothing is owed for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<Ended>,
    /// Dead letters that were taken back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revived: Vec<DeliveryId>,
    /// Deliveries that a run of their sync has ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub synced: Vec<DeliveryId>,
}

/// Deliveries to one destination by one route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// The destination; of a sync that is owed, its engine's id.
    pub destination: DestinationId,
    /// The sync, when one is owed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncName>,
    /// The route.
    pub route: RouteId,
    /// The replay that owes them anew; none when routing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayId>,
    /// Which deliveries, each of which event.
    pub deliveries: Vec<(DeliveryId, Spot)>,
}

/// Events that ended the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// How.
    pub ending: Ending,
    /// Which events.
    pub events: Vec<Spot>,
}

/// An event and its place: id, partition, sequence. A list in JSON, since there are many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot(pub EventId, pub u16, pub u64);

impl Outcomes {
    /// Of a routed batch; none when it says nothing.
    pub(crate) fn of_routed(routed: &Routed, now: Timestamp) -> Vec<Self> {
        let mut records = Self::of_tasks(&routed.tasks, now);
        let mut ended: Vec<Ended> = Vec::new();
        for (at, ending) in &routed.ended {
            let spot = Spot::of(at);
            match ended.iter_mut().find(|ended| ended.ending == *ending) {
                Some(ended) => ended.events.push(spot),
                None => ended.push(Ended { ending: *ending, events: vec![spot] }),
            }
        }
        if !ended.is_empty() {
            records.push(Self { ended, ..Self::nothing(now) });
        }
        records
    }

    /// Of deliveries that are owed now.
    pub(crate) fn of_tasks(tasks: &[Task], now: Timestamp) -> Vec<Self> {
        tasks.chunks(DELIVERIES_MAX).map(|tasks| Self::of_some(tasks.iter(), now)).collect()
    }

    fn of_some<'a>(tasks: impl Iterator<Item = &'a Task>, now: Timestamp) -> Self {
        let mut record = Self::nothing(now);
        for task in tasks {
            let delivery = (task.delivery, Spot::of(&task.event));
            let replay = task.replay.as_ref().map(|replay| replay.id);
            let same = |owed: &&mut Owed| {
                (&owed.destination, &owed.sync, &owed.route, owed.replay)
                    == (&task.destination, &task.sync, &task.route, replay)
            };
            match record.owed.iter_mut().find(same) {
                Some(owed) => owed.deliveries.push(delivery),
                None => record.owed.push(Owed {
                    destination: task.destination.clone(),
                    sync: task.sync.clone(),
                    route: task.route.clone(),
                    replay,
                    deliveries: vec![delivery],
                }),
            }
        }
        record
    }

    /// Of a dead letter that was taken back.
    pub(crate) fn of_revived(delivery: DeliveryId, now: Timestamp) -> Self {
        Self { revived: vec![delivery], ..Self::nothing(now) }
    }

    /// Of deliveries that a run has ended.
    pub(crate) fn of_synced(synced: Vec<DeliveryId>, now: Timestamp) -> Self {
        Self { synced, ..Self::nothing(now) }
    }

    const fn nothing(at: Timestamp) -> Self {
        Self { at, owed: Vec::new(), ended: Vec::new(), revived: Vec::new(), synced: Vec::new() }
    }

    /// Leaves events of a partition out that stand at or before a place; whether anything is left.
    pub(crate) fn after(&mut self, done: u64) -> bool {
        for owed in &mut self.owed {
            owed.deliveries.retain(|(_, spot)| spot.2 > done);
        }
        for ended in &mut self.ended {
            ended.events.retain(|spot| spot.2 > done);
        }
        self.owed.retain(|owed| !owed.deliveries.is_empty());
        self.ended.retain(|ended| !ended.events.is_empty());
        !(self.owed.is_empty() && self.ended.is_empty() && self.revived.is_empty() && self.synced.is_empty())
    }
}

impl Spot {
    /// Of a place in the log.
    pub const fn of(at: &EventRef) -> Self {
        Self(at.id, at.partition, at.sequence)
    }
}
