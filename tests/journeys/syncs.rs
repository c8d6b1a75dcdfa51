//! Syncs asked of an endpoint in the operator's own words, and an engine that is paused: nothing is run meanwhile, and
//! nothing that is owed a run is lost.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_event::Ending;
use gatepost_tests::{
    gatepost::Gatepost,
    github::{Webhook, hmac_sha256},
    nats_server::NatsServer,
    sync_engine::SyncEngine,
    wait::eventually,
};
use http::Method;
use serde_json::{Value, json};

use crate::{
    access::{Api, KEY},
    setup::{Engine, Journey, PATIENCE, SECRET, SIGNING},
};

/// What the engine `own` is posted.
const BODY: &str = r#"{'connection': run.connection, 'sync': run.sync, 'why': {'reason': run.reason,
 'codes': [1, 9007199254740993, -2], 'quoted': '"é"', 'is': run.reason != 'backstop', 'none': null}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_engine_runs_nothing_until_it_is_resumed_and_then_what_is_owed_on_embedded() {
    a_paused_engine_runs_nothing_until_it_is_resumed_and_then_what_is_owed(Engine::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_engine_runs_nothing_until_it_is_resumed_and_then_what_is_owed_on_nats() {
    a_paused_engine_runs_nothing_until_it_is_resumed_and_then_what_is_owed(Engine::Nats(NatsServer::start().await))
        .await;
}

/// The engines `own` and `other`, each with a sync that a push makes stale.
struct Site {
    journey: Journey,
    /// None between two.
    running: Option<Gatepost>,
    own: SyncEngine,
    other: SyncEngine,
    pushed: usize,
}

impl Site {
    async fn start(engine: Engine) -> Self {
        let (own, other) = (SyncEngine::start(Duration::ZERO).await, SyncEngine::start(Duration::ZERO).await);
        let journey = Journey::new(engine, "park", &BTreeSet::from([1])).await;
        let mut file = std::fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
        for (id, engine, body) in [("own", &own, format!("body = '''{BODY}'''\n")), ("other", &other, String::new())] {
            file += &format!(
                "\n[[sync_engine]]\nid = \"{id}\"\nkind = \"http\"\nurl = \"{}\"\nprivate = true\n\
                 secrets = [{{ file = \"signing\" }}]\n{body}\n\
                 [[route]]\nid = \"by-{id}\"\nintegration = \"github\"\n\
                 sync = {{ engine = \"{id}\", name = \"contacts\", coalesce = \"100ms\" }}\n",
                engine.plain_url()
            );
        }
        file += "\n[admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{ file = \"api\" }]\n";
        journey.home.write("api", KEY);
        journey.home.write("gatepost.toml", &file);
        let running = Some(journey.run().await);
        Self { journey, running, own, other, pushed: 0 }
    }

    fn gatepost(&self) -> &Gatepost {
        self.running.as_ref().expect("it runs")
    }

    async fn stop(&mut self) {
        self.running.take().expect("it runs").stop().await;
    }

    /// Posts an event, and waits until the engine that is not paused has run what it made stale.
    async fn push(&mut self) -> Instant {
        self.pushed += 1;
        let id = format!("push-{}", self.pushed);
        let webhook = Webhook::signed(SECRET, "push", &id, r#"{"installation":{"id":1}}"#);
        let sent_at = Instant::now();
        let answer = webhook.post(&self.gatepost().gateway().await, "github").await.expect("an answer");
        assert_eq!(answer.result(), "stored");
        ran(&self.other, sent_at).await;
        sent_at
    }

    /// A command of the API's clients, on a thread of its own: what it asks may be served by this one's.
    async fn command(&self, args: &[&str]) -> String {
        let url = format!("http://{}", self.gatepost().address("admin").await);
        let args = [args, &["--url", &url, "--api-key", KEY]].concat();
        let output = tokio::task::block_in_place(|| self.journey.home.command(&args));
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// Waits until the router knows that `own` is paused, and that so many of its syncs are owed a run.
    async fn waits(&self, syncs: f64) {
        eventually("the engine is paused", PATIENCE, async || {
            let of = async |name| self.gatepost().metric(name, "engine=\"own\"").await;
            let is_paused = of("gatepost_router_sync_paused_engines").await == 1.0;
            (is_paused && of("gatepost_router_sync_waiting_syncs").await == syncs).then_some(())
        })
        .await;
    }

    fn runs(&self) -> usize {
        self.own.runs("c1", "contacts").len()
    }
}

/// Waits for a run that began after a time.
async fn ran(engine: &SyncEngine, after: Instant) {
    eventually("a run", PATIENCE, async || {
        engine.runs("c1", "contacts").iter().any(|run| run.began > after).then_some(())
    })
    .await;
}

async fn a_paused_engine_runs_nothing_until_it_is_resumed_and_then_what_is_owed(engine: Engine) {
    let mut site = Site::start(engine).await;
    let sent_at = site.push().await;
    ran(&site.own, sent_at).await;
    said(&site.own, "events");

    assert_eq!(site.command(&["syncs", "pause", "own"]).await, "own is paused\n");
    site.waits(0.0).await;
    let runs = site.runs();
    for _ in 0..3 {
        site.push().await;
    }
    site.waits(1.0).await;
    let shown = site.command(&["syncs", "show", "own", "github", "c1", "contacts", "--json"]).await;
    let shown: Value = shown.parse().expect("JSON");
    assert_eq!(shown["paused"], true, "{shown}");
    // Over a restart too, and whoever asks.
    site.stop().await;
    site.running = Some(site.journey.run().await);
    site.waits(1.0).await;
    site.command(&["syncs", "trigger", "own", "github", "c1", "contacts"]).await;
    let last = site.push().await;
    site.waits(1.0).await;
    assert_eq!(site.runs(), runs, "while it is paused");

    let api = Api::of(site.gatepost()).await;
    let resumed = api.told(Method::POST, "/v1/syncs/own/resume", KEY, None, 200).await;
    let stands = json!({ "id": "own", "kind": "http", "paused": false, "paused_in_file": false });
    assert_eq!(resumed, stands);
    ran(&site.own, last).await;
    eventually("nothing is owed any more", PATIENCE, async || {
        let of = async |name| site.gatepost().metric(name, "").await;
        let owed = of("gatepost_router_sync_waiting_syncs").await + of("gatepost_router_sync_running_syncs").await;
        let state = api.told(Method::GET, "/v1/syncs/own/github/c1/contacts", KEY, None, 200).await;
        (owed == 0.0 && state["asked_at"].is_null()).then_some(())
    })
    .await;
    site.journey.backend.wait_for(site.pushed, PATIENCE).await;
    site.stop().await;
    let store = site.journey.store().await;
    let census = store.census().await.expect("it counts");
    store.close().await;
    // By each engine.
    assert_eq!(census.ended.get(&Ending::Synced).copied(), Some(2 * site.pushed as u64), "{census:?}");
    assert_eq!(census.waiting(), 0, "{census:?}");
}

/// The engine was posted what the configuration says, signed over exactly those bytes.
fn said(engine: &SyncEngine, reason: &str) {
    let (headers, body) = engine.ledger().calls.pop().expect("a call");
    let codes = json!([1, 9_007_199_254_740_993_i64, -2]);
    let why = json!({ "reason": reason, "codes": codes, "quoted": "\"é\"", "is": true, "none": null });
    let said: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(said, json!({ "connection": "c1", "sync": "contacts", "why": why }));
    let header = |name: &str| headers[name].to_str().expect("text").to_owned();
    assert_eq!(header("content-type"), "application/json");
    let key = STANDARD.decode(SIGNING.trim_start_matches("whsec_")).expect("base64");
    let signed = [header("webhook-id").as_bytes(), b".", header("webhook-timestamp").as_bytes(), b".", &body].concat();
    assert_eq!(header("webhook-signature"), format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &signed))));
}
