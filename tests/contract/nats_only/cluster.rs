//! Three servers that replicate.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures::future::join_all;
use gatepost_event::{
    Store,
    registry::{Change, Expect, Kind, Put},
    store::Appended,
};
use gatepost_tests::nats_server::NatsCluster;

use crate::{
    fixture::{Setup, nats},
    journey::{Logs, ids},
    make, wait,
};

async fn store(cluster: &NatsCluster) -> Store {
    let settings = nats::settings(cluster.urls(), 3);
    nats::open(settings, &Setup::default()).await
}

/// Appends until it is confirmed, as a provider's retries do.
async fn confirmed(store: &Store, id: &str) -> Appended {
    wait::eventually("a confirmed append", async || {
        let items = vec![make::to_log(make::event("acme", id))];
        let answers = store.append(items, Instant::now() + Duration::from_millis(2500)).await.ok()?;
        Some(answers[0])
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_appended_at_once_are_one_event_on_three_servers() {
    let cluster = NatsCluster::start(3).await;
    let store = store(&cluster).await;
    let ids = ids("race", 20);
    for id in &ids {
        let copies = (0..6).map(|_| store.append(vec![make::to_log(make::event("acme", id))], wait::soon()));
        let answers = join_all(copies).await;
        // Five are told that the id is just being stored, and ask again until it is.
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        let stored = answers.iter().flatten().flatten().filter(|answer| **answer == Appended::Stored);
        assert_eq!(stored.count(), 1, "{answers:?}");
    }
    let mut logs = Logs::open(&store).await;
    let stored: BTreeSet<_> = logs.take(ids.len()).await.iter().map(|stored| stored.at.id).collect();
    assert!(logs.is_quiet().await, "an id is stored twice");
    assert_eq!(stored.len(), ids.len(), "every Ok is true");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_six_that_expect_no_entry_at_once_one_puts_it_on_three_servers() {
    let cluster = NatsCluster::start(3).await;
    let store = store(&cluster).await;
    let mut watch = store.watch(Kind::Replay).await.expect("it is opened");
    for round in 0..20 {
        let id = format!("replay {round}");
        let puts = (0..6).map(|n| store.put(Kind::Replay, &id, format!("writer {n}").into(), Expect::Absent));
        let answers = join_all(puts).await;
        let entry = store.entry(Kind::Replay, &id).await.expect("it is read").expect("it is there");
        for (n, answer) in answers.into_iter().enumerate() {
            match entry.value == format!("writer {n}") {
                true => assert_eq!(answer, Ok(Put::Stored(entry.revision))),
                false => assert_eq!(answer, Ok(Put::Conflict(Some(entry.clone())))),
            }
        }
        let heard = wait::within(wait::SOON, watch.next()).await;
        assert_eq!(heard, Ok(Change::Put(entry)), "round {round}");
    }
    assert_eq!(store.entries(Kind::Replay).await.expect("they are listed").len(), 20);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_confirmed_is_lost_when_one_of_three_servers_dies() {
    let mut cluster = NatsCluster::start(3).await;
    let store = store(&cluster).await;
    let ids = ids("event", 60);
    for (n, id) in ids.iter().enumerate() {
        match n {
            20 => cluster.servers[0].kill9().await,
            40 => {
                cluster.servers[0].restart().await;
                cluster.servers[1].kill9().await;
            }
            _ => {}
        }
        confirmed(&store, id).await;
    }
    cluster.servers[1].restart().await;
    let mut logs = Logs::open(&store).await;
    let stored: BTreeSet<_> = logs.take(ids.len()).await.iter().map(|stored| stored.at.id).collect();
    assert!(logs.is_quiet().await, "an id is stored twice");
    assert_eq!(stored, ids.iter().map(|id| make::event("acme", id).meta.id).collect());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_three_that_stands_still_fails_no_promise() {
    let cluster = NatsCluster::start(3).await;
    let store = store(&cluster).await;
    let ids = ids("event", 6);
    for (n, id) in ids.iter().enumerate() {
        let server = &cluster.servers[n % 3];
        server.pause().await;
        let begun = Instant::now();
        let items = vec![make::to_log(make::event("acme", id))];
        // Confirmed by the other two, or refused in time.
        let _ = store.append(items, begun + Duration::from_millis(2500)).await;
        assert!(begun.elapsed() < Duration::from_secs(8), "it took {:?}", begun.elapsed());
        server.resume();
        confirmed(&store, id).await;
    }
    let mut logs = Logs::open(&store).await;
    let stored: BTreeSet<_> = logs.take(ids.len()).await.iter().map(|stored| stored.at.id).collect();
    assert!(logs.is_quiet().await, "an id is stored twice");
    assert_eq!(stored.len(), ids.len());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_confirmed_while_two_of_three_servers_are_down() {
    let mut cluster = NatsCluster::start(3).await;
    let store = store(&cluster).await;
    confirmed(&store, "before").await;
    for server in &mut cluster.servers[..2] {
        server.kill9().await;
    }
    for n in 0..3 {
        let items = vec![make::to_log(make::event("acme", &format!("during-{n}")))];
        let begun = Instant::now();
        let answer = store.append(items, begun + Duration::from_millis(2500)).await;
        assert!(answer.is_err(), "{answer:?}");
        assert!(begun.elapsed() < Duration::from_secs(8), "it took {:?}", begun.elapsed());
    }
    for server in &mut cluster.servers[..2] {
        server.restart().await;
    }
    for id in ["during-0", "during-1", "during-2", "after"] {
        confirmed(&store, id).await;
    }
    let mut logs = Logs::open(&store).await;
    logs.take(5).await;
    assert!(logs.is_quiet().await, "an id is stored twice");
    store.close().await;
}
