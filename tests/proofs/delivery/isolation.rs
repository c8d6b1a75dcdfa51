//! Many destinations, evenly loaded; then some of them dead.

use std::time::{Duration, Instant};

use gatepost_event::Ending;
use gatepost_tests::wait::eventually;

use super::{
    customers::{Customers, DEAD, Mood},
    is_full, median,
    provider::{Post, post_steadily},
    quantile, span,
    town::{Plan, Servers, Town},
    warm_up,
};
use crate::rounds;

/// Longest time for the last deliveries to arrive.
const TAIL: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn delivery_to_the_healthy_is_as_fast_with_dead_ones_about_on_embedded() {
    compare(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_to_the_healthy_is_as_fast_with_dead_ones_about_on_nats() {
    compare(true).await;
}

/// What one phase showed.
struct Phase {
    p99: Duration,
    memory_kib: u64,
}

async fn compare(nats: bool) {
    // One in a hundred dead, then one in five: with the factor and the slack that each may cost.
    for (dead, factor, slack_ms) in [(rounds(5, 10), 1.2, 5.0), (rounds(20, 200), 1.5, 10.0)] {
        let mut ratios = Vec::new();
        for _ in 0..rounds(1, 3) {
            let without = phase(nats, 0).await;
            let with = phase(nats, dead).await;
            let (a, b) = (without.p99.as_secs_f64() * 1e3, with.p99.as_secs_f64() * 1e3);
            println!(
                "DELIVERY p99 to the healthy: {a:.1} ms without, {b:.1} ms with {dead} dead; peak memory {} and {} KiB",
                without.memory_kib, with.memory_kib
            );
            ratios.push((b - slack_ms) / a);
        }
        let ratio = median(&mut ratios);
        println!("DELIVERY {dead} dead: ratio after {slack_ms} ms of slack {ratio:.2}, at most {factor}");
        assert!(!is_full() || ratio <= factor, "{ratio}");
    }
}

/// Everything is posted evenly to all customers; what the healthy ones waited.
async fn phase(nats: bool, dead: usize) -> Phase {
    let (count, rate) = (rounds(50, 1000), rounds(50, 1000) as f64);
    let moods = (0..count).map(|n| if n < dead { DEAD[n % DEAD.len()] } else { Mood::Healthy });
    let customers = Customers::start(moods).await;
    let mut plan = Plan::default();
    for n in 0..count {
        plan.connection(n as u64, &format!("t{n}"));
        // A process that stops waits for what hangs.
        let timeout = rounds(2, 15);
        let more = format!("tenant = \"t{n}\"\nschedule = [\"0s\", \"5m\"]\ntimeout = \"{timeout}s\"");
        plan.destination(&format!("d{n}"), &customers.url(n), &more);
    }
    plan.also("[[route]]\nid = \"all\"\nforward = \"tenant\"\n");
    let mut town = Town::new(Servers::start(nats).await, &plan);
    let address = town.start().await;

    let span = span(3, 120);
    let posted = (rate * span.as_secs_f64()) as u64;
    let start = Instant::now();
    let whose = move |number| Post { number, connection: number % count as u64 };
    post_steadily(&address, start, rate, posted, whose).await;
    let healthy = (0..posted).filter(|n| (n % count as u64) as usize >= dead).count();
    let taken = async || {
        let arrivals: Vec<_> = customers.arrivals().into_iter().filter(|arrival| arrival.taken).collect();
        (arrivals.len() >= healthy).then_some(arrivals)
    };
    let arrivals = eventually("every healthy delivery", TAIL, taken).await;
    let memory_kib = town.peak_memory();

    let mut numbers: Vec<u64> = arrivals.iter().map(|arrival| arrival.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!((numbers.len(), arrivals.len()), (healthy, healthy), "each once");
    assert!(arrivals.iter().all(|arrival| arrival.customer as u64 == arrival.connection), "each at its own");
    let census = town.close().await;
    let delivered = census.ended.get(&Ending::Delivered).copied().unwrap_or(0);
    assert_eq!(delivered, healthy as u64, "{census:?}");
    // A process that stops between a retry's two messages leaves both, and they are one delivery.
    let owed = delivered + census.waiting();
    assert!(if nats { owed >= posted } else { owed == posted }, "nothing of {posted} is lost: {census:?}");

    let warm = start + warm_up(span);
    let mut waits: Vec<Duration> = arrivals
        .iter()
        .filter(|arrival| start + arrival.posted > warm)
        .map(|arrival| arrival.at.saturating_duration_since(start + arrival.posted))
        .collect();
    Phase { p99: quantile(&mut waits, 0.99), memory_kib }
}
