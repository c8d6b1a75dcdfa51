//! Many connections in NATS (300,000 in the full form): what a gateway's start, memory and lookups cost, and how soon a
//! new connection is known.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use gatepost_config::{Options, Timestamp, load, std_env};
use gatepost_event::{
    Claim, Linked, Store,
    connection::{self, Claiming, Phase},
    registry::{Expect, Kind, Put},
};
use gatepost_tests::{
    gatepost::{Gatepost, Home, PATIENCE},
    github::Webhook,
    nats_server::NatsServer,
    process::rss_kib,
    wait::eventually,
};
use http::Method;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::{rounds, setup::SECRET};

/// Entries that are written at once.
const AT_ONCE: usize = 256;

/// Counts questions to the store by lookups.
const READS: &str = "gatepost_gateway_connection_store_reads_total";

#[tokio::test(flavor = "multi_thread")]
async fn connections_by_the_hundred_thousand_cost_a_cached_webhook_nothing() {
    let count = rounds(2_000, 300_000);
    let server = NatsServer::start().await;
    let on_demand = home(&server, 200);
    on_demand.init_store();
    let store = open(&on_demand).await;
    let began = Instant::now();
    fill(&store, count).await;
    println!("CONNECTIONS {count} written in {:.1?}", began.elapsed());

    for (what, home) in [("as they are asked for", on_demand), ("all at start", home(&server, count * 2))] {
        println!("CONNECTIONS read {what}:");
        measure(&home, &store, count).await;
    }
    store.close().await;
}

async fn measure(home: &Home, store: &Store, count: usize) {
    let began = Instant::now();
    let gateway = home.run(&["gateway"]).await;
    println!("  start to ready {:.0?}, then {} MiB", began.elapsed(), mebibytes(&gateway));
    let address = gateway.gateway().await;
    let said = eventually("it has said whether it read them", PATIENCE * 10, async || {
        let log = gateway.log();
        log.into_iter().find(|line| line.contains("connections made at run time are in memory"))
    });
    let all = !said.await.contains("\"connections\":0");
    println!(
        "  {} in memory after {:.1?}: {} MiB",
        if all { "all" } else { "none" },
        began.elapsed(),
        mebibytes(&gateway)
    );

    let mut line = Line::open(&address).await;
    let asked = rounds(200, 20_000).min(count);
    let step = count / asked;
    let ids: Vec<_> = (0..asked).map(|n| format!("/webhooks/github/c{}", n * step)).collect();
    line.ask(&ids[0]).await;
    let nothing = vec!["/webhooks/github".to_owned(); asked];
    for (what, paths) in [("no lookup", &nothing), ("first lookup", &ids), ("cached lookup", &ids)] {
        let before = gateway.metric(READS, "").await;
        let times = line.ask_all(paths).await;
        let reads = gateway.metric(READS, "").await - before;
        println!("  {what}: p50 {:?} p99 {:?} of a request over HTTP, {reads} store reads", times.0, times.1);
        assert!(reads == 0.0 || what == "first lookup", "{what} asked the store {reads} times");
        assert!(what != "first lookup" || all || reads > 0.0, "the control");
    }
    println!("  {} MiB with {asked} of them asked for", mebibytes(&gateway));

    let before = gateway.metric(READS, "").await;
    for n in 0..rounds(20, 1_000) {
        for repeat in 0..2 {
            let body = format!(r#"{{"installation":{{"id":{}}}}}"#, n * step);
            let webhook = Webhook::signed(SECRET, "push", &format!("{all}-{n}-{repeat}"), body);
            assert_eq!(webhook.post(&address, "github").await.expect("an answer").result(), "stored");
        }
    }
    let (reads, most) =
        (gateway.metric(READS, "").await - before, if all { 0.0 } else { 2.0 * rounds(20, 1_000) as f64 });
    println!("  {} webhooks of {} accounts: {reads} store reads", 2 * rounds(20, 1_000), rounds(20, 1_000));
    assert!(reads <= most, "a cached webhook asked the store: {reads}");

    let mut seen = Vec::new();
    for n in 0..rounds(5, 200) {
        seen.push(visible(store, &mut line, &format!("new-{all}-{n}")).await);
    }
    let (p50, p99) = quantiles(&mut seen);
    println!("  a new connection is known after p50 {p50:?} p99 {p99:?}");
    gateway.stop().await;
}

/// How long after a connection is written until a gateway that knew of none knows it.
async fn visible(store: &Store, line: &mut Line, id: &str) -> Duration {
    let path = format!("/webhooks/github/{id}");
    assert_eq!(line.ask(&path).await.1, 404);
    let found = connection::put(store, linked(id, id), Expect::Absent, Claiming::default(), Timestamp::now()).await;
    let written = Instant::now();
    while line.ask(&path).await.1 == 404 {
        assert!(written.elapsed() < PATIENCE, "{id} stays unknown");
    }
    let took = written.elapsed();
    found.expect("it is put");
    took
}

fn home(server: &NatsServer, preloaded: usize) -> Home {
    let config = format!(
        "[gateway]\nlisten = \"127.0.0.1:0\"\nconnections_cached_max = 1000000\nconnections_preloaded_max = {preloaded}\n\
         [ops]\nlisten = \"127.0.0.1:0\"\n\
         [store]\nengine = \"nats\"\nurl = \"{}\"\nreplicas = 1\ndurability = \"replicated\"\npartitions = 4\nshards = 4\n\
         [[integration]]\nid = \"github\"\nprovider = \"github\"\nsecrets = [{{ file = \"github\" }}]\n",
        server.url()
    );
    Home::new(&config, &[("github", SECRET)])
}

async fn open(home: &Home) -> Store {
    let loaded = load(&home.path("gatepost.toml"), &std_env, Options::default()).expect("a good configuration");
    Store::open(&loaded.config.store, &loaded.config.retention).await.expect("the store opens")
}

fn linked(id: &str, account: &str) -> Linked {
    let integration = "github".parse().expect("an id");
    let id = id.parse().expect("an id");
    let linked = Linked::new(integration, id, "a-tenant-like-others".parse().expect("an id"), Timestamp::now());
    Linked { accounts: vec![account.to_owned()], phase: Phase::Active, ..linked }
}

/// Writes the entries as they stand after all is settled, which is what they are read for here.
async fn fill(store: &Store, count: usize) {
    let entries = (0..count).flat_map(|n| {
        let linked = linked(&format!("c{n}"), &n.to_string());
        let claim = Claim {
            integration: linked.integration.clone(),
            account: n.to_string(),
            tenant: linked.tenant.clone(),
            connections: vec![linked.id.clone()],
            doubted: false,
        };
        let ids =
            (Linked::entry_id(&linked.integration, &linked.id), Claim::entry_id(&claim.integration, &claim.account));
        let value = serde_json::to_vec(&linked).expect("JSON");
        [(Kind::Connection, ids.0, value), (Kind::Claim, ids.1, serde_json::to_vec(&claim).expect("JSON"))]
    });
    let puts = stream::iter(entries).map(|(kind, id, value)| async move {
        let put = store.put(kind, &id, Bytes::from(value), Expect::Absent).await;
        put.map(|put| assert!(matches!(put, Put::Stored(_)), "{put:?}"))
    });
    puts.buffer_unordered(AT_ONCE).try_for_each(async |()| Ok(())).await.expect("they are written");
}

fn mebibytes(gatepost: &Gatepost) -> u64 {
    rss_kib(gatepost.pid()) / 1024
}

/// One connection that asks with a method that GitHub doesn't use: the answer comes after the lookup and before all else.
struct Line {
    address: String,
    sender: http1::SendRequest<Full<Bytes>>,
}

impl Line {
    async fn open(address: &str) -> Self {
        let socket = TcpStream::connect(address).await.expect("it listens");
        socket.set_nodelay(true).expect("it is set");
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await.expect("HTTP");
        tokio::spawn(connection);
        Self { address: address.to_owned(), sender }
    }

    async fn ask(&mut self, path: &str) -> (Duration, u16) {
        let request = Request::builder().method(Method::PUT).uri(path).header("host", &self.address);
        let request = request.body(Full::new(Bytes::new())).expect("well formed");
        let began = Instant::now();
        self.sender.ready().await.expect("it is open");
        let answer = self.sender.send_request(request).await.expect("an answer");
        let status = answer.status().as_u16();
        answer.into_body().collect().await.expect("a body");
        (began.elapsed(), status)
    }

    async fn ask_all(&mut self, paths: &[String]) -> (Duration, Duration) {
        let mut times = Vec::with_capacity(paths.len());
        for path in paths {
            let (took, status) = self.ask(path).await;
            assert_eq!(status, 405, "{path}");
            times.push(took);
        }
        quantiles(&mut times)
    }
}

fn quantiles(times: &mut [Duration]) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}
