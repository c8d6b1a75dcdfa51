mod fairness;

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
    Arc::new(Plan::compile(Arc::new(config(destinations, vec![])), &[]).expect("a plan"))
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
        not_before: None,
        bytes: 0,
        replay: None,
        sync: None,
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

    /// Events of a tenant arrive.
    fn arrive_of(&mut self, tenant: &str, destination: &str, count: usize) {
        for _ in 0..count {
            self.position += 1;
            let task = Task { tenant: Some(tenant.parse().expect("an id")), ..task(destination) };
            let (lane, queued) = (Lane::of(&task), Queued { position: self.position, task });
            self.stored.entry(lane).or_default().push(queued.clone());
            self.lanes.arrived(0, lane, queued);
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
        self.lanes.next(self.now, Timestamp::from_millis(0), false, |_| true)
    }

    fn end(&mut self, go: &Go, settled: bool) {
        if settled && let Some(tasks) = self.stored.get_mut(&go.lane) {
            tasks.retain(|queued| queued.position != go.queued.position);
        }
        let settled = if settled { Settled::Gone } else { Settled::No };
        self.over(go, settled, None);
    }

    /// A task that went has left its gate and come to an end.
    fn over(&mut self, go: &Go, settled: Settled, health: Option<Health>) {
        self.lanes.leave_gate(&go.lane, go.pass, health, self.now);
        self.lanes.ended(Ended { lane: go.lane, position: go.queued.position, settled }, self.now);
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
        assert!(yard.lanes.cached() <= HEADS_MAX, "{} remembered", yard.lanes.cached());
        went.push(go.queued.position);
        yard.end(&go, true);
    }
    assert_eq!(went, (1..=10_500).collect::<Vec<_>>());
    assert_eq!((yard.lanes.cached(), yard.lanes.lanes.len()), (0, 0), "nothing is left");
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
fn events_of_a_lane_are_asked_for_before_its_tasks_go_unless_it_goes_slowly() {
    let mut yard = Yard::new(vec![destination("a", None)]);
    yard.arrive("a", 400);
    // The first, and eight to see how fast it goes.
    let mut asked = HashSet::new();
    for went in 0..400 {
        let go = yard.go().expect("the next goes");
        assert!(went < 9 || asked.contains(&go.queued.task.event.id), "task {went} goes");
        assert!(go.ahead.len() <= 128, "{} at once", go.ahead.len());
        assert!(go.ahead.iter().all(|event| asked.insert(event.id)), "each is asked for once");
        yard.end(&go, true);
    }
    assert_eq!(asked.len(), 391);
    yard.arrive("a", 100);
    for _ in 0..100 {
        yard.now += Duration::from_secs(1);
        let go = yard.go().expect("the next goes");
        assert!(go.ahead.is_empty());
        yard.end(&go, true);
    }
}

#[test]
fn tenants_take_turns_whatever_they_have_waiting() {
    let mut yard = Yard::new(vec![
        destination("flood1", Some("flood")),
        destination("flood2", Some("flood")),
        destination("calm", Some("calm")),
        destination("own", None),
    ]);
    yard.arrive_of("flood", "flood1", 20);
    yard.arrive_of("flood", "flood2", 20);
    yard.arrive_of("calm", "calm", 2);
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
    yard.lanes.ended(Ended { lane: first.lane, position: 0, settled: Settled::No }, yard.now);
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
    assert!(yard.lanes.next(yard.now, Timestamp::from_millis(0), false, |_| true).is_none());
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
    assert!(yard.lanes.next(yard.now, Timestamp::from_millis(0), false, |_| false).is_none());
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
    let taken = yard.lanes.take_expired(|_| true, 2);
    assert_eq!(taken.iter().map(|(_, _, queued)| queued.position).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(yard.go().map(|go| go.queued.position), Some(3));
    assert!(yard.go().is_none());
    assert!(yard.lanes.take_expired(|_| false, 2).is_empty());
}

#[test]
fn tenants_take_turns_at_a_destination_that_they_share() {
    let mut shared = destination("shared", None);
    shared.concurrency = 1;
    let mut yard = Yard::new(vec![shared]);
    yard.arrive_of("flood", "shared", 1000);
    yard.arrive_of("calm", "shared", 3);
    yard.arrive_of("quiet", "shared", 3);
    let order: Vec<String> = (0..9)
        .map(|_| {
            let go = yard.go().expect("something goes");
            assert!(yard.go().is_none(), "one at once");
            yard.end(&go, true);
            go.queued.task.tenant.as_ref().expect("a tenant").to_string()
        })
        .collect();
    for tenant in ["flood", "calm", "quiet"] {
        let turns = order.iter().filter(|name| *name == tenant).count();
        assert_eq!(turns, 3, "{order:?}");
    }
}

#[test]
fn while_slots_are_scarce_every_destination_gets_one() {
    let mut yard = Yard::new(vec![destination("greedy", None), destination("modest", None)]);
    yard.arrive("greedy", 40);
    let mut flying: Vec<Go> = std::iter::from_fn(|| yard.go()).take(8).collect();
    assert_eq!(flying.len(), 8);
    yard.arrive("modest", 2);
    yard.refill();
    let mut scarce = || yard.lanes.next(yard.now, Timestamp::from_millis(0), true, |_| true);
    flying.push(scarce().expect("the other one's first"));
    assert_eq!(flying.last().map(named), Some("modest"));
    assert!(scarce().is_none());
    for go in flying.drain(..8) {
        yard.end(&go, true);
    }
    let next = yard.go().expect("with slots again");
    assert_eq!(named(&next), "greedy");
}

#[test]
fn a_destination_gets_the_next_while_the_end_of_the_last_is_being_stored() {
    let mut narrow = destination("narrow", None);
    narrow.concurrency = 1;
    let mut yard = Yard::new(vec![narrow]);
    yard.arrive("narrow", 3);
    let first = yard.go().expect("one");
    assert!(yard.go().is_none(), "its cap");
    yard.lanes.leave_gate(&first.lane, first.pass, Some(Health::Answers), yard.now);
    let second = yard.go().expect("the next");
    assert_ne!(second.queued.position, first.queued.position, "the first is still under way");
    yard.lanes.ended(Ended { lane: first.lane, position: first.queued.position, settled: Settled::Gone }, yard.now);
    assert!(yard.go().is_none(), "its cap still: the first left it before");
    yard.end(&second, true);
    assert!(yard.go().is_some());
}

#[test]
fn an_open_breaker_and_a_rate_keep_tasks_waiting_and_wake_by_themselves() {
    let mut down = destination("down", None);
    down.breaker_failures = 2;
    let mut slow = destination("slow", None);
    slow.rate = Some(gatepost_config::Rate { count: 10, per: Duration::from_secs(1) });
    let mut yard = Yard::new(vec![down, slow]);
    yard.arrive("down", 50);
    let probe = yard.go().expect("a probe");
    assert!(yard.go().is_none(), "exactly one");
    yard.over(&probe, Settled::Gone, Some(Health::Fails));
    assert!(yard.go().is_none(), "open");
    assert_eq!(yard.lanes.unanswering().map(|(_, id)| id.as_str()).collect::<Vec<_>>(), ["down"]);
    let wakes = yard.lanes.wakes_at().expect("it wakes");
    assert_eq!(wakes, yard.now + Duration::from_secs(1));
    yard.now = wakes;
    let probe = yard.go().expect("a second probe");
    assert!(yard.go().is_none(), "exactly one");
    yard.over(&probe, Settled::Gone, Some(Health::Answers));
    assert_eq!(std::iter::from_fn(|| yard.go()).count(), 16, "its cap");

    yard.arrive("slow", 100);
    let (start, mut went) = (yard.now, 0);
    while yard.now < start + Duration::from_secs(3) {
        while let Some(go) = yard.go() {
            went += 1;
            yard.end(&go, true);
        }
        yard.now = yard.lanes.wakes_at().expect("it wakes").max(yard.now + Duration::from_millis(1));
    }
    assert!((29..=30).contains(&went), "{went} in three seconds at ten a second");
}

#[test]
fn a_paused_destination_goes_on_where_it_stopped() {
    let pause = |paused| gatepost_config::Destination { paused, ..destination("a", None) };
    let mut yard = Yard::new(vec![pause(true)]);
    yard.arrive("a", 50);
    assert!(yard.go().is_none());
    assert_eq!(yard.lanes.wakes_at(), None);
    yard.lanes.replan(plan(vec![pause(false)]));
    assert_eq!(yard.run(), (1..=50).collect::<Vec<_>>());
}

#[test]
fn a_failed_ordered_task_holds_up_its_lane_only_and_goes_again_first() {
    let mut yard = Yard::new(vec![destination("a", None)]);
    let of =
        |connection: &str| Task { ordered: true, connection: Some(connection.parse().expect("an id")), ..task("a") };
    for (position, connection) in [(1, "x"), (2, "y"), (3, "x"), (4, "y")] {
        let task = of(connection);
        yard.lanes.arrived(0, Lane::of(&task), Queued { position, task });
    }
    let (first, other) = (yard.go().expect("x goes"), yard.go().expect("y goes"));
    assert_eq!((first.queued.position, other.queued.position), (1, 2));
    assert!(yard.go().is_none());
    let due = Timestamp::from_millis(5_000);
    let again = Queued { position: 1, task: first.queued.task.next_attempt(due) };
    yard.over(&first, Settled::Stays(Box::new(again)), Some(Health::Answers));
    assert!(yard.go().is_none(), "neither it nor the one behind it");
    yard.end(&other, true);
    assert_eq!(yard.go().map(|go| go.queued.position), Some(4), "the other connection goes on");
    assert_eq!(yard.lanes.wakes_at(), Some(yard.now + Duration::from_secs(5)));
    yard.now += Duration::from_secs(5);
    let retry = yard.lanes.next(yard.now, due, false, |_| true).expect("its retry");
    assert_eq!((retry.queued.position, retry.queued.task.attempt), (1, 2));
    yard.end(&retry, true);
    assert_eq!(yard.lanes.next(yard.now, due, false, |_| true).map(|go| go.queued.position), Some(3));
}

#[test]
fn the_head_of_an_ordered_lane_goes_as_soon_as_it_is_said_to() {
    let ordered = Task { ordered: true, ..task("a") };
    let lane = Lane::of(&ordered);
    let due = Timestamp::from_millis(3_600_000);
    // The news may come while it waits, while it is read, and before what became of its attempt is known.
    for case in ["asleep", "being read", "under way"] {
        let mut yard = Yard::new(vec![destination("a", None)]);
        let (mine, next) =
            (Queued { position: 1, task: ordered.clone() }, Queued { position: 2, task: ordered.clone() });
        yard.lanes.arrived(0, lane, mine.clone());
        yard.lanes.arrived(0, lane, next.clone());
        let go = yard.go().expect("it goes");
        let failed = Queued { task: mine.task.next_attempt(due), ..mine };
        let sooner = Task { not_before: Some(Timestamp::from_millis(0)), ..failed.task.clone() };
        let stays = || Settled::Stays(Box::new(failed.clone()));
        yard.stored.insert(lane, vec![failed.clone(), next.clone()]);
        let is_stored = |yard: &mut Yard| {
            yard.stored.insert(lane, vec![Queued { task: sooner.clone(), ..failed.clone() }, next.clone()]);
            yard.lanes.sooner(lane);
        };
        match case {
            "asleep" => {
                yard.over(&go, stays(), Some(Health::Answers));
                assert!(yard.go().is_none(), "it waits");
                is_stored(&mut yard);
            }
            "being read" => {
                yard.end(&go, false);
                yard.now += REST;
                assert!(yard.lanes.next(yard.now, Timestamp::from_millis(0), false, |_| true).is_none());
                let ask = yard.lanes.refill().expect("it is read");
                let old = yard.stored[&lane].clone();
                is_stored(&mut yard);
                yard.lanes.refilled(ask, Some(old), yard.now);
            }
            _ => {
                is_stored(&mut yard);
                yard.over(&go, stays(), Some(Health::Answers));
            }
        }
        let again = yard.go().unwrap_or_else(|| panic!("{case}: it goes"));
        assert_eq!((again.queued.position, again.queued.task.attempt), (1, 2), "{case}");
        assert!(yard.go().is_none(), "{case}: the next waits");
        yard.end(&again, true);
        assert_eq!(yard.go().map(|go| go.queued.position), Some(2), "{case}");
    }
}

#[test]
fn lanes_that_wait_for_long_give_their_tasks_back_when_memory_is_short() {
    let names: Vec<String> = (0..400).map(|n| format!("d{n}")).collect();
    let mut destinations: Vec<_> = names.iter().map(|name| destination(name, None)).collect();
    destinations.iter_mut().for_each(|destination| destination.breaker_failures = 1);
    destinations.push(destination("healthy", None));
    let mut yard = Yard::new(destinations);
    for name in &names {
        yard.arrive(name, HEADS_FEW);
    }
    let probes: Vec<Go> = std::iter::from_fn(|| yard.go()).collect();
    assert_eq!(probes.len(), 400);
    for probe in &probes {
        yard.stored.get_mut(&probe.lane).expect("a lane").remove(0);
        yard.over(probe, Settled::Gone, Some(Health::Fails));
    }
    assert!(yard.go().is_none(), "all are open");
    assert!(yard.lanes.cached() <= CACHED_MAX / 2 + HEADS_FEW, "{} remembered", yard.lanes.cached());
    yard.arrive("healthy", 20);
    assert_eq!(std::iter::from_fn(|| yard.go()).count(), 16, "there is room for those that go");
    yard.now += Duration::from_secs(1);
    assert_eq!(std::iter::from_fn(|| yard.go()).count(), 400, "every one probes again");
}
