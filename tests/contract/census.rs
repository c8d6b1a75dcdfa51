//! Everything that was acknowledged is somewhere, exactly, whatever happens in whatever order.

use std::{collections::BTreeMap, time::Duration};

use gatepost_config::Timestamp;
use gatepost_event::{
    DeadReason, Ending, Event, EventRef, Lane, Queued, Replay, ReplayId, Store, Task,
    dead::{DeadLetter, DeadNote},
    store::{Appended, Census, StoredEvent},
    subject::{destination_token, tenant_token},
};

use crate::{
    fixture::{Fixture, contract},
    journey::{self, Logs, heads},
    make, wait,
};

contract! {
    everything_that_was_acknowledged_is_accounted_for,
}

const STEPS: usize = 300;

/// What the store should hold, and where the walk goes next.
struct Walk {
    seed: u64,
    acknowledged: u64,
    expected: Census,
    next_id: u64,
    unrouted: Vec<StoredEvent>,
    parked: BTreeMap<&'static str, u64>,
}

#[expect(clippy::print_stdout, reason = "shown with a failure, to walk the same way again")]
async fn everything_that_was_acknowledged_is_accounted_for(fixture: &Fixture) {
    let seed = Timestamp::now().millis().unsigned_abs() | 1;
    println!("seed {seed}");
    let mut walk = Walk {
        seed,
        acknowledged: 0,
        expected: Census::default(),
        next_id: 0,
        unrouted: Vec::new(),
        parked: BTreeMap::new(),
    };
    let mut store = fixture.open().await;
    let mut logs = Logs::open(&store).await;
    for step in 0..STEPS {
        logs.keep(&store).await;
        match walk.below(14) {
            0..=3 => walk.append(&store).await,
            4 => walk.park(&store).await,
            5 => walk.unpark(&store).await,
            6..=7 => walk.route(&store, &mut logs).await,
            8 => walk.revive(&store).await,
            9 => walk.enqueue(&store).await,
            _ => walk.attempt(&store).await,
        }
        if step % 100 == 99 {
            logs.release(&store).await;
            store = fixture.reopen(store).await;
            logs = Logs::open(&store).await;
        }
        if step % 20 == 19 {
            walk.compare(&store, step).await;
        }
    }
    store.close().await;
}

impl Walk {
    fn below(&mut self, bound: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 20) % bound
    }

    fn end(&mut self, ending: Ending) {
        *self.expected.ended.entry(ending).or_default() += 1;
    }

    /// A few events, some of them for the second time.
    async fn append(&mut self, store: &Store) {
        let count = 1 + self.below(5);
        let ids: Vec<u64> = (0..count)
            .map(|_| {
                let repeat = self.next_id > 0 && self.below(4) == 0;
                self.next_id += u64::from(!repeat);
                if repeat { self.below(self.next_id) } else { self.next_id - 1 }
            })
            .collect();
        let items = ids.iter().map(|id| make::to_log(make::event("acme", &format!("walk-{id}")))).collect();
        let answers = store.append(items, wait::soon()).await.expect("they are stored");
        let stored = answers.iter().filter(|answer| **answer == Appended::Stored).count() as u64;
        self.acknowledged += stored;
        self.expected.unrouted_yet += stored;
    }

    async fn park(&mut self, store: &Store) {
        let account = ["one", "two"][self.below(2) as usize];
        self.next_id += 1;
        let item = make::to_park(make::parked(account, &format!("parked-{}", self.next_id)));
        store.append(vec![item], wait::soon()).await.expect("it is stored");
        *self.parked.entry(account).or_default() += 1;
        self.acknowledged += 1;
        self.expected.unmatched += 1;
    }

    async fn unpark(&mut self, store: &Store) {
        let account = ["one", "two"][self.below(2) as usize];
        let (connection, tenant) = (make::id("acme"), make::id("acme"));
        let moved = store.unpark(&make::integration(), account, &connection, &tenant).await.expect("they move");
        assert_eq!(moved, self.parked.remove(account).unwrap_or_default());
        self.expected.unmatched -= moved;
        self.expected.unrouted_yet += moved;
    }

    /// Routes a few events: to up to two destinations, to nobody, or into a dead letter.
    async fn route(&mut self, store: &Store, logs: &mut Logs) {
        let count = self.expected.unrouted_yet.min(1 + self.below(6));
        if count == 0 {
            return;
        }
        let missing = (count as usize).saturating_sub(self.unrouted.len());
        let taken = logs.take(missing).await;
        self.unrouted.extend(taken);
        let rest = self.unrouted.split_off(count as usize);
        let events = std::mem::replace(&mut self.unrouted, rest);
        self.expected.unrouted_yet -= count;
        for event in events {
            let mut routed = journey::by_partition(std::slice::from_ref(&event), Vec::new()).remove(0);
            match self.below(6) {
                0 => routed.ended.push((event.at, Ending::Filtered)),
                1 => routed.ended.push((event.at, Ending::Unrouted)),
                2 => routed.dead.push((event.at, dead_in_routing(&event))),
                fan_out => {
                    let destinations = ["a", "b"].iter().take(if fan_out == 5 { 2 } else { 1 });
                    routed.tasks.extend(destinations.map(|to| make::task(event.at, "acme", to)));
                }
            }
            routed.ended.iter().for_each(|(_, ending)| self.end(*ending));
            routed.dead.iter().for_each(|_| self.end(Ending::Dead));
            self.expected.in_lanes += routed.tasks.len() as u64;
            // An event counts once per delivery that it is owed.
            self.acknowledged += (routed.tasks.len() as u64).saturating_sub(1);
            store.routed(logs.lease(event.at.partition), routed).await.expect("it is recorded");
        }
    }

    /// The oldest dead letter is owed again, possibly told twice.
    async fn revive(&mut self, store: &Store) {
        let Some((position, letter)) = store.dead_letters(0, 1).await.expect("they are read").pop() else { return };
        let event = letter.event.expect("every letter here has one");
        let now = Timestamp::now();
        let at = EventRef { id: event.meta.id, partition: 0, sequence: 0, received_at: now };
        let replay = Replay { id: ReplayId::fresh(now), webhook_id: None, letter: Some(position) };
        let task = Task { delivery: letter.note.delivery, replay: Some(replay), ..make::task(at, "acme", "a") };
        for again in 0..1 + self.below(2) {
            let revived = store.revive(position, vec![task.clone()]).await.expect("it is revived");
            assert_eq!(revived, again == 0);
        }
        self.expected.replayed += 1;
        self.expected.in_lanes += 1;
    }

    /// Some stored event is owed once more, possibly told twice.
    async fn enqueue(&mut self, store: &Store) {
        let partition = u16::try_from(self.below(u64::from(store.partitions()))).expect("few");
        let after = self.below(self.next_id + 1);
        let Some(event) = store.events(partition, after, 1).await.expect("they are read").pop() else { return };
        let replay = Replay { id: ReplayId::fresh(Timestamp::now()), webhook_id: None, letter: None };
        let task = Task { replay: Some(replay), ..make::task(event.at, "acme", "b") };
        for again in 0..1 + self.below(2) {
            let owed = store.enqueue(vec![task.clone()]).await.expect("it is owed");
            assert_eq!(owed, u64::from(again == 0));
        }
        self.expected.replayed += 1;
        self.expected.in_lanes += 1;
    }

    /// One attempt at some lane's head, possibly told twice.
    async fn attempt(&mut self, store: &Store) {
        let destination = ["a", "b"][self.below(2) as usize];
        let lane = lane(destination);
        let shard = journey::shard(store, &lane);
        let Some(head) = heads(store, &lane, 0, 1).await.pop() else { return };
        let what = self.below(4);
        let event = store.event_of(&head.task).await.expect("it is read").expect("it is there");
        for _ in 0..1 + self.below(2) {
            self.tell(store, shard, &head, &event, what).await;
        }
        self.expected.in_lanes -= 1;
        match what {
            0 | 1 => self.end(Ending::Delivered),
            2 => self.expected.scheduled += 1,
            _ => self.end(Ending::Dead),
        }
    }

    async fn tell(&self, store: &Store, shard: u16, head: &Queued, event: &Event, what: u64) {
        let attempt = make::attempt(head, 500);
        let done = match what {
            0 | 1 => store.finish(shard, head, &make::attempt(head, 200)).await,
            2 => store.retry(shard, head, &attempt, Timestamp::now().after(Duration::from_hours(1))).await,
            _ => store.bury(shard, head, &make::letter(head, event.clone(), DeadReason::Exhausted)).await,
        };
        done.expect("it is confirmed");
    }

    async fn compare(&self, store: &Store, step: usize) {
        let mut census = store.census().await.expect("it counts");
        // An engine may commit its cursor a moment late.
        let deadline = wait::soon();
        while census != self.expected && std::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
            census = store.census().await.expect("it counts");
        }
        assert_eq!(census, self.expected, "after step {step}");
        let sum = census.ended.values().sum::<u64>() + census.waiting() + census.unmatched;
        assert_eq!(sum, self.acknowledged + self.expected.replayed, "after step {step}");
    }
}

fn lane(destination: &str) -> Lane {
    let (destination, tenant) = (destination_token(&make::id(destination)), tenant_token(&make::id("acme")));
    Lane { destination, tenant: Some(tenant), connection: None }
}

fn dead_in_routing(event: &StoredEvent) -> DeadLetter {
    let now = Timestamp::now();
    let note = DeadNote {
        delivery: gatepost_event::DeliveryId::fresh(now),
        destination: None,
        sync: None,
        route: Some(make::id("all")),
        attempts: 0,
        reason: DeadReason::FilterError,
        detail: Some("no such field".to_owned()),
        last: None,
        died_at: now,
    };
    DeadLetter { note, event: event.event.clone().ok() }
}
