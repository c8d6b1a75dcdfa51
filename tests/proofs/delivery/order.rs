//! Order by connection, with failures, two routers, one of them killed and another added.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use gatepost_event::Ending;
use gatepost_tests::wait::eventually;
use tokio::task::JoinSet;

use super::{
    customers::{Arrival, Customers, Mood},
    provider::{Line, Post},
    town::{Plan, Servers, Town},
};
use crate::rounds;

/// Of a hundred attempts, how many fail.
const FAIL: u32 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn delivery_keeps_the_order_of_each_connection_on_embedded() {
    let ordered = run(false, true).await;
    let unordered = run(false, false).await;
    println!("DELIVERY order on embedded: {ordered:.0} a second, {unordered:.0} without");
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_keeps_the_order_of_each_connection_on_nats_while_routers_come_and_go() {
    let ordered = run(true, true).await;
    let unordered = run(true, false).await;
    println!("DELIVERY order on NATS: {ordered:.0} a second, {unordered:.0} without");
}

/// Posts everything, each connection's events one after the other; deliveries a second.
async fn run(nats: bool, ordered: bool) -> f64 {
    let (connections, each) = (rounds(20, 200) as u64, rounds(20, 500) as u64);
    let total = usize::try_from(connections * each).expect("a size");
    let customers = Customers::start([Mood::Fails(FAIL)]).await;
    let mut plan = Plan::default();
    for n in 0..connections {
        plan.connection(n, &format!("t{n}"));
    }
    let waits = vec!["\"50ms\""; 20].join(", ");
    plan.destination("a", &customers.url(0), &format!("concurrency = 64\nschedule = [\"0s\", {waits}]"));
    plan.also(&format!("[[route]]\nid = \"all\"\nforward = [\"a\"]\nordered = {ordered}\n"));
    let mut town = Town::new(Servers::start(nats).await, &plan);
    let address = town.start().await;

    let start = Instant::now();
    let mut posting = JoinSet::new();
    for connection in 0..connections {
        let address = address.clone();
        posting.spawn(async move {
            let mut line = Line::open(&address).await;
            for n in 0..each {
                line.post(start, Post { number: connection * each + n, connection }).await;
            }
        });
    }
    if nats {
        eventually("some of it", Duration::from_secs(120), async || (customers.count() > total / 4).then_some(()))
            .await;
        town.kill_last().await;
        town.add_router().await;
    }
    while let Some(posted) = posting.join_next().await {
        posted.expect("posted");
    }
    let taken = async || {
        let arrivals = customers.arrivals();
        let mut numbers: Vec<u64> = arrivals.iter().filter(|a| a.taken).map(|a| a.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        (numbers.len() >= total).then_some(arrivals)
    };
    let arrivals = eventually("all of it", Duration::from_secs(600), taken).await;
    let took = arrivals.last().expect("some").at - start;
    if ordered {
        judge(&arrivals, total);
    }
    let census = town.close().await;
    assert_eq!(census.ended.get(&Ending::Delivered), Some(&(total as u64)));
    total as f64 / took.as_secs_f64()
}

/// No first attempt of an event before the one before it was taken.
fn judge(arrivals: &[Arrival], total: usize) {
    let mut last_taken: HashMap<u64, u64> = HashMap::new();
    let mut repeats = 0;
    let mut failed = 0;
    for arrival in arrivals {
        let before = last_taken.get(&arrival.connection).copied();
        if before.is_some_and(|last| arrival.number <= last) {
            repeats += 1;
            continue;
        }
        let expected = before.map_or(arrival.connection * (total as u64 / connections(arrivals)), |last| last + 1);
        assert_eq!(arrival.number, expected, "connection {}", arrival.connection);
        match arrival.taken {
            true => drop(last_taken.insert(arrival.connection, arrival.number)),
            false => failed += 1,
        }
    }
    assert!(failed > 0, "the failures that this is about");
    println!("DELIVERY order: {total} events in order, {failed} failed attempts, {repeats} repeats of ended events");
}

fn connections(arrivals: &[Arrival]) -> u64 {
    arrivals.iter().map(|arrival| arrival.connection).max().map_or(1, |last| last + 1)
}
