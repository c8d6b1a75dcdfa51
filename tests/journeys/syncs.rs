//! Syncs asked of an endpoint in the operator's own words, and an engine that is paused: nothing is run meanwhile, and
//! nothing that is owed a run is lost.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_config::Timestamp;
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
        // So long that no test lives to see it.
        let backstop = ", backstop = \"3650d\"";
        let body = format!("body = '''{BODY}'''\n");
        for (id, engine, body, backstop) in [("own", &own, body, backstop), ("other", &other, String::new(), "")] {
            file += &format!(
                "\n[[sync_engine]]\nid = \"{id}\"\nkind = \"http\"\nurl = \"{}\"\nprivate = true\n\
                 secrets = [{{ file = \"signing\" }}]\n{body}\n\
                 [[route]]\nid = \"by-{id}\"\nintegration = \"github\"\n\
                 sync = {{ engine = \"{id}\", name = \"contacts\", coalesce = \"100ms\"{backstop} }}\n",
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
    lists_what_never_ran(&site).await;
    let sent_at = site.push().await;
    ran(&site.own, sent_at).await;
    said(&site.own, "events");
    lists_what_ran_and_what_never_did(&site).await;

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

/// Of the file's connection, and of one made at run time once it is live.
async fn lists_what_never_ran(site: &Site) {
    let began = Timestamp::now();
    let api = Api::of(site.gatepost()).await;
    api.told(Method::PUT, "/v1/connections/github/c2", KEY, Some(&json!({ "tenant": "acme" })), 201).await;
    let never = |sync: &Value| sync["never_ran"] == true && sync["triggered_at"].is_null();
    let all = eventually("both connections' syncs", PATIENCE, async || {
        let all = listed(&api, "").await;
        (all.len() == 4).then_some(all)
    })
    .await;
    assert!(all.iter().all(never), "{all:?}");
    let named: Vec<_> = all.iter().map(|sync| (sync["engine"].clone(), sync["connection"].clone())).collect();
    assert_eq!(json!(named), json!([["other", "c1"], ["own", "c1"], ["other", "c2"], ["own", "c2"]]));
    for sync in &all {
        let due = sync["backstop_at"].as_str().map(|at| at.parse::<Timestamp>().expect("a time"));
        assert_eq!(due.is_some(), sync["engine"] == "own", "{sync}");
        assert!(due.is_none_or(|due| due >= began && due < began.after(Duration::from_hours(24 * 3650))), "{sync}");
        let path = ["engine", "integration", "connection", "sync"].map(|word| sync[word].as_str().expect("a name"));
        assert_eq!(api.told(Method::GET, &format!("/v1/syncs/{}", path.join("/")), KEY, None, 200).await, *sync);
    }
    assert_eq!(listed(&api, "&connection=c2&engine=own").await, all[3..]);
    let shown = site.command(&["syncs", "list", "--connection", "c2", "--engine", "other"]).await;
    assert_eq!(shown, "other/github/c2/contacts  never ran  -  -  -\n");
}

async fn lists_what_ran_and_what_never_did(site: &Site) {
    let api = Api::of(site.gatepost()).await;
    let ran = |sync: &Value| sync["never_ran"] == false && sync["succeeded_at"].is_string();
    // One that is written between two pages comes again.
    eventually("what ran, and what never did", PATIENCE, async || {
        let all = listed(&api, "").await;
        let is_right = |sync: &Value| ran(sync) == (sync["connection"] == "c1");
        (all.len() == 4 && all.iter().all(is_right)).then_some(())
    })
    .await;
}

/// All syncs, by pages of one.
async fn listed(api: &Api, only: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/syncs?limit=1{only}{cursor}");
        let page = api.told(Method::GET, &path, KEY, None, 200).await;
        all.extend(page["items"].as_array().expect("a list").iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
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
