//! One server that is killed, stopped or full.

use std::time::{Duration, Instant};

use async_nats::jetstream;
use futures::{StreamExt as _, future::join_all};
use gatepost_event::{
    Lane, StoreError,
    registry::{Change, Entry, Expect, Kind, Put},
    store::{Appended, Tailed, Watch},
};
use gatepost_tests::nats_server::NatsServer;

use crate::{
    fixture::{Setup, nats},
    journey::{Logs, append, ids, owe, shard},
    make, wait,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_fails_the_append_in_time_and_the_retry_converges() {
    let server = NatsServer::start().await;
    let store = nats::open(nats::settings(vec![server.url()], 1), &Setup::default()).await;
    append(&store, make::event("acme", "before")).await;
    server.pause().await;
    let begun = Instant::now();
    let deadline = begun + Duration::from_millis(2500);
    let answer = store.append(vec![make::to_log(make::event("acme", "1"))], deadline).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(8), "it took {:?}", begun.elapsed());
    server.resume();
    wait::eventually("the retry", async || {
        store.append(vec![make::to_log(make::event("acme", "1"))], wait::soon()).await.ok()
    })
    .await;
    let mut logs = Logs::open(&store).await;
    logs.take(2).await;
    assert!(logs.is_quiet().await, "there is a second copy");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_to_a_server_that_stands_still_fails_in_time_and_its_repeat_converges() {
    let mut server = NatsServer::start().await;
    let store = nats::open(nats::settings(vec![server.url()], 1), &Setup::default()).await;
    let mut watch = store.watch(Kind::Replay).await.expect("it is opened");
    server.pause().await;
    let begun = Instant::now();
    let answer = store.put(Kind::Replay, "a", "of a writer".into(), Expect::Absent).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(15), "it took {:?}", begun.elapsed());
    server.resume();
    let value = bytes::Bytes::from_static(b"of a writer");
    let repeat = async || {
        let put = store.put(Kind::Replay, "a", value.clone(), Expect::Absent).await.ok()?;
        Some(put.revision_of(&value).expect("nobody else writes"))
    };
    let revision = wait::eventually("the repeat", &repeat).await;
    let entry = Entry { id: "a".to_owned(), revision, value: value.clone() };
    let heard = async |watch: &mut Watch| {
        wait::eventually("the change", async || watch.next().await.ok().filter(|change| *change != Change::Missed))
            .await
    };
    assert_eq!(heard(&mut watch).await, Change::Put(entry.clone()));
    server.kill9().await;
    server.restart().await;
    assert_eq!(wait::eventually("the repeat", &repeat).await, revision, "it is there after a crash, and once");
    assert_eq!(store.entries(Kind::Replay).await, Ok(vec![entry]));
    // A watch that was away says so before it goes on.
    let removed =
        wait::eventually("the removal", async || store.remove(Kind::Replay, "a", Expect::Any).await.ok()).await;
    assert!(matches!(removed, Put::Stored(_)), "{removed:?}");
    let told = wait::eventually("that it missed some", async || watch.next().await.ok()).await;
    assert_eq!(told, Change::Missed);
    assert_eq!(heard(&mut watch).await, Change::Removed("a".to_owned()));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn puts_that_a_crash_cut_and_that_are_repeated_are_each_done_once() {
    let mut server = NatsServer::start().await;
    let store = nats::open(nats::settings(vec![server.url()], 1), &Setup::default()).await;
    let value = bytes::Bytes::from_static(b"of a writer");
    let put = async |id: &str| store.put(Kind::Replay, id, value.clone(), Expect::Absent).await;
    let done = tokio::sync::Semaphore::new(0);
    // Each writes until the crash, and so has one put whose answer it never gets.
    let writer = async |writer: usize| {
        let mut answers = Vec::new();
        loop {
            let id = format!("{writer}-{}", answers.len());
            let answer = put(&id).await;
            done.add_permits(1);
            let cut = answer.is_err();
            answers.push((id, answer));
            if cut {
                return answers;
            }
        }
    };
    let (answers, ()) = tokio::join!(join_all((0..32).map(writer)), async {
        done.acquire_many(300).await.expect("it is open").forget();
        server.kill9().await;
    });
    let answers = answers.concat();
    server.restart().await;
    let mut kept = Vec::new();
    for (id, first) in &answers {
        let answer = wait::eventually("the repeat", async || put(id).await.ok()).await;
        let revision = answer.revision_of(&value).unwrap_or_else(|| panic!("{id}: {answer:?}"));
        if let Ok(first) = first {
            assert_eq!(*first, Put::Stored(revision), "what was confirmed was done again");
        }
        kept.push(Entry { id: id.clone(), revision, value: value.clone() });
    }
    kept.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(store.entries(Kind::Replay).await, Ok(kept));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_items_cut_by_a_crash_and_sent_again_are_a_hundred() {
    let mut server = NatsServer::start().await;
    let store = nats::open(nats::settings(vec![server.url()], 1), &Setup::default()).await;
    let ids = ids("item", 100);
    let items = |ids: &[String]| ids.iter().map(|id| make::to_log(make::event("acme", id))).collect::<Vec<_>>();
    let (answer, ()) = tokio::join!(store.append(items(&ids), Instant::now() + Duration::from_millis(2500)), async {
        for id in &ids[..50] {
            let _ = store.append(items(std::slice::from_ref(id)), Instant::now() + Duration::from_secs(2)).await;
        }
        server.kill9().await;
    });
    let _ = answer;
    let dead = store.append(items(&ids), Instant::now() + Duration::from_millis(2500)).await;
    assert!(matches!(dead, Err(StoreError::Unavailable(_))), "{dead:?}");
    server.restart().await;
    let answers = wait::eventually("the retry", async || store.append(items(&ids), wait::soon()).await.ok()).await;
    assert_eq!(answers.len(), 100);
    let mut logs = Logs::open(&store).await;
    let mut stored: Vec<_> = logs.take(100).await.iter().map(|stored| stored.at.id).collect();
    assert!(logs.is_quiet().await);
    stored.sort();
    stored.dedup();
    assert_eq!(stored.len(), 100);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_and_the_tail_go_on_after_a_crash_of_the_server() {
    let mut server = NatsServer::start().await;
    let store = nats::open(nats::settings(vec![server.url()], 1), &Setup::default()).await;
    let mut logs = Logs::open(&store).await;
    append(&store, make::event("acme", "before")).await;
    logs.take(1).await;
    let lane = {
        let other = gatepost_event::EventRef {
            id: make::event("acme", "x").meta.id,
            partition: 0,
            sequence: 1,
            received_at: gatepost_config::Timestamp::now(),
        };
        Lane::of(&make::task(other, "acme", "backend"))
    };
    let mut tail = store.tail(shard(&store, &lane)).await.expect("it is opened");
    server.kill9().await;
    server.restart().await;
    wait::eventually("the store's return", async || {
        store.append(vec![make::to_log(make::event("acme", "after"))], wait::soon()).await.ok()
    })
    .await;
    // The consumer was lost with the server; the reader goes on where it was, or is opened again by its owner.
    let stored = wait::eventually("the next event", async || {
        tokio::time::timeout(Duration::from_secs(8), logs.try_take(1)).await.ok().flatten()
    })
    .await;
    assert_eq!(stored[0].at.id, make::event("acme", "after").meta.id);
    logs.release(&store).await;

    let tasks = owe(&store, "umbrella", &ids("later", 1), &["backend"]).await;
    let heard = wait::eventually("the tail", async || match tail.next().await {
        Ok(Tailed::Arrived(_, queued)) => Some(queued),
        Ok(Tailed::Missed | Tailed::Sooner(_)) | Err(_) => None,
    })
    .await;
    assert_eq!(heard.task.delivery, tasks.last().expect("a task").delivery);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_log_refuses_and_takes_again_when_there_is_room() {
    let server = NatsServer::start().await;
    let store = nats::open(nats::settings(vec![server.url()], 1), &Setup::default()).await;
    let context = jetstream::new(async_nats::connect(server.url()).await.expect("it is connected"));
    let limit = async |messages: i64| {
        for partition in 0..2 {
            let stream = context.get_stream(format!("GATEPOST_EV_{partition}")).await.expect("it is there");
            let mut config = stream.cached_info().config.clone();
            config.max_messages = messages;
            context.update_stream(config).await.expect("it is changed");
        }
    };
    limit(1).await;
    assert_eq!(append(&store, make::event("acme", "1")).await, Appended::Stored);
    let full = store.append(vec![make::to_log(make::event("acme", "2"))], wait::soon()).await;
    assert!(matches!(full, Err(StoreError::Full(_))), "{full:?}");
    limit(-1).await;
    assert_eq!(append(&store, make::event("acme", "2")).await, Appended::Stored);
    Logs::open(&store).await.take(2).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_under_way_fails_at_once_when_the_server_dies() {
    let mut server = NatsServer::start().await;
    let store = nats::open(nats::settings(vec![server.url()], 1), &Setup::default()).await;
    append(&store, make::event("acme", "before")).await;
    server.pause().await;
    let begun = Instant::now();
    let (answer, ()) =
        tokio::join!(store.append(vec![make::to_log(make::event("acme", "1"))], wait::soon()), server.kill9());
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert!(begun.elapsed() < wait::SOON / 4, "it took {:?}", begun.elapsed());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_consumers_leave_no_gap_and_no_repeat() {
    let server = NatsServer::start().await;
    let store = nats::open(nats::settings(vec![server.url()], 1), &Setup::default()).await;
    let mut logs = Logs::open(&store).await;
    let context = jetstream::new(async_nats::connect(server.url()).await.expect("it is connected"));
    let mut appended = Vec::new();
    let mut read = Vec::new();
    for id in ids("event", 6) {
        let event = make::event("acme", &id);
        appended.push(event.meta.id);
        append(&store, event).await;
        read.extend(logs.take(1).await.iter().map(|stored| stored.at.id));
        for partition in 0..2 {
            let stream = context.get_stream(format!("GATEPOST_EV_{partition}")).await.expect("it is there");
            let names: Vec<_> = stream.consumer_names().map(|name| name.expect("a name")).collect().await;
            assert_eq!(names.len(), 1, "the log has one consumer");
            stream.delete_consumer(&names[0]).await.expect("it is deleted");
            wait::eventually("another consumer", async || {
                let again = tokio::time::timeout(Duration::from_millis(50), logs.try_take(1)).await;
                assert!(again.is_err(), "something was read again");
                (stream.consumer_names().count().await == 1).then_some(())
            })
            .await;
        }
    }
    assert_eq!(read, appended);
    store.close().await;
}
