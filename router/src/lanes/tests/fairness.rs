//! Tenants that share a destination of bounded rate.

use gatepost_config::Rate;
use gatepost_event::subject::tenant_token;

use super::*;

const STEP: Duration = Duration::from_millis(1);
const QUIET: [&str; 10] = ["q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q9"];

/// What the quiet tenants' deliveries waited at the gate, and how many of the noisy one's went.
struct Seen {
    waits: Vec<Duration>,
    noisy: usize,
}

/// Five seconds at 200 a second: ten tenants have 10 a second each, and another `noisy` a millisecond.
fn share(noisy: usize) -> Seen {
    let rate = Rate { count: 200, per: Duration::from_secs(1) };
    let mut yard = Yard::new(vec![Destination { rate: Some(rate), concurrency: 64, ..destination("a", None) }]);
    let noise = tenant_token(&"noise".parse().expect("an id"));
    let (start, mut arrived) = (yard.now, HashMap::new());
    let mut seen = Seen { waits: Vec::new(), noisy: 0 };
    for step in 0..5_000 {
        yard.now = start + STEP * step;
        yard.arrive_of("noise", "a", noisy);
        if step % 10 == 0 {
            yard.arrive_of(QUIET[step as usize / 10 % 10], "a", 1);
            arrived.insert(yard.position, yard.now);
        }
        while let Some(go) = yard.go() {
            match go.lane.tenant == Some(noise) {
                true => seen.noisy += 1,
                // The bucket begins empty.
                false if step < 1_000 => {}
                false => seen.waits.push(yard.now - arrived[&go.queued.position]),
            }
            yard.end(&go, true);
        }
    }
    seen
}

#[test]
fn what_a_noisy_tenant_offers_in_excess_costs_the_quiet_ones_nothing() {
    let (alone, beside) = (share(0), share(2));
    let longest = |seen: &Seen| seen.waits.iter().max().copied();
    assert_eq!((alone.waits.len(), longest(&alone)), (400, Some(Duration::ZERO)));
    assert_eq!((beside.waits.len(), longest(&beside)), (400, Some(Duration::ZERO)));
    assert!(beside.noisy > 400, "what is left of the rate is the noisy one's: {}", beside.noisy);
}
