//! A provider that posts, retries until it is told 2xx, and keeps a ledger of what it was told.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use gatepost_tests::{backend::Delivery, github::Webhook, wait::eventually};
use tokio::task::JoinSet;

use crate::setup::{Address, CONNECTIONS, SECRET, Site};

/// Pause of the provider before it posts again what was not accepted.
const RETRY_AFTER: Duration = Duration::from_millis(50);
/// Longest time one event may take to be accepted.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// Posts under way at once.
const WORKERS: usize = 8;

/// A running load.
pub(crate) struct Load {
    workers: JoinSet<()>,
    shared: Arc<Shared>,
}

struct Shared {
    addresses: Vec<Address>,
    next: AtomicUsize,
    last: AtomicUsize,
    /// Pause between two posts of a worker.
    pace: Duration,
    ledger: Mutex<Ledger>,
}

/// What the provider was told.
#[derive(Debug, Default, Clone)]
pub(crate) struct Ledger {
    /// Events that were answered 2xx, with their bodies.
    pub(crate) acknowledged: HashMap<String, String>,
    /// Answers by status; `0` for none (refused, reset, late).
    pub(crate) answers: BTreeMap<u16, usize>,
    /// Slowest answer of any status.
    pub(crate) slowest: Duration,
    /// Answers other than 2xx that carried no Retry-After though they were 503.
    pub(crate) without_retry_after: usize,
}

impl Load {
    /// Starts posting to the gateways in turn, a few at once, until stopped.
    pub(crate) fn start(addresses: Vec<Address>, pace: Duration) -> Self {
        let shared = Arc::new(Shared {
            addresses,
            next: AtomicUsize::new(0),
            last: AtomicUsize::new(usize::MAX),
            pace,
            ledger: Mutex::default(),
        });
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            workers.spawn(work(shared.clone()));
        }
        Self { workers, shared }
    }

    /// Events acknowledged so far.
    pub(crate) fn acknowledged(&self) -> usize {
        self.shared.ledger.lock().unwrap().acknowledged.len()
    }

    /// What the provider was told so far.
    pub(crate) fn ledger(&self) -> Ledger {
        self.shared.ledger.lock().unwrap().clone()
    }

    /// Waits until this many more events are acknowledged.
    pub(crate) async fn more(&self, n: usize) {
        let target = self.acknowledged() + n;
        let what = format!("{target} acknowledged events");
        eventually(&what, GIVE_UP_AFTER, async || (self.acknowledged() >= target).then_some(())).await;
    }

    /// Begins no new event, waits until every begun one is acknowledged, and gives the ledger.
    pub(crate) async fn stop(mut self) -> Ledger {
        self.shared.last.store(0, Ordering::Release);
        while let Some(worker) = self.workers.join_next().await {
            worker.expect("every event is accepted in the end");
        }
        self.ledger()
    }
}

async fn work(shared: Arc<Shared>) {
    while shared.last.load(Ordering::Acquire) > 0 {
        let n = shared.next.fetch_add(1, Ordering::AcqRel);
        let body = format!(r#"{{"action":"opened","n":{n},"installation":{{"id":{}}}}}"#, n % CONNECTIONS);
        let webhook = Webhook::signed(SECRET, "issues", &format!("delivery-{n}"), body.clone());
        let began = Instant::now();
        let mut to = n;
        while !shared.post(&webhook, &body, to).await {
            assert!(began.elapsed() < GIVE_UP_AFTER, "event {n} was not accepted within {GIVE_UP_AFTER:?}");
            to += 1;
            tokio::time::sleep(RETRY_AFTER).await;
        }
        tokio::time::sleep(shared.pace).await;
    }
}

impl Shared {
    /// One post to one of the gateways; whether it was accepted.
    async fn post(&self, webhook: &Webhook, body: &str, to: usize) -> bool {
        let address = self.addresses[to % self.addresses.len()].read().unwrap().clone();
        let began = Instant::now();
        let answer = webhook.post(&address, "github").await;
        let took = began.elapsed();
        let mut ledger = self.ledger.lock().unwrap();
        ledger.slowest = ledger.slowest.max(took);
        let Ok(answer) = answer else {
            *ledger.answers.entry(0).or_default() += 1;
            return false;
        };
        let status = answer.status.as_u16();
        *ledger.answers.entry(status).or_default() += 1;
        if status == 503 && answer.header("retry-after").is_empty() {
            ledger.without_retry_after += 1;
        }
        if answer.status.is_success() {
            ledger.acknowledged.insert(webhook.delivery.clone(), body.to_owned());
        }
        answer.status.is_success()
    }
}

/// Waits until everything acknowledged has arrived and nothing is owed, then holds the ledger against the backend and
/// the store, and prints it.
pub(crate) async fn settle(site: &mut Site, ledger: &Ledger, drill: &str, faults: &str) {
    let acknowledged = ledger.acknowledged.len();
    site.backend.wait_for(acknowledged, Duration::from_secs(120)).await;
    site.stop_all().await;
    let store = site.store().await;
    let census = store.census().await.expect("a census");
    store.close().await;

    let deliveries = site.backend.got();
    let arrived = by_provider_id(&deliveries);
    for (id, body) in &ledger.acknowledged {
        let copies = arrived.get(id.as_str()).unwrap_or_else(|| panic!("{id} was acknowledged and never arrived"));
        assert!(copies.iter().all(|copy| copy.data() == body.as_bytes()), "{id} arrived changed");
        let first = copies[0].header("webhook-id");
        assert!(copies.iter().all(|copy| copy.header("webhook-id") == first), "{id} arrived under several webhook-ids");
    }
    assert_eq!(arrived.len(), acknowledged, "nothing arrived that was not acknowledged in the end");
    let copies = deliveries.len();
    let most = arrived.values().map(Vec::len).max().unwrap_or_default();
    println!("LEDGER {drill}: {faults}");
    println!("  answers by status (0 = none): {:?}; slowest {:?}", ledger.answers, ledger.slowest);
    println!(
        "  acknowledged {acknowledged}; delivered {} events in {copies} copies, at most {most} of one",
        arrived.len()
    );
    println!("  store: ended {:?}, waiting {}, unmatched {}", census.ended, census.waiting(), census.unmatched);
    let ended: u64 = census.ended.values().sum();
    assert_eq!(
        ended + census.waiting() + census.unmatched,
        u64::try_from(acknowledged).unwrap(),
        "acknowledged = delivered + ... + waiting + unmatched: {census:?}"
    );
}

fn by_provider_id(deliveries: &[Delivery]) -> BTreeMap<String, Vec<&Delivery>> {
    let mut arrived: BTreeMap<String, Vec<&Delivery>> = BTreeMap::new();
    for delivery in deliveries {
        let id = delivery.envelope()["provider_event_id"].as_str().expect("named").to_owned();
        arrived.entry(id).or_default().push(delivery);
    }
    arrived
}
