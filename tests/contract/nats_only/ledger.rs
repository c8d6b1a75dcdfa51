//! How ends are counted: many on a page, by one owner at a time, once.

use std::collections::BTreeSet;

use async_nats::jetstream;
use futures::future::join_all;
use gatepost_event::{DeadReason, Ending, Lane, Queued, Store, StoreError, erasure::Remains};
use gatepost_tests::nats_server::{NatsServer, Options};

use crate::{
    fixture::{Setup, nats},
    journey::{heads, ids, owe, shard},
    make,
};

/// May do everything, and may take nothing out of a stream.
const USERS: &str = r#"
authorization { users: [
  { user: all, password: p },
  { user: cut, password: p, permissions: { publish: { deny: ["$JS.API.STREAM.MSG.DELETE.>", "$JS.API.STREAM.PURGE.>"] } } }
] }
"#;

async fn open(url: String) -> Store {
    nats::open(nats::settings(vec![url], 1), &Setup::default()).await
}

/// So many tasks that wait for `backend`, in their order.
async fn owed(store: &Store, count: usize) -> (u16, Lane, Vec<Queued>) {
    let tasks = owe(store, "acme", &ids("event", count), &["backend"]).await;
    let lane = Lane::of(&tasks[0]);
    let queued = heads(store, &lane, 0, count).await;
    assert_eq!(queued.len(), count);
    (shard(store, &lane), lane, queued)
}

async fn delivered(store: &Store) -> u64 {
    store.census().await.expect("it is counted").ended.get(&Ending::Delivered).copied().unwrap_or_default()
}

async fn messages(url: String, stream: &str) -> u64 {
    let address = url.rsplit(['@', '/']).next().expect("an address");
    // A server without users asks for none.
    let options = async_nats::ConnectOptions::with_user_and_password("all".to_owned(), "p".to_owned());
    let client = options.connect(address).await.expect("it is connected");
    let mut stream = jetstream::new(client).get_stream(stream).await.expect("it is there");
    stream.info().await.expect("it is told").state.messages
}

async fn finish_all(store: &Store, shard: u16, queued: impl IntoIterator<Item = &Queued>) {
    let finished = queued.into_iter().map(async |queued| {
        store.finish(shard, queued, &make::attempt(queued, 200)).await.expect("it is finished");
    });
    join_all(finished).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_ends_at_once_are_few_messages_and_each_is_counted_and_recorded_once() {
    let server = NatsServer::start().await;
    let store = open(server.url()).await;
    let (shard, lane, queued) = owed(&store, 300).await;
    let before = messages(server.url(), "GATEPOST_ATT").await;
    // Backwards, so that the front of the lane is the last to go.
    finish_all(&store, shard, queued.iter().rev()).await;
    let written = messages(server.url(), "GATEPOST_ATT").await - before;
    assert!(written < 100, "{written} messages");
    assert_eq!(delivered(&store).await, 300);
    assert_eq!(heads(&store, &lane, 0, 10).await, []);
    assert_eq!(messages(server.url(), &format!("GATEPOST_DLV_{shard}")).await, 0);
    let (mut read, mut after) = (Vec::new(), 0);
    loop {
        let page = store.attempts(after, 10).await.expect("they are read");
        let Some((last, _)) = page.last() else { break };
        after = *last;
        read.extend(page.into_iter().map(|(_, attempt)| attempt.delivery));
    }
    assert_eq!(read.len(), 300);
    let wanted: BTreeSet<_> = queued.iter().map(|queued| queued.task.delivery).collect();
    assert_eq!(read.into_iter().collect::<BTreeSet<_>>(), wanted);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_still_owed_stays_in_its_lane_when_those_around_it_end() {
    let server = NatsServer::start().await;
    let store = open(server.url()).await;
    let (shard, lane, queued) = owed(&store, 40).await;
    let stays = [3, 17, 39];
    let ends = queued.iter().enumerate().filter(|(n, _)| !stays.contains(n)).map(|(_, queued)| queued);
    finish_all(&store, shard, ends).await;
    let left: Vec<_> = stays.iter().map(|n| queued[*n].clone()).collect();
    assert_eq!(heads(&store, &lane, 0, 40).await, left);
    let more = owe(&store, "acme", &ids("later", 3), &["backend"]).await;
    finish_all(&store, shard, &left).await;
    let found: Vec<_> = heads(&store, &lane, 0, 40).await.into_iter().map(|queued| queued.task).collect();
    assert_eq!(found, more, "what came later was not read when the others left");
    assert_eq!(delivered(&store).await, 40);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_before_the_part_of_a_lane_that_was_read_stays() {
    let server = NatsServer::start().await;
    let before = open(server.url()).await;
    let (shard, lane, queued) = owed(&before, 60).await;
    before.close().await;
    let store = open(server.url()).await;
    let after = queued[9].position;
    assert_eq!(heads(&store, &lane, after, 20).await, queued[10..30]);
    finish_all(&store, shard, &queued[10..30]).await;
    assert_eq!(heads(&store, &lane, after, 100).await, queued[30..]);
    finish_all(&store, shard, &queued[30..40]).await;
    let left: Vec<_> = queued[..10].iter().chain(&queued[40..]).cloned().collect();
    assert_eq!(heads(&store, &lane, 0, 100).await, left);
    finish_all(&store, shard, &left).await;
    assert_eq!((delivered(&store).await, heads(&store, &lane, 0, 100).await), (60, vec![]));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_lost_a_shard_counts_nothing_more_in_it() {
    let server = NatsServer::start().await;
    let (first, second) = (open(server.url()).await, open(server.url()).await);
    let (shard, lane, queued) = owed(&first, 3).await;
    let tail = first.tail(shard).await.expect("it is taken");
    finish_all(&first, shard, &queued[..1]).await;
    let _tail = second.tail(shard).await.expect("it is taken over");
    let late = first.finish(shard, &queued[1], &make::attempt(&queued[1], 200)).await;
    assert_eq!(late, Err(StoreError::LeaseLost));
    assert_eq!((delivered(&second).await, heads(&second, &lane, 0, 10).await.len()), (1, 2));
    finish_all(&second, shard, &queued[1..2]).await;
    // Once it is its again, it may.
    drop(tail);
    let _tail = first.tail(shard).await.expect("it is taken back");
    finish_all(&first, shard, &queued).await;
    assert_eq!((delivered(&first).await, heads(&first, &lane, 0, 10).await), (3, vec![]));
    first.close().await;
    second.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_counted_before_a_crash_is_not_owed_after_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("users.conf");
    std::fs::write(&config, USERS).expect("it is written");
    let options = Options { config: Some(config), login: "all:p".to_owned(), ..Options::default() };
    let server = NatsServer::start_with(options).await;
    let store = open(server.url()).await;
    let (shard, lane, queued) = owed(&store, 2).await;
    let dying = open(server.url_as("cut:p")).await;
    let tail = dying.tail(shard).await.expect("it is taken");
    let cut_off = dying.finish(shard, &queued[0], &make::attempt(&queued[0], 200)).await;
    assert!(matches!(cut_off, Err(StoreError::Unavailable(_))), "{cut_off:?}");
    drop(tail);
    dying.close().await;
    let stream = format!("GATEPOST_DLV_{shard}");
    assert_eq!(
        (delivered(&store).await, messages(server.url(), &stream).await),
        (1, 2),
        "the crash is as it was meant"
    );

    let _tail = store.tail(shard).await.expect("it is taken over");
    assert_eq!(heads(&store, &lane, 0, 10).await, queued[1..]);
    assert_eq!(messages(server.url(), &stream).await, 1);
    store.finish(shard, &queued[0], &make::attempt(&queued[0], 200)).await.expect("nothing happens");
    finish_all(&store, shard, &queued[1..]).await;
    let census = store.census().await.expect("it is counted");
    assert_eq!((census.waiting(), census.ended), (0, [(Ending::Delivered, 2)].into()));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_is_owed_again_ends_once_in_whatever_way() {
    let server = NatsServer::start().await;
    let store = open(server.url()).await;
    let (shard, lane, queued) = owed(&store, 1).await;
    finish_all(&store, shard, &queued).await;
    // A server that was restarted knows no more that the task was stored once.
    let client = async_nats::connect(server.url()).await.expect("it is connected");
    let task = serde_json::to_vec(&queued[0].task).expect("it is written");
    let subject = format!("gatepost.dlv.{shard}.{lane}");
    jetstream::new(client).publish(subject, task.into()).await.expect("it is sent").await.expect("it is stored");
    let again = heads(&store, &lane, 0, 10).await.remove(0);
    assert!(again.position > queued[0].position);
    let letter = make::letter(&again, make::event("acme", "event-0"), DeadReason::Exhausted);
    store.bury(shard, &again, &letter).await.expect("it ends");
    assert_eq!(heads(&store, &lane, 0, 10).await, []);
    assert_eq!(store.census().await.expect("it is counted").ended, [(Ending::Delivered, 1)].into());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_erased_from_pages_that_others_share_and_the_count_goes_on() {
    let server = NatsServer::start().await;
    let (store, eraser) = (open(server.url()).await, open(server.url()).await);
    let (shard, _, queued) = owed(&store, 12).await;
    let _tail = store.tail(shard).await.expect("it is taken");
    finish_all(&store, shard, &queued[..10]).await;
    let mut records = store.attempts(0, 100).await.expect("they are read");
    assert_eq!(records.len(), 10);
    let shared = |place: &u64| records.iter().filter(|(of, _)| of == place).count() > 1;
    assert!(records.iter().any(|(place, _)| shared(place)), "each has a page of its own");
    // One of each page, the newest page among them.
    let places: BTreeSet<u64> = records.iter().map(|(place, _)| *place).collect();
    let mut erased = Vec::new();
    for place in places {
        let first = records.iter().position(|(of, _)| *of == place).expect("it has one");
        let delivery = records.remove(first).1.delivery;
        eraser.erase(vec![Remains::Attempts(place, vec![delivery])]).await.expect("it is erased");
        erased.push(delivery);
    }
    let names = |records: &[(u64, gatepost_event::Attempt)]| -> BTreeSet<_> {
        records.iter().map(|(_, attempt)| attempt.delivery).collect()
    };
    let left = store.attempts(0, 100).await.expect("they are read");
    assert_eq!((left.len(), names(&left)), (records.len(), names(&records)));
    assert_eq!(delivered(&store).await, 10);
    // Its owner counts on.
    finish_all(&store, shard, &queued).await;
    assert_eq!(delivered(&store).await, 12);
    let left = store.attempts(0, 100).await.expect("they are read");
    assert!(left.len() == records.len() + 2 && left.iter().all(|(_, attempt)| !erased.contains(&attempt.delivery)));
    store.close().await;
    eraser.close().await;
}
