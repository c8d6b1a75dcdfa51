//! Many webhooks, one sync, none missed: a ledger of what a sync engine ran against what a provider posted.
//!
//! The engine takes its time for a run and, like Nango, says 200 to a trigger while it runs and starts nothing.

mod backstop;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use gatepost_config::{Options, load, std_env};
use gatepost_event::{Ending, Store, store::Census};
use gatepost_tests::{
    backend::Backend,
    gatepost::{Gatepost, Home},
    github::{Webhook, hex, hmac_sha256},
    nats_server::NatsServer,
    post,
    sync_engine::{API_KEY, SyncEngine},
    wait::eventually,
};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{rounds, setup::SECRET};

/// How long everything may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(90);
/// Posts under way at once.
const WORKERS: usize = 16;

/// The size of a drill.
#[derive(Clone, Copy)]
struct Size {
    events: usize,
    connections: usize,
    /// Time over which the events come.
    span: Duration,
    run_time: Duration,
    /// Of the route.
    coalesce: &'static str,
    max_wait: &'static str,
    poll: &'static str,
}

fn is_full() -> bool {
    rounds(0, 1) == 1
}

fn size() -> Size {
    let short = Size {
        events: 120,
        connections: 6,
        span: Duration::from_millis(600),
        run_time: Duration::from_millis(400),
        coalesce: "200ms",
        max_wait: "500ms",
        poll: "50ms",
    };
    let full = Size {
        events: 10_000,
        connections: 100,
        span: Duration::from_secs(5),
        run_time: Duration::from_secs(2),
        coalesce: "1s",
        max_wait: "3s",
        poll: "250ms",
    };
    if is_full() { full } else { short }
}

/// The processes and the engine.
struct Site {
    engine: SyncEngine,
    size: Size,
    nats: Option<NatsServer>,
    home: Home,
    running: BTreeMap<&'static str, Gatepost>,
    gateway: Arc<RwLock<String>>,
}

#[tokio::test(flavor = "multi_thread")]
async fn syncs_of_one_process_on_the_embedded_store() {
    let mut site = Site::new(None, size()).await;
    site.start("all", &[]).await;
    let posted = site.post(site.size.events, site.size.span).await;
    settle(&mut site, posted, "embedded", Some(4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn syncs_of_two_routers_on_nats() {
    let mut site = Site::new(Some(NatsServer::start().await), size()).await;
    for (name, role) in [("gateway", "gateway"), ("router-a", "router"), ("router-b", "router")] {
        site.start(name, &[role]).await;
    }
    let posted = site.post(site.size.events, site.size.span).await;
    settle(&mut site, posted, "NATS, two routers", Some(4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn syncs_while_the_process_on_the_embedded_store_is_killed() {
    let kills = rounds(1, 6);
    let mut site = Site::new(None, size()).await;
    site.start("all", &[]).await;
    let posting = Posting::start(&site, kills);
    for _ in 0..kills {
        tokio::time::sleep(site.size.span).await;
        site.kill("all").await;
        site.start("all", &[]).await;
    }
    let posted = posting.end().await;
    settle(&mut site, posted, &format!("embedded, {kills} x kill -9"), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn syncs_while_routers_on_nats_are_killed() {
    let kills = rounds(1, 6);
    let mut site = Site::new(Some(NatsServer::start().await), size()).await;
    for (name, role) in [("gateway", "gateway"), ("router-a", "router"), ("router-b", "router")] {
        site.start(name, &[role]).await;
    }
    let posting = Posting::start(&site, kills);
    for kill in 0..kills {
        tokio::time::sleep(site.size.span).await;
        let name = if kill % 2 == 0 { "router-a" } else { "router-b" };
        site.kill(name).await;
        site.start(name, &["router"]).await;
    }
    let posted = posting.end().await;
    settle(&mut site, posted, &format!("NATS, {kills} x kill -9 of a router"), None).await;
}

/// Acknowledged events of each connection: how many, and when the last one was sent.
type Posted = HashMap<usize, (usize, Instant)>;

/// Events that are posted beside what else happens: those of one span in each span.
struct Posting(tokio::task::JoinHandle<Posted>);

impl Posting {
    fn start(site: &Site, kills: usize) -> Self {
        let spans = u32::try_from(kills + 1).expect("few kills");
        let (size, gateway) = (site.size, site.gateway.clone());
        Self(tokio::spawn(post(size, gateway, size.events, size.span * spans)))
    }

    async fn end(self) -> Posted {
        self.0.await.expect("everything was posted")
    }
}

impl Site {
    /// With an engine that is spoken to as Nango is.
    async fn new(nats: Option<NatsServer>, size: Size) -> Self {
        let engine = SyncEngine::start(size.run_time).await;
        let section = format!(
            "kind = \"nango\"\nprivate = true\nurl = \"{}\"\napi_key = {{ file = \"nango\" }}\nrate = \"100000/s\"\npoll = \"{}\"",
            engine.url(),
            size.poll
        );
        let times = format!("coalesce = \"{}\", max_wait = \"{}\"", size.coalesce, size.max_wait);
        Self::with(nats, size, engine, &section, &times)
    }

    fn with(nats: Option<NatsServer>, size: Size, engine: SyncEngine, section: &str, times: &str) -> Self {
        let store = match &nats {
            None => "engine = \"embedded\"\npath = \"data\"".to_owned(),
            Some(server) => format!(
                "engine = \"nats\"\nurl = \"{}\"\nreplicas = 1\ndurability = \"replicated\"\npartitions = 4\nshards = 4",
                server.url()
            ),
        };
        let connections: String = (0..size.connections)
            .map(|n| format!("[[connection]]\nintegration = \"github\"\nid = \"c{n}\"\naccount = \"{n}\"\n\n"))
            .collect();
        let config = format!(
            "[gateway]\nlisten = \"127.0.0.1:0\"\n\n[ops]\nlisten = \"127.0.0.1:0\"\n\n[admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{{ file = \"nango\" }}]\n\n\
             [store]\n{store}\n\n\
             [[integration]]\nid = \"github\"\nprovider = \"github\"\nsecrets = [{{ file = \"github\" }}]\n\n{connections}\
             [[sync_engine]]\nid = \"engine\"\nconcurrency = 128\n{section}\n\n\
             [[route]]\nid = \"contacts\"\nintegration = \"github\"\n\
             sync = {{ engine = \"engine\", name = \"contacts\", {times} }}\n"
        );
        let signing = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwmuf8Yd4zsY4=";
        let home = Home::new(&config, &[("github", SECRET), ("nango", API_KEY), ("signing", signing)]);
        if nats.is_some() {
            home.init_store();
        }
        Self { engine, size, nats, home, running: BTreeMap::new(), gateway: Arc::default() }
    }

    async fn start(&mut self, name: &'static str, roles: &[&str]) {
        let gatepost = self.home.run(roles).await;
        if roles.is_empty() || roles.contains(&"gateway") {
            *self.gateway.write().unwrap() = gatepost.gateway().await;
        }
        self.running.insert(name, gatepost);
    }

    async fn kill(&mut self, name: &str) {
        self.running.remove(name).expect("running").kill().await;
    }

    /// A command of the API's clients, in JSON; what it says when it fails.
    async fn command(&self, args: &[&str]) -> Result<serde_json::Value, String> {
        let url = format!("http://{}", self.running["all"].address("admin").await);
        let output = self.home.command(&[args, &["--json", "--url", &url, "--api-key", API_KEY]].concat());
        match output.status.success() {
            true => Ok(serde_json::from_slice(&output.stdout).expect("JSON")),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    async fn post(&self, events: usize, span: Duration) -> Posted {
        post(self.size, self.gateway.clone(), events, span).await
    }

    async fn store(&self) -> Store {
        let loaded =
            load(&self.home.path("gatepost.toml"), &std_env, Options::default()).expect("a good configuration");
        Store::open(&loaded.config.store, &loaded.config.retention).await.expect("the store opens")
    }

    /// Connections without a run that began after their last event, or with one that is not over yet.
    fn uncovered(&self, posted: &Posted) -> usize {
        let now = Instant::now();
        let is_covered = |n: usize, last: Instant| {
            let runs = self.engine.runs(&format!("c{n}"), "contacts");
            runs.iter().any(|run| run.began > last && run.succeeds) && runs.iter().all(|run| run.ends < now)
        };
        posted.iter().filter(|(n, (_, last))| !is_covered(**n, *last)).count()
    }

    /// Waits until the API tells that so many events, and what they were owed, ended as synced.
    async fn tells_of_synced(&self, events: usize) {
        eventually("the history tells of synced events", PATIENCE, async || {
            let listed = self.command(&["events", "list", "--state", "synced"]).await.expect("they are listed");
            let owed = self.command(&["deliveries", "list", "--status", "synced"]).await.expect("they are listed");
            let (listed, owed) = (listed["items"].as_array()?.len(), owed["items"].as_array()?.clone());
            let are_syncs = owed.iter().all(|one| one["sync"] == "contacts" && one["synced_at"].is_string());
            (listed == events && owed.len() == events && are_syncs).then_some(())
        })
        .await;
    }

    /// Stops everything once nothing is owed any more.
    async fn rest(&mut self) -> Census {
        if self.nats.is_some() {
            let store = self.store().await;
            let census = eventually("nothing is owed", PATIENCE, async || {
                store.census().await.ok().filter(|census| census.waiting() == 0)
            })
            .await;
            store.close().await;
            self.stop().await;
            return census;
        }
        // One that is stopped while it doesn't know yet that a run is over has it run once more.
        let process = &self.running["all"];
        eventually("no sync waits or runs", PATIENCE, async || {
            let waiting = process.metric("gatepost_router_sync_waiting_syncs", "").await;
            (waiting + process.metric("gatepost_router_sync_running_syncs", "").await == 0.0).then_some(())
        })
        .await;
        // An embedded store has one user: whether it is at rest is seen only when the process has stopped.
        let (until, mut work) = (Instant::now() + PATIENCE, Duration::from_millis(500));
        loop {
            self.stop().await;
            let store = self.store().await;
            let census = store.census().await.expect("it counts");
            store.close().await;
            if census.waiting() == 0 {
                return census;
            }
            assert!(Instant::now() < until, "something is owed still: {census:?}");
            self.start("all", &[]).await;
            tokio::time::sleep(work).await;
            work *= 2;
        }
    }

    async fn stop(&mut self) {
        for (_, gatepost) in std::mem::take(&mut self.running) {
            gatepost.stop().await;
        }
    }
}

/// Posts events of all connections in turn, evenly over a span, each until it is acknowledged.
async fn post(size: Size, gateway: Arc<RwLock<String>>, events: usize, span: Duration) -> Posted {
    let (next, posted) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Posted::new())));
    let began = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let (next, posted, gateway) = (next.clone(), posted.clone(), gateway.clone());
        workers.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= events {
                    return;
                }
                let share = u32::try_from(n).expect("few events");
                tokio::time::sleep_until((began + span * share / u32::try_from(events).expect("few")).into()).await;
                let connection = n % size.connections;
                let body = format!("{{\"n\":{n},\"installation\":{{\"id\":{connection}}}}}");
                let webhook = Webhook::signed(SECRET, "push", &format!("delivery-{n}"), body);
                let sent_at = loop {
                    let (address, sent_at) = (gateway.read().unwrap().clone(), Instant::now());
                    match webhook.post(&address, "github").await {
                        Ok(answer) if answer.status.is_success() => break sent_at,
                        _ => tokio::time::sleep(Duration::from_millis(20)).await,
                    }
                };
                let mut posted = posted.lock().unwrap();
                let (count, last) = posted.entry(connection).or_insert((0, sent_at));
                *count += 1;
                *last = sent_at.max(*last);
            }
        });
    }
    workers.join_all().await;
    posted.lock().unwrap().clone()
}

/// Waits until every connection has a run that began after its last event and nothing is owed, then holds the ledgers
/// against each other and the store. `runs_max` is of one connection, in the full form: a small machine takes its time.
async fn settle(site: &mut Site, posted: Posted, drill: &str, runs_max: Option<usize>) {
    let began = Instant::now();
    eventually("a run after the last event of each connection", PATIENCE, async || {
        (site.uncovered(&posted) == 0).then_some(())
    })
    .await;
    let converged = began.elapsed();
    let census = site.rest().await;

    let ledger = site.engine.ledger();
    let events: usize = posted.values().map(|(count, _)| count).sum();
    let runs: Vec<usize> = ledger.runs.values().map(Vec::len).collect();
    let most = runs.iter().copied().max().unwrap_or_default();
    println!("LEDGER syncs, {drill}: {events} events of {} connections", posted.len());
    println!(
        "  {} runs, at most {most} of a connection; {} triggers ignored because one ran",
        runs.iter().sum::<usize>(),
        ledger.ignored
    );
    println!("  the last connection's run was over {converged:?} after the last event; store: {:?}", census.ended);
    assert_eq!(ledger.wrong, [] as [&str; 0], "calls that Nango would refuse, or take for all connections");
    assert_eq!(ledger.ignored, 0, "a trigger while a sync runs is lost");
    // As Nango's API documents it.
    let connection = &ledger.triggers[0]["connection_id"];
    assert_eq!(
        ledger.triggers[0],
        json!({ "provider_config_key": "github", "connection_id": connection, "syncs": ["contacts"],
                "opts": { "reset": false, "emptyCache": false } })
    );
    assert_eq!(posted.len(), site.size.connections);
    assert!(runs.iter().sum::<usize>() < events, "as many runs as events");
    if let Some(runs_max) = runs_max.filter(|_| is_full()) {
        assert!(most <= runs_max, "{most} runs of one connection");
    }
    let ended = census.ended.get(&Ending::Synced).copied().unwrap_or_default();
    assert_eq!((ended, census.ended.len(), census.waiting()), (events as u64, 1, 0), "{census:?}");
}

/// Workers of the operator's that answer on a subject; the first one has a run of its own under way.
#[tokio::test(flavor = "multi_thread")]
async fn syncs_by_workers_on_nats() {
    let nats = NatsServer::start().await;
    let client = async_nats::connect(nats.url()).await.expect("it is connected");
    let mut asked = client.subscribe("gatepost.sync.contacts").await.expect("it is subscribed");
    client.flush().await.expect("the server knows");
    let size = Size { events: 20, connections: 2, span: Duration::ZERO, ..size() };
    let engine = SyncEngine::start(Duration::ZERO).await;
    let mut site =
        Site::with(Some(nats), size, engine, "kind = \"nats\"\nsubject = \"contacts\"", "coalesce = \"300ms\"");
    site.start("all", &[]).await;
    let posted = site.post(size.events, size.span).await;
    assert_eq!(posted.len(), 2);

    let bodies = Arc::new(Mutex::new(Vec::new()));
    let worker = {
        let (bodies, client) = (bodies.clone(), client.clone());
        tokio::spawn(async move {
            let mut status = "busy";
            while let Some(message) = asked.next().await {
                let body: serde_json::Value = serde_json::from_slice(&message.payload).expect("JSON");
                bodies.lock().unwrap().push(body);
                let answer = format!("{{\"status\":\"{status}\"}}");
                client
                    .publish(message.reply.expect("it wants an answer"), answer.into())
                    .await
                    .expect("it is answered");
                status = "succeeded";
            }
        })
    };
    let census = site.rest().await;
    worker.abort();
    let ended = census.ended.get(&Ending::Synced).copied();
    assert_eq!((ended, census.ended.len()), (Some(size.events as u64), 1), "{census:?}");
    let bodies = bodies.lock().unwrap();
    assert!(bodies.iter().all(|body| body["sync"] == "contacts" && body["integration"] == "github"), "{bodies:?}");
    let asked = |connection: &str| bodies.iter().filter(|body| body["connection"] == connection).count();
    assert!(asked("c0") > 0 && asked("c1") > 0 && bodies.len() > 2, "both, and one again: {bodies:?}");
}

/// Nango's own webhook, recorded from its documentation, through our own gateway: the run's end is known at once and not
/// when the sync would be looked at next, and a backend hears of it like of any event.
#[tokio::test(flavor = "multi_thread")]
async fn syncs_are_known_to_have_ended_when_nango_says_so() {
    let backend = Backend::start().await;
    let size = Size { events: 5, connections: 1, span: Duration::ZERO, run_time: Duration::from_millis(300), ..size() };
    let engine = SyncEngine::start(size.run_time).await;
    let section = format!(
        "kind = \"nango\"\nprivate = true\nurl = \"{}\"\napi_key = {{ file = \"nango\" }}\npoll = \"10m\"\n\n\
         [[integration]]\nid = \"nango\"\nprovider = \"nango\"\nunmatched = \"forward\"\n\
         secrets = [{{ file = \"nango\" }}]\n\n\
         [[destination]]\nid = \"backend\"\nurl = \"{}\"\nprivate = true\nsecrets = [{{ file = \"signing\" }}]\n\n\
         [[route]]\nid = \"done\"\nevents = [\"nango.sync.*\"]\nforward = [\"backend\"]",
        engine.url(),
        backend.url()
    );
    let mut site = Site::with(None, size, engine, &section, "coalesce = \"100ms\"");
    site.start("all", &[]).await;
    site.post(size.events, size.span).await;
    let gateway = site.gateway.read().unwrap().clone();
    let body = r#"{"from":"nango","type":"sync","connectionId":"c0","providerConfigKey":"github","syncName":"contacts","model":"Contact","success":true,"modifiedAfter":"2026-11-22T17:04:00.000Z","responseResults":{"added":2,"updated":1,"deleted":0},"syncType":"INCREMENTAL"}"#;
    let signature = hex(&hmac_sha256(API_KEY.as_bytes(), body.as_bytes()));
    let headers = [("content-type", "application/json"), ("x-nango-hmac-sha256", signature.as_str())];
    // Without a word of Nango's no run would be known to have ended in these ten minutes.
    let state = eventually("its events have ended, and the state is stored", PATIENCE, async || {
        let answer = post::post(&gateway, "/webhooks/nango", &headers, body.into()).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.result()), (200, "stored"));
        tokio::time::sleep(Duration::from_millis(200)).await;
        let synced = site.running["all"].metric("gatepost_router_sync_run_events_sum", "").await;
        let listed = site.command(&["syncs", "list", "--engine", "engine"]).await.expect("they are listed");
        let state = listed["items"].as_array().and_then(|items| items.first().cloned());
        state.filter(|state| synced == 5.0 && state["succeeded_at"].is_string())
    })
    .await;
    assert_eq!((&state["connection"], &state["sync"]), (&json!("c0"), &json!("contacts")));
    let told = backend.wait_for(1, PATIENCE).await;
    assert_eq!((told[0].envelope()["type"].as_str(), told[0].data()), (Some("nango.sync.contacts"), body.as_bytes()));
    site.tells_of_synced(size.events).await;

    let runs = site.engine.runs("c0", "contacts").len();
    let asked =
        site.command(&["syncs", "trigger", "engine", "github", "c0", "contacts"]).await.expect("it is asked for");
    assert!(asked["asked_at"].is_string(), "{asked}");
    eventually("a run", PATIENCE, async || (site.engine.runs("c0", "contacts").len() > runs).then_some(())).await;
    let unknown = site.command(&["syncs", "trigger", "engine", "github", "nobody", "contacts"]).await;
    assert!(unknown.is_err_and(|error| error.contains("nobody")), "nothing is triggered for a connection there isn't");
    site.stop().await;
}
