use std::collections::HashMap;

use gatepost_config::Destination;
use gatepost_event::{DeliveryId, EventId, EventRef, Task};

use super::*;
use crate::route::fixture::{config, destination};

struct Yard {
    lanes: Lanes,
    stored: HashMap<Lane, Vec<Queued>>,
    position: u64,
    now: Instant,
}

fn plan(destinations: Vec<Destination>) -> Arc<Plan> {
    Arc::new(Plan::compile(Arc::new(config(destinations, vec![]))).expect("a plan"))
}

fn task(destination: &str) -> Task {
    let now = Timestamp::from_millis(0);
    Task {
        delivery: DeliveryId::fresh(now),
        event: EventRef { id: EventId::fresh(now), partition: 0, sequence: 1, received_at: now },
        destination: destination.parse().expect("an id"),
        route: "all".parse().expect("an id"),
        integration: "github".parse().expect("an id"),
        connection: None,
        tenant: None,
        attempt: 1,
        created_at: now,
        ordered: false,
    }
}

/// The lanes, and the store that they remember a part of.
impl Yard {
    fn new(destinations: Vec<Destination>) -> Self {
        let lanes = Lanes::new(plan(destinations));
        Self { lanes, stored: HashMap::new(), position: 0, now: Instant::now() }
    }

    fn store(&mut self, destination: &str, count: usize) -> Vec<Queued> {
        let made: Vec<_> = (0..count)
            .map(|_| {
                self.position += 1;
                Queued { position: self.position, task: task(destination) }
            })
            .collect();
        self.stored.entry(Lane::of(&task(destination))).or_default().extend(made.clone());
        made
    }

    fn arrive(&mut self, destination: &str, count: usize) {
        for queued in self.store(destination, count) {
            self.lanes.arrived(0, Lane::of(&queued.task), queued);
        }
    }

    fn list(&mut self) {
        let counts: Vec<_> = self
            .stored
            .iter()
            .filter(|(_, tasks)| !tasks.is_empty())
            .map(|(lane, tasks)| LaneCount { lane: *lane, waiting: tasks.len() as u64 })
            .collect();
        self.lanes.listed(0, &counts);
    }

    fn refill(&mut self) {
        while let Some(ask) = self.lanes.refill() {
            let tasks = self.stored.get(&ask.lane).cloned().unwrap_or_default();
            let heads = tasks.into_iter().filter(|queued| queued.position > ask.after).take(ask.limit).collect();
            self.lanes.refilled(ask, Some(heads), self.now);
        }
    }

    fn go(&mut self) -> Option<Go> {
        self.refill();
        self.lanes.next(self.now, Timestamp::from_millis(0), |_| true)
    }

    fn end(&mut self, go: &Go, settled: bool) {
        if settled && let Some(tasks) = self.stored.get_mut(&go.lane) {
            tasks.retain(|queued| queued.position != go.queued.position);
        }
        self.lanes.ended(go.lane, go.queued.position, true, settled, self.now);
    }

    /// Lets everything go and end well; the positions in the order they went.
    fn run(&mut self) -> Vec<u64> {
        let mut went = Vec::new();
        while let Some(go) = self.go() {
            went.push(go.queued.position);
            self.end(&go, true);
        }
        went
    }
}

fn named(go: &Go) -> &str {
    go.queued.task.destination.as_str()
}

#[test]
fn a_long_lane_goes_in_order_each_once_with_few_remembered() {
    let mut yard = Yard::new(vec![destination("a", None)]);
    yard.store("a", 10_000);
    yard.list();
    yard.arrive("a", 500);
    let mut went = Vec::new();
    while let Some(go) = yard.go() {
        assert!(yard.lanes.cached() <= HEADS_MAX + HEADS_LOW, "{} remembered", yard.lanes.cached());
        went.push(go.queued.position);
        yard.end(&go, true);
    }
    assert_eq!(went, (1..=10_500).collect::<Vec<_>>());
    assert_eq!((yard.lanes.cached(), yard.lanes.lanes.len(), yard.lanes.gates.len()), (0, 0, 0), "nothing is left");
}

#[test]
fn many_long_lanes_are_remembered_within_the_bound() {
    let ids: Vec<String> = (0..1000).map(|n| format!("d{n}")).collect();
    let mut yard = Yard::new(ids.iter().map(|id| destination(id, None)).collect());
    for id in &ids {
        yard.store(id, 40);
    }
    yard.list();
    let mut went = 0;
    while let Some(go) = yard.go() {
        assert!(yard.lanes.cached() <= CACHED_MAX + ids.len(), "{} remembered", yard.lanes.cached());
        went += 1;
        yard.end(&go, true);
    }
    assert_eq!(went, 40_000);
}

#[test]
fn tenants_take_turns_whatever_they_have_waiting() {
    let mut yard = Yard::new(vec![
        destination("flood1", Some("flood")),
        destination("flood2", Some("flood")),
        destination("calm", Some("calm")),
        destination("own", None),
    ]);
    yard.arrive("flood1", 20);
    yard.arrive("flood2", 20);
    yard.arrive("calm", 2);
    yard.arrive("own", 2);
    let order: Vec<String> = (0..8)
        .map(|_| {
            let go = yard.go().expect("something goes");
            yard.end(&go, true);
            named(&go).to_owned()
        })
        .collect();
    assert_eq!(order, ["flood1", "calm", "own", "flood2", "calm", "own", "flood1", "flood2"]);
}

#[test]
fn a_destination_at_its_cap_waits_and_holds_nothing() {
    let mut narrow = destination("narrow", None);
    narrow.concurrency = 2;
    let mut yard = Yard::new(vec![narrow, destination("wide", None)]);
    yard.arrive("narrow", 100);
    yard.arrive("wide", 3);
    let mut flying = Vec::new();
    while let Some(go) = yard.go() {
        flying.push(go);
    }
    let count = |name: &str| flying.iter().filter(|go| named(go) == name).count();
    assert_eq!((count("narrow"), count("wide")), (2, 3));
    let done = flying.iter().find(|go| named(go) == "narrow").expect("one of them");
    yard.end(done, true);
    let next = yard.go().expect("the next goes");
    assert_eq!((named(&next), next.queued.position), ("narrow", 3));
    assert!(yard.go().is_none());
}

#[test]
fn what_is_under_way_is_not_begun_again_by_a_refill() {
    let mut yard = Yard::new(vec![destination("a", None)]);
    yard.store("a", 40);
    yard.list();
    let first = yard.go().expect("the first goes");
    yard.list();
    yard.lanes.ended(first.lane, 0, false, false, yard.now);
    assert!(yard.go().is_none(), "the lane rests");
    yard.now += REST;
    let mut went = vec![first.queued.position];
    for _ in 1..16 {
        went.push(yard.go().expect("the next goes").queued.position);
    }
    assert!(yard.go().is_none(), "the cap");
    assert_eq!(went, (1..=16).collect::<Vec<_>>());
}

#[test]
fn an_unsettled_task_goes_again_after_a_rest_and_nothing_is_skipped() {
    let mut yard = Yard::new(vec![destination("a", None)]);
    yard.arrive("a", 3);
    let first = yard.go().expect("it goes");
    yard.end(&first, false);
    assert!(yard.go().is_none(), "the lane rests");
    assert_eq!(yard.lanes.wakes_at(), Some(yard.now + REST));
    yard.now += REST;
    assert_eq!(yard.run(), [1, 2, 3]);
}

#[test]
fn heads_that_could_not_be_read_are_read_again() {
    let mut yard = Yard::new(vec![destination("a", None)]);
    yard.store("a", 2);
    yard.list();
    let ask = yard.lanes.refill().expect("a question");
    yard.lanes.refilled(ask, None, yard.now);
    assert!(yard.lanes.refill().is_none() && yard.go().is_none());
    yard.now += REST_READ;
    assert!(yard.lanes.next(yard.now, Timestamp::from_millis(0), |_| true).is_none());
    assert_eq!(yard.run(), [1, 2]);
}

#[test]
fn an_arrival_while_heads_are_read_is_not_lost() {
    let mut yard = Yard::new(vec![destination("a", None)]);
    yard.store("a", 2);
    yard.list();
    let ask = yard.lanes.refill().expect("a question");
    let heads = yard.stored.values().next().expect("a lane").clone();
    yard.arrive("a", 1);
    yard.lanes.refilled(ask, Some(heads), yard.now);
    assert_eq!(yard.run(), [1, 2, 3]);
}

#[test]
fn lanes_of_an_unknown_destination_wait_until_it_is_known() {
    let mut yard = Yard::new(vec![destination("known", None)]);
    yard.arrive("unknown", 50);
    yard.arrive("known", 1);
    assert_eq!(yard.run(), [51]);
    assert_eq!((yard.lanes.cached(), yard.lanes.unknown().count()), (0, 1));
    assert_eq!(yard.lanes.waiting().1, 50);
    yard.lanes.replan(plan(vec![destination("known", None), destination("unknown", None)]));
    assert_eq!(yard.run(), (1..=50).collect::<Vec<_>>());
}

#[test]
fn nothing_begins_while_the_lease_is_about_to_end() {
    let mut yard = Yard::new(vec![destination("a", None)]);
    yard.arrive("a", 1);
    assert!(yard.lanes.next(yard.now, Timestamp::from_millis(0), |_| false).is_none());
    assert!(yard.go().is_none(), "it rests");
    yard.now += REST_READ;
    assert_eq!(yard.run(), [1]);
}

#[test]
fn a_closed_shard_is_forgotten_except_what_is_under_way() {
    let mut yard = Yard::new(vec![destination("a", None)]);
    yard.arrive("a", 40);
    let go = yard.go().expect("it goes");
    yard.lanes.close(0);
    assert!(yard.go().is_none());
    yard.end(&go, true);
    assert_eq!((yard.lanes.cached(), yard.lanes.lanes.len(), yard.lanes.gates.len()), (0, 0, 0));
}

#[test]
fn in_an_ordered_lane_the_next_waits_for_the_one_before() {
    let mut yard = Yard::new(vec![destination("a", None)]);
    for position in 1..=3 {
        let task = Task { ordered: true, ..task("a") };
        yard.lanes.arrived(0, Lane::of(&task), Queued { position, task });
    }
    let first = yard.go().expect("the first goes");
    assert!(yard.go().is_none());
    yard.end(&first, true);
    assert_eq!(yard.go().map(|go| go.queued.position), Some(2));
}

#[test]
fn tasks_of_old_events_are_taken_out_once() {
    let mut yard = Yard::new(vec![destination("a", None)]);
    yard.arrive("a", 3);
    let taken = yard.lanes.take_expired(Timestamp::from_millis(1), 2);
    assert_eq!(taken.iter().map(|(_, _, queued)| queued.position).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(yard.go().map(|go| go.queued.position), Some(3));
    assert!(yard.go().is_none());
    assert!(yard.lanes.take_expired(Timestamp::from_millis(0), 2).is_empty());
}
