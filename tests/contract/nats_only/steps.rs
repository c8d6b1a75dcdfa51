//! The steps of a delivery, and what a crash between two of them leaves.

use std::time::Duration;

use async_nats::jetstream;
use gatepost_config::Timestamp;
use gatepost_event::{DeadReason, Ending, Lane, Queued, Store, store::Tailed};
use gatepost_tests::nats_server::NatsServer;

use crate::{
    fixture::{Setup, nats},
    journey::{self, heads, owe, shard},
    make, wait,
};

/// A store with one task that waits for `backend`.
async fn one_owed(server: &NatsServer) -> (Store, Lane, Queued) {
    let store = nats::open(nats::settings(vec![server.url()], 1), &Setup::default()).await;
    let tasks = owe(&store, "acme", &journey::ids("event", 1), &["backend"]).await;
    let lane = Lane::of(&tasks[0]);
    let queued = heads(&store, &lane, 0, 10).await;
    assert_eq!(queued.len(), 1);
    assert_eq!(queued[0].task, tasks[0]);
    (store, lane, queued[0].clone())
}

async fn messages(server: &NatsServer, stream: &str) -> u64 {
    let client = async_nats::connect(server.url()).await.expect("it is connected");
    let mut stream = jetstream::new(client).get_stream(stream).await.expect("it is there");
    stream.info().await.expect("it is told").state.messages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finished_delivery_leaves_one_record_and_no_task() {
    let server = NatsServer::start().await;
    let (store, lane, queued) = one_owed(&server).await;
    let shard = shard(&store, &lane);
    let attempt = make::attempt(&queued, 200);
    for _ in 0..2 {
        store.finish(shard, &queued, &attempt).await.expect("it is finished, again and again");
    }
    let census = store.census().await.expect("it is counted");
    assert_eq!(census.ended, [(Ending::Delivered, 1)].into());
    assert_eq!(census.waiting(), 0);
    assert_eq!(store.attempts(0, 10).await.expect("they are read").len(), 1);
    assert!(store.lanes(shard).await.expect("they are listed").is_empty());
    assert_eq!(messages(&server, &format!("GATEPOST_DLV_{shard}")).await, 0);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_comes_back_at_its_time_as_the_next_attempt() {
    let server = NatsServer::start().await;
    let (store, lane, queued) = one_owed(&server).await;
    let shard = shard(&store, &lane);
    let mut tail = store.tail(shard).await.expect("it is opened");
    let due = Timestamp::now().after(Duration::from_secs(1));
    store.retry(shard, &queued, &make::attempt(&queued, 500), due).await.expect("it is scheduled");
    let census = store.census().await.expect("it is counted");
    assert_eq!((census.in_lanes, census.scheduled), (0, 1));

    let Tailed::Arrived(arrived_in, again) = wait::within(wait::SOON, tail.next()).await.expect("it arrives") else {
        panic!("nothing was missed");
    };
    assert!(Timestamp::now() >= due, "it came before its time");
    assert_eq!(arrived_in, lane);
    assert_eq!(again.task, gatepost_event::Task { attempt: 2, ..queued.task.clone() });
    assert!(again.position > queued.position);
    assert_eq!(journey::only_head(&store, &lane).await, again);
    store.finish(shard, &again, &make::attempt(&again, 200)).await.expect("it is finished");
    let census = store.census().await.expect("it is counted");
    assert_eq!((census.ended, census.in_lanes, census.scheduled), ([(Ending::Delivered, 1)].into(), 0, 0));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_that_a_crash_left_beside_its_task_does_not_deliver_twice() {
    let server = NatsServer::start().await;
    let (store, lane, queued) = one_owed(&server).await;
    let shard = shard(&store, &lane);
    // The router dies between the schedule and the task: the task is put back as it was.
    let due = Timestamp::now().after(Duration::from_hours(1));
    store.retry(shard, &queued, &make::attempt(&queued, 500), due).await.expect("it is scheduled");
    let client = async_nats::connect(server.url()).await.expect("it is connected");
    let subject = format!("gatepost.dlv.{shard}.{lane}");
    let task = serde_json::to_vec(&queued.task).expect("it is written").into();
    jetstream::new(client).publish(subject, task).await.expect("it is sent").await.expect("it is stored");
    store.close().await;

    let store = nats::open(nats::settings(vec![server.url()], 1), &Setup::default()).await;
    let _tail = store.tail(shard).await.expect("it is opened");
    let census = store.census().await.expect("it is counted");
    assert_eq!((census.in_lanes, census.scheduled), (1, 1), "the crash is as it was meant");
    let again = heads(&store, &lane, 0, 10).await.remove(0);
    store.finish(shard, &again, &make::attempt(&again, 200)).await.expect("it is finished");
    let census = store.census().await.expect("it is counted");
    assert_eq!((census.in_lanes, census.scheduled), (0, 0));
    assert_eq!(census.ended, [(Ending::Delivered, 1)].into());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_holds_a_large_body_of_its_own() {
    let server = NatsServer::start().await;
    let (store, lane, queued) = one_owed(&server).await;
    let shard = shard(&store, &lane);
    let event = make::with_body(make::event("acme", "event-0"), make::noise(3 * 1024 * 1024));
    let letter = make::letter(&queued, event, DeadReason::Expired);
    for _ in 0..2 {
        store.bury(shard, &queued, &letter).await.expect("it is buried, again and again");
    }
    let client = async_nats::connect(server.url()).await.expect("it is connected");
    let bodies = jetstream::new(client).get_stream("GATEPOST_BLB").await.expect("it is there");
    bodies.purge().await.expect("the log's chunks end with their retention");
    let letters = store.dead_letters(0, 10).await.expect("they are read");
    assert_eq!(letters.len(), 1);
    assert!(letters[0].1 == letter, "it came back different");
    let census = store.census().await.expect("it is counted");
    assert_eq!((census.waiting(), census.ended), (0, [(Ending::Expired, 1)].into()));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_published_anew_at_its_revision_fires() {
    // What the sweep of overdue retries does to those that the server forgot.
    let server = NatsServer::start().await;
    let (store, lane, queued) = one_owed(&server).await;
    let shard = shard(&store, &lane);
    let due = Timestamp::now().after(Duration::from_hours(1));
    store.retry(shard, &queued, &make::attempt(&queued, 500), due).await.expect("it is scheduled");
    let context = jetstream::new(async_nats::connect(server.url()).await.expect("it is connected"));
    let stream = context.get_stream(format!("GATEPOST_DLV_{shard}")).await.expect("it is there");
    let subject = format!("gatepost.rty.{shard}.{}.{}", lane.destination, queued.task.delivery.token());
    let stuck = stream.get_last_raw_message_by_subject(&subject).await.expect("it is there");
    for (revision, accepted) in [(stuck.sequence + 1, false), (stuck.sequence, true)] {
        let mut headers = stuck.headers.clone();
        headers.insert("Nats-Expected-Last-Subject-Sequence", revision.to_string().as_str());
        headers.insert("Nats-Schedule", format!("@at {}", Timestamp::now()).as_str());
        // A copy under the old message id would be taken for a repeat.
        headers.insert("Nats-Msg-Id", format!("anew-{revision}").as_str());
        let sent = context.publish_with_headers(subject.clone(), headers, stuck.payload.clone()).await;
        assert_eq!(sent.expect("it is sent").await.is_ok(), accepted);
    }
    assert_eq!(journey::only_head(&store, &lane).await.task.attempt, 2);
    store.close().await;
}
