//! Tenants that share a destination of bounded rate: what one offers in excess waits by itself.

use std::time::{Duration, Instant};

use gatepost_tests::wait::eventually;

use super::{
    customers::{Customers, Mood},
    is_full, median,
    provider::{Post, post_steadily},
    quantile, span,
    town::{Plan, Servers, Town},
};
use crate::rounds;

/// Quiet tenants, connections 0 to 9; the noisy one is connection 10.
const QUIET: u64 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn delivery_to_quiet_tenants_does_not_wait_for_a_noisy_one_on_embedded() {
    compare(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_to_quiet_tenants_does_not_wait_for_a_noisy_one_on_nats() {
    compare(true).await;
}

async fn compare(nats: bool) {
    let mut ratios = Vec::new();
    for _ in 0..rounds(1, 3) {
        let (alone, beside) = (phase(nats, false).await, phase(nats, true).await);
        println!("DELIVERY tenants: p99 of the quiet {alone:.1?} alone, {beside:.1?} beside a noisy one");
        ratios.push(beside.as_secs_f64() / alone.as_secs_f64());
    }
    let ratio = median(&mut ratios);
    println!("DELIVERY tenants: ratio {ratio:.2}, at most 1.5");
    assert!(!is_full() || ratio <= 1.5, "{ratio}");
}

async fn phase(nats: bool, noisy: bool) -> Duration {
    let customers = Customers::start([Mood::Healthy]).await;
    let mut plan = Plan::default();
    for n in 0..=QUIET {
        plan.connection(n, &format!("t{n}"));
    }
    plan.destination("shared", &customers.url(0), "rate = \"200/s\"\nburst = 1\nconcurrency = 64");
    plan.also("[[route]]\nid = \"all\"\nforward = [\"shared\"]\n");
    let mut town = Town::new(Servers::start(nats).await, &plan);
    let address = town.start().await;
    let (start, span) = (Instant::now(), span(3, 60));
    let offer = |rate: f64, first: u64, of: fn(u64) -> u64| {
        let count = (rate * span.as_secs_f64()) as u64;
        let address = address.clone();
        tokio::spawn(async move {
            post_steadily(&address, start, rate, count, move |n| Post { number: first + n, connection: of(n) }).await;
            count
        })
    };
    let flood = noisy.then(|| offer(rounds(600, 2_000) as f64, 1_000_000, |_| QUIET));
    let quiet = offer(100.0, 0, |n| n % QUIET).await.expect("posted");
    let theirs = || customers.arrivals().into_iter().filter(|arrival| arrival.connection < QUIET).collect::<Vec<_>>();
    let all = async || Some(theirs()).filter(|arrivals| arrivals.len() as u64 >= quiet);
    let arrivals = eventually("the quiet ones' deliveries", Duration::from_secs(60), all).await;
    if let Some(flood) = flood {
        flood.await.expect("posted");
    }
    let mut waits: Vec<Duration> =
        arrivals.iter().map(|arrival| arrival.at.saturating_duration_since(start + arrival.posted)).collect();
    quantile(&mut waits, 0.99)
}
