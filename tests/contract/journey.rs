//! What a router does with a store, in as few words as a case needs.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures::future::select_all;
use gatepost_event::{
    Event, Lane, Queued, Store, Task,
    store::{Appended, Lease, LeaseKey, Log, Routed, StoredEvent, Tail, Tailed, types::LEASE_TTL},
};

use crate::{make, wait};

/// A router's hold on every partition's log.
pub(crate) struct Logs {
    held: Vec<(Lease, Log)>,
}

impl Logs {
    /// Takes every partition and opens its log at the cursor.
    pub(crate) async fn open(store: &Store) -> Self {
        let mut held = Vec::new();
        for partition in 0..store.partitions() {
            let lease = lease(store, LeaseKey::Partition(partition), "router-a").await;
            let log = store.log(&lease, partition).await.expect("the log opens");
            held.push((lease, log));
        }
        Self { held }
    }

    /// The next `count` events over all partitions; those of one partition in their order.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<StoredEvent> {
        let mut taken = Vec::new();
        while taken.len() < count {
            let left = count - taken.len();
            let nexts = self.held.iter_mut().map(|(_, log)| Box::pin(log.next(left)));
            let (events, ..) = wait::within(wait::SOON, select_all(nexts)).await;
            taken.extend(events.expect("the log is read"));
        }
        taken
    }

    /// As [`Self::take`], but `None` when a log can't be read now.
    pub(crate) async fn try_take(&mut self, count: usize) -> Option<Vec<StoredEvent>> {
        let nexts = self.held.iter_mut().map(|(_, log)| Box::pin(log.next(count)));
        select_all(nexts).await.0.ok()
    }

    /// Whether no event comes within a moment.
    pub(crate) async fn is_quiet(&mut self) -> bool {
        let nexts = self.held.iter_mut().map(|(_, log)| Box::pin(log.next(1)));
        tokio::time::timeout(Duration::from_millis(200), select_all(nexts)).await.is_err()
    }

    /// The lease of a partition.
    pub(crate) fn lease(&mut self, partition: u16) -> &mut Lease {
        &mut self.held[usize::from(partition)].0
    }

    /// Extends every lease that has lasted for a second.
    pub(crate) async fn keep(&mut self, store: &Store) {
        for (lease, _) in &mut self.held {
            if lease.valid_until.saturating_duration_since(Instant::now()) < LEASE_TTL - Duration::from_secs(1) {
                assert!(store.renew(lease).await.expect("it is asked"), "the lease was lost");
            }
        }
    }

    /// Records tasks for events, and the cursor behind the last event.
    pub(crate) async fn record(&self, store: &Store, events: &[StoredEvent], tasks: Vec<Task>) {
        for routed in by_partition(events, tasks) {
            let lease = &self.held[usize::from(routed.partition)].0;
            store.routed(lease, routed).await.expect("it is recorded");
        }
    }

    /// Gives every partition up.
    pub(crate) async fn release(self, store: &Store) {
        for (lease, _) in self.held {
            store.release(lease).await.expect("it is released");
        }
    }
}

/// What routing made of events, one value per partition.
pub(crate) fn by_partition(events: &[StoredEvent], tasks: Vec<Task>) -> Vec<Routed> {
    let mut parts: BTreeMap<u16, Routed> = BTreeMap::new();
    for event in events {
        let routed = parts.entry(event.at.partition).or_default();
        routed.partition = event.at.partition;
        routed.through = routed.through.max(event.at.sequence);
    }
    for task in tasks {
        parts.get_mut(&task.event.partition).expect("a task of one of the events").tasks.push(task);
    }
    parts.into_values().collect()
}

/// Takes what has one owner, waiting until the one before has gone.
pub(crate) async fn lease(store: &Store, key: LeaseKey, owner: &str) -> Lease {
    wait::eventually("a lease", async || store.acquire(key, owner).await.expect("the store is asked")).await
}

/// Appends one event to the log.
pub(crate) async fn append(store: &Store, event: Event) -> Appended {
    let answers = store.append(vec![make::to_log(event)], wait::soon()).await.expect("it is stored");
    assert_eq!(answers.len(), 1);
    answers[0]
}

/// Whether an event was in the log already.
pub(crate) const fn is_duplicate(answer: Appended) -> bool {
    matches!(answer, Appended::Duplicate(Some(_)))
}

/// Appends events of a connection and routes each to all destinations; the tasks in event order.
pub(crate) async fn owe(store: &Store, connection: &str, ids: &[String], destinations: &[&str]) -> Vec<Task> {
    let items = ids.iter().map(|id| make::to_log(make::event(connection, id))).collect();
    store.append(items, wait::soon()).await.expect("they are stored");
    let mut logs = Logs::open(store).await;
    let events = logs.take(ids.len()).await;
    let tasks: Vec<Task> = events
        .iter()
        .flat_map(|event| destinations.iter().map(|destination| make::task(event.at, connection, destination)))
        .collect();
    logs.record(store, &events, tasks.clone()).await;
    logs.release(store).await;
    tasks
}

/// The shard that a lane is in.
pub(crate) fn shard(store: &Store, lane: &Lane) -> u16 {
    lane.destination.spread(store.shards())
}

/// The first tasks of a lane.
pub(crate) async fn heads(store: &Store, lane: &Lane, after: u64, limit: usize) -> Vec<Queued> {
    store.heads(shard(store, lane), lane, after, limit).await.expect("the lane is read")
}

/// The next task that a tail hears of.
pub(crate) async fn arrival(tail: &mut Tail) -> (Lane, Queued) {
    match wait::within(wait::SOON, tail.next()).await.expect("the tail is heard") {
        Tailed::Arrived(lane, queued) => (lane, queued),
        Tailed::Sooner(lane) => panic!("the head of {lane} may go earlier"),
        Tailed::Missed => panic!("an arrival was missed"),
    }
}

/// The one task that waits in a lane, which must come soon.
pub(crate) async fn only_head(store: &Store, lane: &Lane) -> Queued {
    let mut found = wait::eventually("one task in the lane", async || {
        Some(heads(store, lane, 0, 10).await).filter(|found| !found.is_empty())
    })
    .await;
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// Distinct provider event ids.
pub(crate) fn ids(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}-{n}")).collect()
}
