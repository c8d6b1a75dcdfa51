//! Deliveries waiting for one destination that has come back, with a cap on its rate.

use std::time::{Duration, Instant};

use gatepost_event::Ending;
use gatepost_tests::wait::eventually;

use super::{
    customers::{Arrival, Customers, Mood},
    is_full,
    provider::{Post, post_steadily},
    quantile,
    town::{Plan, Servers, Town},
};
use crate::{backlog, rounds};

/// How near to the kill of an owner a post counts as one that may have waited for its lease to end: counted apart, since a
/// router that is gone is another matter than a backlog.
const TAKE_OVER: Duration = Duration::from_secs(10);

/// Posts a second for the other destination.
const OTHERS_RATE: f64 = 20.0;

#[tokio::test(flavor = "multi_thread")]
async fn delivery_at_a_cap_holds_it_in_every_second_on_embedded() {
    drain(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_at_a_cap_holds_it_in_every_second_on_nats_while_owners_are_killed() {
    drain(true).await;
}

async fn drain(nats: bool) {
    let (waiting, cap) = (rounds(1_500, 200_000), rounds(300, 1_000));
    let customers = Customers::start([Mood::Healthy, Mood::Healthy]).await;
    let mut plan = Plan::default();
    plan.connection(1, "c1");
    plan.connection(2, "c2");
    plan.destination("a", &customers.url(0), &format!("rate = \"{cap}/s\"\nconcurrency = 64"));
    plan.destination("b", &customers.url(1), "");
    plan.also("[[route]]\nid = \"all\"\nforward = [\"b\"]\n");
    let mut town = Town::new(Servers::start(nats).await, &plan);
    let store = town.store().await;
    backlog::fill(&store, waiting).await;
    store.close().await;

    let address = town.start().await;
    let (before, requests) = (town.memory(), town.requests().await);
    let start = Instant::now();
    // Beside it, a little for another destination.
    let others = (waiting / cap) as u64 * OTHERS_RATE as u64;
    let beside = tokio::spawn({
        let address = address.clone();
        async move {
            post_steadily(&address, start, OTHERS_RATE, others, |number| Post { number: number + 1, connection: 2 })
                .await
        }
    });
    let mut killed = None;
    if nats {
        eventually("a third of it", Duration::from_secs(600), async || (customers.count() > waiting / 3).then_some(()))
            .await;
        town.kill_last().await;
        killed = Some(start.elapsed());
        town.add_router().await;
    }
    let all = || customers.arrivals().into_iter().filter(|arrival| arrival.customer == 0).collect::<Vec<_>>();
    let longest = Duration::from_secs(60 + 3 * (waiting / cap) as u64);
    let drained =
        eventually("all of it", longest, async || Some(all()).filter(|arrivals| distinct(arrivals) >= waiting)).await;
    let grown = town.memory().saturating_sub(before);
    beside.await.expect("posted");
    let seen = || customers.arrivals().into_iter().filter(|arrival| arrival.customer == 1).collect::<Vec<_>>();
    let other =
        eventually("the others", longest, async || Some(seen()).filter(|seen| seen.len() as u64 >= others)).await;

    // All that was asked of the store, leases and the others' events included, by what was delivered.
    let asked = town.requests().await.zip(requests).map(|(after, before)| after - before);
    let after = rounds(10, others as usize) as u64;
    let mut alone = by_itself(&address, others, after, &seen).await;
    let operations = asked.map(|asked| asked as f64 / (drained.len() + other.len()) as f64);
    let most = most_in_a_second(&drained);
    let took = drained.last().expect("some").at - drained[0].at;
    let (mut while_taken_over, mut waits): (Vec<Duration>, Vec<Duration>) = (Vec::new(), Vec::new());
    for arrival in &other {
        let near =
            killed.is_some_and(|killed| arrival.posted + TAKE_OVER > killed && arrival.posted < killed + TAKE_OVER);
        let wait = arrival.at.saturating_duration_since(start + arrival.posted);
        if near { while_taken_over.push(wait) } else { waits.push(wait) }
    }
    let (beside, alone) = (quantile(&mut waits, 0.99), quantile(&mut alone, 0.99));
    println!(
        "DELIVERY cap {cap}/s: {waiting} drained in {took:.1?}, at most {most} in any second, {} repeats; the other's p99 \
         {beside:.1?}, {alone:.1?} with nothing waiting; memory grew by {grown} KiB; requests to NATS for each delivery: \
         {operations:.2?}",
        drained.len() - waiting,
    );
    if let Some(longest) = while_taken_over.iter().max() {
        println!("DELIVERY cap: the other's longest within {TAKE_OVER:?} of the kill {longest:.1?}");
    }
    // What arrives together may have begun a little apart; more so in the short form, which runs beside others.
    assert!(most <= cap + cap / rounds(2, 20), "{most} in a second, with a cap of {cap}");
    assert!(town_is_in_order(&drained, 2 * cap as u64 + 64), "none goes long before one that was due earlier");
    assert!(grown < 64 * 1024, "{grown} KiB");
    assert!(!is_full() || operations.is_none_or(|operations| operations <= 4.0), "{operations:?} a delivery");
    let slower = (beside.as_secs_f64() - 0.005) / alone.as_secs_f64();
    assert!(!is_full() || slower <= 1.2, "{slower:.2} times as long for the other, after 5 ms of slack");
    let census = town.close().await;
    assert_eq!(census.ended.get(&Ending::Delivered), Some(&(waiting as u64 + others + after)));
    assert_eq!(census.waiting(), 0);
}

/// What those for the other destination wait once nothing else does.
async fn by_itself(address: &str, before: u64, count: u64, seen: impl Fn() -> Vec<Arrival>) -> Vec<Duration> {
    let start = Instant::now();
    post_steadily(address, start, OTHERS_RATE, count, move |number| Post {
        number: before + number + 1,
        connection: 2,
    })
    .await;
    let all = async || Some(seen()).filter(|seen| seen.len() as u64 >= before + count);
    let arrivals = eventually("the others, by themselves", Duration::from_secs(60), all).await;
    let late = arrivals.iter().filter(|arrival| arrival.number > before);
    late.map(|arrival| arrival.at.saturating_duration_since(start + arrival.posted)).collect()
}

fn distinct(arrivals: &[Arrival]) -> usize {
    let mut numbers: Vec<u64> = arrivals.iter().map(|arrival| arrival.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.len()
}

/// The most arrivals in any span of a second.
fn most_in_a_second(arrivals: &[Arrival]) -> usize {
    let mut times: Vec<Instant> = arrivals.iter().map(|arrival| arrival.at).collect();
    times.sort_unstable();
    let second = Duration::from_secs(1);
    (0..times.len()).map(|n| times.partition_point(|at| *at < times[n] + second) - n).max().unwrap_or(0)
}

/// Whether no first arrival is further ahead of its turn than `slack` places.
fn town_is_in_order(arrivals: &[Arrival], slack: u64) -> bool {
    let mut seen = std::collections::HashSet::new();
    let firsts = arrivals.iter().map(|arrival| arrival.number).filter(|number| seen.insert(*number));
    firsts.enumerate().all(|(place, number)| number <= place as u64 + slack)
}
