//! What is refused at the start, in words.

use std::time::Duration;

use async_nats::jetstream::{
    self,
    stream::{Config, DiscardPolicy, PersistenceMode},
};
use gatepost_config::{Durability, Engine, NatsStore, Store as Settings};
use gatepost_event::{
    Store, StoreError,
    store::{Appended, Health, OpenError, nats},
};
use gatepost_tests::nats_server::{NatsServer, Options};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
};

use crate::{
    fixture::{Setup, nats::settings},
    journey::append,
    make, wait,
};

fn of(settings: &NatsStore) -> Settings {
    Settings { dedupe_window: None, engine: Engine::Nats(settings.clone()) }
}

async fn init(settings: &NatsStore) -> Result<Vec<String>, OpenError> {
    nats::init(settings, &of(settings), &Setup::default().retention).await
}

async fn check(settings: &NatsStore) -> Vec<String> {
    nats::check(settings, &of(settings), &Setup::default().retention).await.expect("it is compared")
}

async fn open(settings: &NatsStore) -> Result<Store, OpenError> {
    Store::open(&of(settings), &Setup::default().retention).await
}

fn refused(opened: Result<Store, OpenError>) -> String {
    opened.err().expect("it is refused").0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_streams_are_refused_with_the_remedy_and_then_made() {
    let server = NatsServer::start().await;
    let settings = settings(vec![server.url()], 1);
    let why = refused(open(&settings).await);
    assert!(why.contains("gatepost store init") && why.contains("GATEPOST_EV_0 is missing"), "{why}");
    let missing = check(&settings).await;
    assert!(missing.len() > 12, "{missing:?}");
    let made = init(&settings).await.expect("they are made");
    assert_eq!(made.len(), missing.len(), "{made:?}");
    assert!(check(&settings).await.is_empty());
    assert!(init(&settings).await.expect("nothing is left to do").is_empty());
    let store = open(&settings).await.expect("it opens");
    assert_eq!(append(&store, make::event("acme", "1")).await, Appended::Stored);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_would_break_a_promise_is_refused_by_name_and_put_right() {
    let server = NatsServer::start().await;
    let settings = settings(vec![server.url()], 1);
    init(&settings).await.expect("they are made");
    let context = jetstream::new(async_nats::connect(server.url()).await.expect("it is connected"));
    type Change = fn(&mut Config);
    let changes: [(&str, &str, Change); 5] = [
        ("GATEPOST_EV_1", "discard", |config| config.discard = DiscardPolicy::Old),
        ("GATEPOST_EV_1", "max_age", |config| config.max_age = Duration::from_hours(24)),
        ("GATEPOST_EV_0", "duplicate_window", |config| config.duplicate_window = Duration::from_secs(1)),
        ("GATEPOST_DLV_0", "max_bytes", |config| config.max_bytes = 1 << 30),
        ("GATEPOST_DLV_1", "max_msgs", |config| config.max_messages = 1000),
    ];
    for (name, field, change) in changes {
        let mut config = context.get_stream(name).await.expect("it is there").cached_info().config.clone();
        change(&mut config);
        context.update_stream(config).await.expect("it is changed");
        let why = refused(open(&settings).await);
        assert!(why.contains(name) && why.contains(field), "{field}: {why}");
        let differences = check(&settings).await;
        assert!(differences.iter().any(|line| line.contains(field)), "{differences:?}");
        let done = init(&settings).await.expect("it is put right");
        assert_eq!(done, [format!("updated stream {name}")]);
        open(&settings).await.expect("it opens").close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_update_can_put_right_is_refused_by_init_too() {
    let server = NatsServer::start().await;
    let settings = settings(vec![server.url()], 1);
    init(&settings).await.expect("they are made");
    let other = NatsStore { partitions: 4, ..settings.clone() };
    let why = init(&other).await.expect_err("another number of partitions").0;
    assert!(why.contains("2 partitions") && why.contains('4'), "{why}");
    refused(open(&other).await);

    let context = jetstream::new(async_nats::connect(server.url()).await.expect("it is connected"));
    let mut config = context.get_stream("GATEPOST_EV_0").await.expect("it is there").cached_info().config.clone();
    context.delete_stream("GATEPOST_EV_0").await.expect("it is deleted");
    config.persist_mode = Some(PersistenceMode::Async);
    context.create_stream(config).await.expect("it is made");
    let why = init(&settings).await.expect_err("it confirms before it writes").0;
    assert!(why.contains("persist_mode"), "{why}");
    assert!(refused(open(&settings).await).contains("persist_mode"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn durability_that_is_shown_false_is_refused_and_what_can_t_be_shown_is_warned_of() {
    for (sync_always, shown) in [(true, true), (false, false)] {
        let server = NatsServer::start_with(Options { sync_always, ..Options::default() }).await;
        let blind = NatsStore { durability: Durability::Fsync, ..settings(vec![server.url()], 1) };
        init(&blind).await.expect("they are made");
        let store = open(&blind).await.expect("it opens");
        let warnings = store.promises().warnings;
        assert!(warnings.iter().any(|warning| warning.contains("monitor_url")), "{warnings:?}");
        store.close().await;

        let seeing = NatsStore { monitor_url: server.monitor_url().parse().ok(), ..blind };
        match open(&seeing).await {
            Ok(store) => {
                assert!(shown, "the server syncs every 2 minutes");
                assert!(store.promises().warnings.is_empty(), "{:?}", store.promises().warnings);
                store.close().await;
            }
            Err(why) => assert!(!shown && why.0.contains("sync_interval"), "{why}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_server_is_refused_in_plain_words() {
    // No more of a server than its greeting, which is all that is looked at.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("nats://{}", listener.local_addr().expect("an address"));
    let greeter = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a client");
            let (read, mut write) = stream.into_split();
            let info = r#"{"server_id":"a","server_name":"old","version":"2.10.29","max_payload":1048576,"jetstream":true,"headers":true}"#;
            write.write_all(format!("INFO {info}\r\n").as_bytes()).await.expect("it is greeted");
            let mut lines = BufReader::new(read).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if line.starts_with("PING") && write.write_all(b"PONG\r\n").await.is_err() {
                    break;
                }
            }
        }
    });
    let settings = settings(vec![url], 1);
    for why in [refused(open(&settings).await), init(&settings).await.expect_err("it is refused").0] {
        assert!(why.contains("2.10.29") && why.contains("2.15.1") && why.contains("upgrade"), "{why}");
    }
    greeter.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_at_the_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("server.conf");
    std::fs::write(&config, "jetstream {}\nauthorization { user: a, password: right }\n").expect("it is written");
    let options = Options { config: Some(config), login: "a:right".to_owned(), ..Options::default() };
    let server = NatsServer::start_with(options).await;
    init(&settings(vec![server.url()], 1)).await.expect("the right one works");
    let wrong = settings(vec![server.url_as("a:wrong")], 1);
    assert!(refused(open(&wrong).await).contains("refused the credentials"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_at_the_start_is_checked_when_it_comes() {
    let mut server = NatsServer::start().await;
    let settings = settings(vec![server.url()], 1);
    init(&settings).await.expect("they are made");
    server.kill9().await;
    let store = open(&settings).await.expect("it opens without a server");
    assert_eq!(store.health(), Health::Disconnected);
    let begun = std::time::Instant::now();
    let answer = store.append(vec![make::to_log(make::event("acme", "1"))], wait::soon()).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert!(begun.elapsed() < wait::SOON / 4, "it took {:?} to say so", begun.elapsed());
    server.restart().await;
    wait::eventually("the store's return", async || {
        store.append(vec![make::to_log(make::event("acme", "1"))], wait::soon()).await.ok()
    })
    .await;
    assert_eq!(store.health(), Health::Connected);
    store.close().await;
}
