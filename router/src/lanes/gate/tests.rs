use gatepost_config::Rate;
use gatepost_event::id::Token;

use super::*;
use crate::route::fixture;

const MS: Duration = Duration::from_millis(1);

fn destination() -> Destination {
    Destination { concurrency: 4, breaker_failures: 3, breaker_wait: 4000 * MS, ..fixture::destination("a", None) }
}

/// A gate whose destination has answered.
fn proven(now: Instant) -> Gate {
    let mut gate = Gate::new(0);
    assert_eq!(gate.ask(&destination(), Claim::Lone, false, now), Verdict::Go);
    let pass = gate.begin(Claim::Lone, now);
    gate.ended(pass, Some(&destination()), Some(Health::Answers), now);
    gate
}

/// Lets a delivery begin and end with `health`.
fn attempt(gate: &mut Gate, policy: &Destination, health: Health, now: Instant) {
    assert_eq!(gate.ask(policy, Claim::Lone, false, now), Verdict::Go);
    let pass = gate.begin(Claim::Lone, now);
    gate.ended(pass, Some(policy), Some(health), now);
}

#[test]
fn the_first_delivery_is_a_probe_and_its_answer_lets_the_others_on() {
    let now = Instant::now();
    let mut gate = Gate::new(0);
    assert_eq!(gate.ask(&destination(), Claim::Lone, false, now), Verdict::Go);
    let pass = gate.begin(Claim::Lone, now);
    assert_eq!(gate.ask(&destination(), Claim::Lone, false, now), Verdict::AfterOne, "exactly one probe");
    gate.ended(pass, Some(&destination()), Some(Health::Answers), now);
    for _ in 0..4 {
        assert_eq!(gate.ask(&destination(), Claim::Lone, false, now), Verdict::Go);
        gate.begin(Claim::Lone, now);
    }
    assert_eq!(gate.ask(&destination(), Claim::Lone, false, now), Verdict::AfterOne, "the cap");
}

#[test]
fn failures_in_a_row_open_it_and_one_probe_at_a_time_closes_it_again() {
    let (mut now, policy) = (Instant::now(), destination());
    let mut gate = proven(now);
    for health in [Health::Fails, Health::Fails, Health::Answers, Health::Fails, Health::Fails, Health::Fails] {
        assert!(!gate.is_open());
        attempt(&mut gate, &policy, health, now);
    }
    let waits = [1000, 2000, 4000, 4000].map(|wait| wait * MS);
    for wait in waits {
        assert!(gate.is_open());
        assert_eq!(gate.ask(&policy, Claim::Lone, false, now), Verdict::At(now + wait));
        now += wait;
        assert_eq!(gate.ask(&policy, Claim::Lone, false, now), Verdict::Go);
        let pass = gate.begin(Claim::Lone, now);
        assert_eq!(gate.ask(&policy, Claim::Lone, false, now), Verdict::AfterOne, "exactly one probe");
        gate.ended(pass, Some(&policy), Some(Health::Fails), now);
    }
    now += 4000 * MS;
    attempt(&mut gate, &policy, Health::Answers, now);
    assert!(!gate.is_open());
    for _ in 0..3 {
        attempt(&mut gate, &policy, Health::Fails, now);
    }
    assert_eq!(gate.ask(&policy, Claim::Lone, false, now), Verdict::At(now + FIRST_WAIT), "the waits begin anew");
}

#[test]
fn a_breaker_that_is_off_never_opens() {
    let now = Instant::now();
    let policy = Destination { breaker_failures: 0, ..destination() };
    let mut gate = Gate::new(0);
    for _ in 0..100 {
        attempt(&mut gate, &policy, Health::Fails, now);
    }
    assert!(!gate.is_open());
}

#[test]
fn attempts_that_say_nothing_of_health_change_nothing() {
    let now = Instant::now();
    let mut gate = Gate::new(0);
    let pass = gate.begin(Claim::Lone, now);
    gate.ended(pass, Some(&destination()), None, now);
    assert_eq!(gate.ask(&destination(), Claim::Lone, false, now), Verdict::Go);
    gate.begin(Claim::Lone, now);
    assert_eq!(gate.ask(&destination(), Claim::Lone, false, now), Verdict::AfterOne, "it still takes one probe");
}

#[test]
fn what_began_before_it_opened_neither_opens_nor_closes_it() {
    let (now, policy) = (Instant::now(), destination());
    let mut gate = proven(now);
    let early = [gate.begin(Claim::Lone, now), gate.begin(Claim::Lone, now)];
    for _ in 0..3 {
        attempt(&mut gate, &policy, Health::Fails, now);
    }
    gate.ended(early[0], Some(&policy), Some(Health::Answers), now);
    assert_eq!(gate.ask(&policy, Claim::Lone, false, now), Verdict::At(now + FIRST_WAIT));
    let later = now + FIRST_WAIT;
    assert_eq!(
        gate.ask(&policy, Claim::Lone, false, later),
        Verdict::Go,
        "it probes while one of them is still under way"
    );
    let probe = gate.begin(Claim::Lone, later);
    gate.ended(early[1], Some(&policy), Some(Health::Fails), later);
    assert_eq!(gate.ask(&policy, Claim::Lone, false, later), Verdict::AfterOne);
    gate.ended(probe, Some(&policy), Some(Health::Answers), later);
    assert!(!gate.is_open());
}

#[test]
fn while_slots_are_scarce_it_gets_one() {
    let now = Instant::now();
    let mut gate = proven(now);
    assert_eq!(gate.ask(&destination(), Claim::Lone, true, now), Verdict::Go);
    gate.begin(Claim::Lone, now);
    assert_eq!(gate.ask(&destination(), Claim::Lone, true, now), Verdict::AfterOne);
    assert_eq!(gate.ask(&destination(), Claim::Lone, false, now), Verdict::Go);
}

#[test]
fn a_paused_destination_is_shut() {
    let now = Instant::now();
    let policy = Destination { paused: true, ..destination() };
    assert_eq!(proven(now).ask(&policy, Claim::Lone, false, now), Verdict::Shut);
}

/// Takes whatever the rate allows in `span`, trying every `step`; when each began.
fn begun(gate: &mut Gate, policy: &Destination, from: Instant, span: Duration, step: Duration) -> Vec<Instant> {
    let mut times = Vec::new();
    let mut now = from;
    while now < from + span {
        while gate.ask(policy, Claim::Lone, false, now) == Verdict::Go {
            let pass = gate.begin(Claim::Lone, now);
            gate.ended(pass, Some(policy), Some(Health::Answers), now);
            times.push(now);
        }
        now += step;
    }
    times
}

#[test]
fn the_rate_holds_in_any_span_also_over_a_change_of_owner_and_is_nearly_reached() {
    let rates = [(1000, 1, None), (1000, 1, Some(500)), (1, 1, None), (3, 1, Some(3)), (7, 60, None), (20, 1, Some(1))];
    for (count, per, burst) in rates {
        let rate = Rate { count, per: Duration::from_secs(per) };
        let policy = Destination { rate: Some(rate), burst, ..destination() };
        let start = Instant::now();
        // Idle times, after which the bucket is full, and three owners, one after the other.
        let mut times = Vec::new();
        let mut from = start;
        for spans in [5, 3, 2] {
            let mut gate = proven(from);
            times.extend(begun(&mut gate, &policy, from, rate.per * spans, MS));
            from += rate.per * (spans + 2);
            times.extend(begun(&mut gate, &policy, from, rate.per * spans, MS));
            from += rate.per * spans;
        }
        for (n, first) in times.iter().enumerate() {
            let within = times.iter().skip(n).take_while(|at| **at < *first + rate.per).count();
            assert!(within <= count as usize, "{within} of {count} per {per} s, burst {burst:?}");
        }
        // Tokens are gained in every span, in place of those that the burst may take at once.
        let steady = count as usize + 1 - burst.unwrap_or(count as usize / 20).max(1);
        let expected = steady * 10;
        assert!(times.len() >= expected, "{} of {expected} at {count} per {per} s, burst {burst:?}", times.len());
    }
}

#[test]
fn a_new_owner_begins_with_an_empty_bucket() {
    let now = Instant::now();
    let policy =
        Destination { rate: Some(Rate { count: 100, per: Duration::from_secs(1) }), burst: Some(50), ..destination() };
    let mut gate = proven(now);
    let Verdict::At(at) = gate.ask(&policy, Claim::Lone, false, now) else { panic!("the bucket is not empty") };
    assert_eq!(gate.ask(&policy, Claim::Lone, false, at), Verdict::Go);
}

fn lane(tenant: &str) -> Lane {
    let token = |text: &str| Token::hash(&[text.as_bytes()]);
    Lane { destination: token("a"), tenant: Some(token(tenant)), connection: None }
}

#[test]
fn half_of_the_burst_is_kept_for_tenants_with_one_task_waiting() {
    let mut now = Instant::now();
    let rate = Rate { count: 200, per: Duration::from_secs(1) };
    let policy = Destination { concurrency: 100, rate: Some(rate), burst: Some(10), ..destination() };
    let mut gate = proven(now);
    assert!(matches!(gate.ask(&policy, Claim::Lone, false, now), Verdict::At(_)), "it begins empty");
    now += Duration::from_secs(1);
    let take = |gate: &mut Gate, claim: Claim| {
        let mut taken = 0;
        while gate.ask(&policy, claim, false, now) == Verdict::Go {
            gate.begin(claim, now);
            taken += 1;
        }
        taken
    };
    assert_eq!(take(&mut gate, Claim::Crowd), 5);
    assert_eq!(take(&mut gate, Claim::Lone), 5);
    let next = |gate: &mut Gate, claim: Claim| match gate.ask(&policy, claim, false, now) {
        Verdict::At(at) => at,
        verdict => panic!("{verdict:?}"),
    };
    assert!(next(&mut gate, Claim::Crowd) > next(&mut gate, Claim::Lone), "what is kept is kept first");
}

#[test]
fn a_tenant_with_one_task_goes_first_but_many_such_do_not_keep_the_others_out() {
    let mut gate = Gate::new(0);
    assert_eq!(gate.claim(&lane("noisy"), true), Claim::Crowd);
    gate.block(lane("noisy"), Claim::Crowd, false);
    for n in 0..20 {
        let lane = lane(&format!("quiet{n}"));
        assert_eq!(gate.claim(&lane, false), Claim::Lone);
        gate.block(lane, Claim::Lone, false);
        assert_eq!(gate.claim(&lane, false), Claim::Crowd, "another lane of that tenant");
    }
    let mut turns = Vec::new();
    while let Some(claim) = gate.next_claim() {
        turns.push(gate.unblock(claim).expect("one waits"));
        gate.begin(claim, Instant::now());
    }
    let place = turns.iter().position(|turn| *turn == lane("noisy"));
    assert_eq!((place, turns.len()), (Some(LONE_IN_A_ROW_MAX as usize), 21));
}
