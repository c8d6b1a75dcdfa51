//! A quota of the gateway that all tenants share: who offers more than his share is told to come again, nobody else is.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use gatepost_tests::{github::Webhook, post::Answer, wait::eventually};
use tokio::task::JoinSet;

use crate::setup::{Engine, Journey, PATIENCE, SECRET, each_engine};

each_engine!(a_tenant_that_floods_is_refused_and_ten_others_never_are);

/// Tenants 1 to 10, each with a connection of its own number.
const QUIET: u64 = 10;

/// Who floods.
const NOISY: u64 = 11;

/// Events of each quiet tenant: all of them fit beside a flood at once, however slow the machine is.
const EACH: usize = 4;

async fn push(address: &str, delivery: &str, installation: u64) -> Answer {
    let body = format!(r#"{{"installation":{{"id":{installation}}}}}"#);
    Webhook::signed(SECRET, "push", delivery, body).post(address, "github").await.expect("an answer")
}

/// A tenant that posts on 16 lines at once.
#[derive(Clone)]
struct Flood {
    address: String,
    over: Arc<AtomicBool>,
    number: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    accepted: Arc<Mutex<BTreeSet<String>>>,
}

impl Flood {
    fn new(address: &str) -> Self {
        let (number, refused) = (Arc::default(), Arc::default());
        Self { address: address.to_owned(), over: Arc::default(), number, refused, accepted: Arc::default() }
    }

    /// Posts until so many events were offered, or it is over.
    fn start(&self, most: usize) -> JoinSet<()> {
        let mut lines = JoinSet::new();
        for _ in 0..16 {
            let flood = self.clone();
            lines.spawn(async move { flood.post(most).await });
        }
        lines
    }

    async fn post(&self, most: usize) {
        while !self.over.load(Ordering::Relaxed) {
            let number = self.number.fetch_add(1, Ordering::Relaxed);
            if number >= most {
                return;
            }
            let delivery = format!("noisy-{number}");
            let answer = push(&self.address, &delivery, NOISY).await;
            match answer.status.as_u16() {
                200 => assert!(self.accepted.lock().expect("no panic").insert(delivery)),
                429 => {
                    let wait: u64 = answer.header("retry-after").parse().expect("whole seconds");
                    assert!((1..=2).contains(&wait), "{wait}");
                    assert!(answer.body.starts_with(br#"{"error":"rate_limited","#), "{answer:?}");
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
                other => panic!("{other}"),
            }
        }
    }
}

async fn a_tenant_that_floods_is_refused_and_ten_others_never_are(engine: Engine) {
    let journey = Journey::new(engine, "park", &(1..=NOISY).collect()).await;
    let gatepost = journey.run().await;
    let flood = Flood::new(&gatepost.gateway().await);

    // Without the setting nothing is refused.
    flood.start(300).join_all().await;
    assert_eq!(flood.refused.load(Ordering::Relaxed), 0);
    assert_eq!(flood.accepted.lock().expect("no panic").len(), 300);

    let file = std::fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
    let quota = "[gateway]\naccept_rate = \"100/s\"\n";
    journey.home.write("gatepost.toml", &file.replacen("[gateway]\n", quota, 1));
    gatepost.signal("HUP");
    flood.number.store(300, Ordering::Relaxed);
    let lines = flood.start(usize::MAX);
    let is_refused = async || (flood.refused.load(Ordering::Relaxed) >= 50).then_some(());
    eventually("the flood is refused", PATIENCE, is_refused).await;

    let mut stored = BTreeSet::new();
    for n in 0..EACH {
        for tenant in 1..=QUIET {
            let delivery = format!("quiet-{tenant}-{n}");
            let answer = push(&flood.address, &delivery, tenant).await;
            assert_eq!(answer.status.as_u16(), 200, "{delivery}: {}", String::from_utf8_lossy(&answer.body));
            stored.insert(delivery);
        }
    }
    flood.over.store(true, Ordering::Relaxed);
    lines.join_all().await;

    let refused = flood.refused.load(Ordering::Relaxed) as f64;
    let counted = gatepost.metric("gatepost_gateway_requests_total", "result=\"rate_limited\"").await;
    assert!((counted - refused).abs() < 0.1, "{counted} {refused}");
    let kept = gatepost.metric("gatepost_gateway_quarantined_total", "github").await;
    assert!(kept.abs() < 0.1, "what is over a quota is no forgery: {kept}");
    let said = gatepost.log().iter().filter(|line| line.contains("than a quota of [gateway] allows")).count();
    assert!((1..=4).contains(&said), "a line in half a minute: {said}");

    // The store holds what was answered 200, and nothing else.
    stored.append(&mut flood.accepted.lock().expect("no panic"));
    let delivered = journey.backend.wait_for(stored.len(), PATIENCE).await;
    gatepost.stop().await;
    let id = |envelope: serde_json::Value| envelope["provider_event_id"].as_str().expect("an id").to_owned();
    let delivered: BTreeSet<String> = delivered.into_iter().map(|delivery| id(delivery.envelope())).collect();
    assert_eq!(delivered, stored);
    let store = journey.store().await;
    let census = store.census().await.expect("it counts");
    let all = census.ended.values().sum::<u64>() + census.waiting() + census.unmatched;
    assert_eq!(all, stored.len() as u64, "{census:?}");
    store.close().await;
}
