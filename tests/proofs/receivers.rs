//! Deliveries in every format to receivers that verify with a sender's own library, and to receivers as tutorials write
//! them, while the keys are changed: nobody refuses one.

use std::{
    collections::BTreeMap,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use gatepost_tests::{
    gatepost::{Gatepost, Home},
    github::Webhook,
    judge, post,
    wait::eventually,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    sync::Semaphore,
    task::JoinSet,
};

use crate::{rounds, setup::SECRET};

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwmuf8Yd4zsY4=";
const NEW: &str = "whsec_YSBuZXcga2V5IHRoYXQgbm9ib2R5IHVzZXMsIDMyIGI=";
const NANGO_OLD: &str = "5f0e62e8-2c5b-4f0e-8a53-old-old-old-";
const NANGO_NEW: &str = "0a9cbb42-91d3-4d0e-b7a1-new-new-new-";
/// Receivers that verify, by where they are, with the format they get.
const VERIFYING: [(&str, &str); 5] =
    [("standardwebhooks", "json"), ("svix", "cloudevents"), ("raw", "raw"), ("nango", "nango"), ("python", "json")];
/// Receivers as tutorials write them.
const TUTORIALS: [&str; 3] = ["express", "fastify", "fastapi"];
/// Posts under way at once.
const WORKERS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn receivers_of_every_format_take_every_delivery_while_the_keys_are_changed() {
    let events = rounds(25, 500) * 4;
    let receivers = Receivers::start().await;
    let home = Home::new(
        &receivers.config(&["old"]),
        &[("github", SECRET), ("old", OLD), ("new", NEW), ("nango-old", NANGO_OLD), ("nango-new", NANGO_NEW)],
    );
    let gatepost = home.run(&[]).await;
    let gateway = gatepost.gateway().await;
    let began = Instant::now();
    let eighth = events / 8;
    let load = Load { gateway, posted: Arc::default(), allowed: Arc::new(Semaphore::new(3 * eighth)), until: events };
    let mut workers = JoinSet::new();
    (0..WORKERS).for_each(|_| drop(workers.spawn(load.clone().post())));

    // The sender begins to sign with both while the load goes on.
    receivers.wait_for(2 * eighth).await;
    reload(&home, &gatepost, &receivers.config(&["old", "new"])).await;
    // What only the old one signed has arrived by then, and receivers may forget it.
    receivers.wait_for(3 * eighth).await;
    load.allowed.add_permits(2 * eighth);
    receivers.wait_for(4 * eighth).await;
    receivers.keys(&json!({"secret": NEW, "nango": [NANGO_OLD, NANGO_NEW]})).await;
    // So does the sender.
    load.allowed.add_permits(2 * eighth);
    receivers.wait_for(6 * eighth).await;
    reload(&home, &gatepost, &receivers.config(&["new"])).await;
    load.allowed.add_permits(events);
    while let Some(ended) = workers.join_next().await {
        ended.expect("every event is acknowledged");
    }
    let report = receivers.wait_for(events).await;

    let (mut verified, mut refused) = (0, 0);
    for name in VERIFYING.map(|(name, _)| name).into_iter().chain(TUTORIALS) {
        let got = &report[name];
        assert_eq!((got.refused, got.ids.len()), (0, events), "{name}: {:?}", got.errors);
        assert!(got.ids.values().all(|times| *times == 1), "{name} got one twice");
        if VERIFYING.iter().any(|(verifying, _)| *verifying == name) {
            verified += got.accepted;
            refused += got.refused;
        }
    }
    println!(
        "{verified} deliveries verified by four libraries at five receivers in {:?}, {refused} refused",
        began.elapsed()
    );

    keys_are_counted(&gatepost, events).await;
    receivers.refuse_what_is_forged().await;
    gatepost.stop().await;
}

/// A counter per key tells that the old one is not used any more.
async fn keys_are_counted(gatepost: &Gatepost, events: usize) {
    const SIGNATURES: &str = "gatepost_router_signatures_total";
    let key = |id: &str| format!("destination=\"svix\",key=\"{id}\"");
    let id = |text: &str| {
        let secret = gatepost_config::Secret::new(text.as_bytes().to_vec(), "a test");
        gatepost_config::SigningKey::parse(secret).expect("a key").id().to_owned()
    };
    let old = gatepost.metric(SIGNATURES, &key(&id(OLD))).await;
    let new = gatepost.metric(SIGNATURES, &key(&id(NEW))).await;
    let all = events as f64;
    assert!(old > 0.0 && old < all && new > 0.0 && new < all && old + new > all, "old {old}, new {new} of {all}");
}

/// Posts GitHub's webhooks as many as are allowed, until so many are acknowledged.
#[derive(Clone)]
struct Load {
    gateway: String,
    posted: Arc<AtomicUsize>,
    allowed: Arc<Semaphore>,
    until: usize,
}

impl Load {
    async fn post(self) {
        loop {
            self.allowed.acquire().await.expect("it is open").forget();
            let n = self.posted.fetch_add(1, Ordering::SeqCst);
            if n >= self.until {
                return;
            }
            let body = format!(
                "{{\"action\":\"opened\",\"n\":{n},\"big\":92233720368547758079,\"é\":[1.0, true],\
                 \"installation\":{{\"id\":1}}}}"
            );
            let webhook = Webhook::signed(SECRET, "pull_request", &format!("delivery-{n}"), body);
            let answer = webhook.post(&self.gateway, "github").await.expect("an answer");
            assert_eq!((answer.status.as_u16(), answer.result()), (200, "stored"));
        }
    }
}

async fn reload(home: &Home, gatepost: &Gatepost, config: &str) {
    let reads = |gatepost: &Gatepost| gatepost.log().iter().filter(|line| line.contains("was read again")).count();
    let before = reads(gatepost);
    home.write("gatepost.toml", config);
    gatepost.signal("HUP");
    eventually("the configuration is read again", PATIENCE, async || (reads(gatepost) > before).then_some(())).await;
}

/// What a receiver got.
#[derive(Debug, Default, Deserialize)]
struct Got {
    accepted: usize,
    refused: usize,
    ids: BTreeMap<String, usize>,
    errors: Vec<String>,
}

/// The receivers' processes.
struct Receivers {
    ports: BTreeMap<String, u16>,
    _processes: [Child; 2],
}

impl Receivers {
    async fn start() -> Self {
        let keys = json!({"secret": OLD, "nango": [NANGO_OLD, NANGO_NEW]}).to_string();
        let mut node = Command::new("node");
        node.arg(judge::folder().join("node/receivers.mjs")).arg(&keys);
        let mut python = Command::new(judge::tool("python/bin/python"));
        python.arg(judge::folder().join("python/receivers.py")).arg(&keys);
        let (node, mut ports) = listening(node).await;
        let (python, more) = listening(python).await;
        ports.extend(more);
        Self { ports, _processes: [node, python] }
    }

    fn address(&self, name: &str) -> String {
        let process = match name {
            "express" | "fastify" | "python" => name,
            "fastapi" => "python",
            _ => "verifiers",
        };
        format!("127.0.0.1:{}", self.ports[process])
    }

    /// Every receiver as a destination; those that verify get deliveries signed with these keys, Nango's with the last.
    fn config(&self, keys: &[&str]) -> String {
        let secrets = |prefix: &str, keys: &[&str]| {
            let keys: Vec<String> = keys.iter().map(|key| format!("{{ file = \"{prefix}{key}\" }}")).collect();
            format!("[{}]", keys.join(", "))
        };
        let destination = |name: &str, path: &str, format: &str| {
            let secrets = match format {
                "nango" => secrets("nango-", &keys[keys.len() - 1..]),
                _ => secrets("", keys),
            };
            format!(
                "[[destination]]\nid = \"{name}\"\nurl = \"http://{}/{path}\"\nprivate = true\nsecrets = {secrets}\n\
                 format = \"{format}\"\n\n",
                self.address(name)
            )
        };
        let verifying: String = VERIFYING.iter().map(|(name, format)| destination(name, name, format)).collect();
        let tutorials: String = TUTORIALS.iter().map(|name| destination(name, "webhooks", "json")).collect();
        let names: Vec<&str> = VERIFYING.iter().map(|(name, _)| *name).chain(TUTORIALS).collect();
        format!(
            "[gateway]\nlisten = \"127.0.0.1:0\"\n\n[ops]\nlisten = \"127.0.0.1:0\"\n\n\
             [store]\nengine = \"embedded\"\npath = \"data\"\n\n\
             [[integration]]\nid = \"github\"\nprovider = \"github\"\nsecrets = [{{ file = \"github\" }}]\n\n\
             [[connection]]\nintegration = \"github\"\nid = \"acme\"\naccount = \"1\"\n\n\
             {verifying}{tutorials}[[route]]\nid = \"all\"\nforward = {}\n",
            json!(names)
        )
    }

    /// Waits until every receiver got so many different events.
    async fn wait_for(&self, events: usize) -> BTreeMap<String, Got> {
        let names = || VERIFYING.map(|(name, _)| name).into_iter().chain(TUTORIALS);
        eventually(&format!("{events} events everywhere"), PATIENCE, async || {
            let report = self.report().await;
            let whole =
                names().all(|name| report.get(name).is_some_and(|got| got.ids.len() >= events || got.refused > 0));
            whole.then_some(report)
        })
        .await
    }

    async fn report(&self) -> BTreeMap<String, Got> {
        let mut all = BTreeMap::new();
        for process in ["verifiers", "python"] {
            let address = format!("127.0.0.1:{}", self.ports[process]);
            let answer = post::request(http::Method::GET, &address, "/report", &[], Bytes::new()).await;
            let report: BTreeMap<String, Got> =
                serde_json::from_slice(&answer.expect("an answer").body).expect("a report");
            all.extend(report);
        }
        all
    }

    async fn keys(&self, keys: &Value) {
        for process in ["verifiers", "python"] {
            let address = format!("127.0.0.1:{}", self.ports[process]);
            let headers = [("content-type", "application/json")];
            let answer = post::post(&address, "/keys", &headers, keys.to_string().into()).await.expect("an answer");
            assert!(answer.status.is_success());
        }
    }

    /// The control of those that verify: a delivery that nobody signed.
    async fn refuse_what_is_forged(&self) {
        for (name, _) in VERIFYING {
            let now = gatepost_config::Timestamp::now().seconds().to_string();
            let headers = [
                ("content-type", "application/json"),
                ("webhook-id", "evt_forged"),
                ("webhook-timestamp", &now),
                ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
                ("x-nango-hmac-sha256", "b82fcb791acec57859b989b430a826488ce2e479fdf92326bd0a2e8375a42ba4"),
                ("ce-type", "github.push"),
                ("ce-id", "evt_forged"),
            ];
            let body = Bytes::from_static(b"{\"connectionId\":\"acme\",\"from\":\"github\",\"type\":\"forward\"}");
            let answer = post::post(&self.address(name), &format!("/{name}"), &headers, body).await.expect("an answer");
            assert_eq!(answer.status.as_u16(), 400, "{name} takes what nobody signed");
        }
        let report = self.report().await;
        assert!(VERIFYING.iter().all(|(name, _)| report[*name].refused == 1));
    }
}

/// Starts a process and reads the ports it prints.
async fn listening(mut command: Command) -> (Child, BTreeMap<String, u16>) {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("run tests/install first");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("in time").expect("text");
    let ports = serde_json::from_str(&line.expect("run tests/install first")).expect("ports");
    // What it says later has nowhere to go, and must not fill the pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, ports)
}
