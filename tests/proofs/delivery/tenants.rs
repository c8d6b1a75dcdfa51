//! Tenants that share a destination of bounded rate: what one offers in excess waits by itself. With a quota of the gateway's
//! it is not even accepted, and the others' is.

use std::time::{Duration, Instant};

use gatepost_tests::wait::eventually;

use super::{
    customers::{Customers, Mood},
    is_full, median,
    provider::{Answered, Post, offer_steadily},
    quantile, span,
    town::{Plan, Servers, Town},
    warm_up,
};
use crate::rounds;

/// Posts a second of the quiet tenants together.
const QUIET_RATE: f64 = 100.0;

/// Quiet tenants, connections 0 to 9; the noisy one is connection 10.
const QUIET: u64 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn delivery_to_quiet_tenants_does_not_wait_for_a_noisy_one_on_embedded() {
    compare(false, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_to_quiet_tenants_does_not_wait_for_a_noisy_one_on_nats() {
    compare(true, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_tenants_are_accepted_and_delivered_beside_a_noisy_one_over_a_quota_on_embedded() {
    compare(false, QUOTA).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_tenants_are_accepted_and_delivered_beside_a_noisy_one_over_a_quota_on_nats() {
    compare(true, QUOTA).await;
}

/// A quota that all tenants share, twice of what the quiet ones offer.
const QUOTA: Option<&str> = Some("accept_rate = \"200/s\"");

/// Where the noisy tenant's events go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noise {
    /// There are none.
    Nowhere,
    /// To where the quiet ones' go.
    Here,
    /// To another Gatepost on the same machine: what the machine costs, and not the neighbour.
    Elsewhere,
}

/// The quiet ones' p99 beside a noisy one is at most 1.5 times what it is alone where a quota bounds what is accepted. Where all
/// of it is accepted, storing and routing it costs the machine what no neighbour is to blame for, which on a small one with
/// three servers of NATS is most of it: there it is also enough when the same flood at another Gatepost does as much.
async fn compare(nats: bool, quota: Option<&str>) {
    let (mut ratios, mut machine) = (Vec::new(), Vec::new());
    for _ in 0..rounds(1, 3) {
        let (alone, beside) = (phase(nats, quota, Noise::Nowhere).await, phase(nats, quota, Noise::Here).await);
        println!("DELIVERY tenants: p99 of the quiet {alone:.1?} alone, {beside:.1?} beside a noisy one");
        ratios.push(beside.as_secs_f64() / alone.as_secs_f64());
        if is_full() {
            let apart = phase(nats, quota, Noise::Elsewhere).await;
            println!("DELIVERY tenants: p99 of the quiet {apart:.1?} with the noisy one at another Gatepost");
            machine.push(apart.as_secs_f64() / alone.as_secs_f64());
        }
    }
    let ratio = median(&mut ratios);
    println!("DELIVERY tenants: ratio {ratio:.2}");
    if is_full() {
        let machine = median(&mut machine);
        println!("DELIVERY tenants: ratio {machine:.2} by the machine alone");
        let most = 1.5 * if quota.is_some() { 1.0 } else { machine.max(1.0) };
        assert!(ratio <= most, "{ratio:.2}, at most {most:.2}");
    }
}

/// A Gatepost whose one destination is shared by all tenants.
struct Shared {
    customers: Customers,
    _town: Town,
    address: String,
}

impl Shared {
    async fn start(nats: bool, quota: Option<&str>) -> Self {
        let customers = Customers::start([Mood::Healthy]).await;
        let mut plan = Plan::default();
        quota.into_iter().for_each(|quota| plan.gateway(quota));
        for n in 0..=QUIET {
            plan.connection(n, &format!("t{n}"));
        }
        plan.destination("shared", &customers.url(0), "rate = \"200/s\"\nconcurrency = 64");
        plan.also("[[route]]\nid = \"all\"\nforward = [\"shared\"]\n");
        let mut town = Town::new(Servers::start(nats).await, &plan);
        let address = town.start().await;
        Self { customers, _town: town, address }
    }
}

fn accepted(answered: &[Answered]) -> usize {
    answered.iter().filter(|answered| answered.status == 200).count()
}

async fn phase(nats: bool, quota: Option<&str>, noise: Noise) -> Duration {
    let here = Shared::start(nats, quota).await;
    let elsewhere = if noise == Noise::Elsewhere { Some(Shared::start(nats, quota).await) } else { None };
    let (start, span) = (Instant::now(), span(3, 60));
    let offer = |to: &Shared, rate: f64, first: u64, of: fn(u64) -> u64| {
        let count = (rate * span.as_secs_f64()) as u64;
        let address = to.address.clone();
        tokio::spawn(async move {
            let whose = move |n| Post { number: first + n, connection: of(n) };
            offer_steadily(&address, start, rate, count, whose).await
        })
    };
    let noisy = match noise {
        Noise::Nowhere => None,
        Noise::Here => Some(&here),
        Noise::Elsewhere => elsewhere.as_ref(),
    };
    let flood = noisy.map(|to| offer(to, rounds(600, 2_000) as f64, 1_000_000, |_| QUIET));
    let answered = offer(&here, QUIET_RATE, 0, |n| n % QUIET).await.expect("posted");
    assert_eq!(accepted(&answered), answered.len(), "none of the quiet ones' is refused");
    let mut answered: Vec<Duration> = answered.into_iter().map(|answered| answered.after).collect();
    let theirs =
        || here.customers.arrivals().into_iter().filter(|arrival| arrival.connection < QUIET).collect::<Vec<_>>();
    let all = async || Some(theirs()).filter(|arrivals| arrivals.len() >= answered.len());
    let arrivals = eventually("the quiet ones' deliveries", Duration::from_secs(60), all).await;
    if let Some(flood) = flood {
        let answered = flood.await.expect("posted");
        let (accepted, took) = (accepted(&answered), start.elapsed());
        let refused = answered.len() - accepted;
        println!("DELIVERY tenants: of the noisy one {accepted} were accepted and {refused} refused in {took:.1?}");
        assert_eq!(refused > 0, quota.is_some(), "some are refused exactly where there is a quota");
    }
    let warm = warm_up(span);
    let mut waits: Vec<Duration> = arrivals
        .iter()
        .filter(|arrival| arrival.posted > warm)
        .map(|arrival| arrival.at.saturating_duration_since(start + arrival.posted))
        .collect();
    println!(
        "DELIVERY tenants: the quiet had their answers within {:.1?} (p50) and {:.1?} (p99)",
        quantile(&mut answered, 0.5),
        quantile(&mut answered, 0.99)
    );
    quantile(&mut waits, 0.99)
}
