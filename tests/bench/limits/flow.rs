//! Posts webhooks and knows when each was answered and when it was delivered: open-loop at a rate, so that a slow answer
//! doesn't hide the ones that should have been posted meanwhile, or closed-loop as fast as they are answered.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::FutureExt as _;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use crate::{Args, sink, webhook::Template};

/// Longest wait for the last delivery.
const DRAINED_WITHIN: Duration = Duration::from_secs(120);

/// When each webhook was due, and what became of it; times are from the start.
struct Ledger {
    began: Instant,
    due: Vec<AtomicU64>,
    delivered: Vec<AtomicU64>,
    answered: Mutex<Vec<Duration>>,
    ok: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    arrived: AtomicU64,
    last: AtomicU64,
}

pub(crate) async fn measure(args: &Args) {
    let template = Arc::new(Template::new(args));
    let ledger = Arc::new(Ledger::new(args.count("most")));
    let sink = listen(args).await;
    if let Some(listener) = sink {
        let (template, ledger) = (template.clone(), ledger.clone());
        let tell = move |body: Bytes| ledger.arrived(template.number(&body));
        tokio::spawn(sink::serve(listener, Arc::new(tell)));
    }
    let (rate, seconds) = (args.number("rate"), args.seconds());
    let began = Instant::now();
    match rate {
        0 => closed(&template, &ledger, args.number("waiting"), seconds).await,
        rate => open(&template, &ledger, args.number("waiting"), rate, seconds).await,
    }
    let posted_for = began.elapsed();
    if args.text("sink") != "none" {
        ledger.drained().await;
    }
    println!("{}", ledger.report(posted_for));
}

/// The sink's port is given, because the configuration names it.
async fn listen(args: &Args) -> Option<TcpListener> {
    match args.text("sink") {
        "none" => None,
        address => Some(TcpListener::bind(address).await.expect("the sink's port is free")),
    }
}

/// Each of some connections posts its next webhook when the last was answered.
async fn closed(template: &Arc<Template>, ledger: &Arc<Ledger>, waiting: u64, seconds: Duration) {
    let until = Instant::now() + seconds;
    let next = Arc::new(AtomicU64::new(0));
    let clients = (0..waiting).map(|_| {
        let (template, ledger, next) = (template.clone(), ledger.clone(), next.clone());
        tokio::spawn(async move {
            let mut sender = connect(&template).await;
            while Instant::now() < until {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if !ledger.begin(n, Instant::now()) {
                    return;
                }
                ledger.post(&template, &mut sender, n).await;
            }
        })
    });
    futures::future::join_all(clients.collect::<Vec<_>>()).await;
}

/// Webhooks are due at a rate; a connection that is free posts the next that is due.
async fn open(template: &Arc<Template>, ledger: &Arc<Ledger>, waiting: u64, rate: u64, seconds: Duration) {
    let (due, queue) = mpsc::channel::<u64>(1 << 16);
    let queue = Arc::new(tokio::sync::Mutex::new(queue));
    let clients = (0..waiting).map(|_| {
        let (template, ledger, queue) = (template.clone(), ledger.clone(), queue.clone());
        tokio::spawn(async move {
            let mut sender = connect(&template).await;
            loop {
                let Some(n) = queue.lock().await.recv().await else { return };
                ledger.post(&template, &mut sender, n).await;
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    let ledger = ledger.clone();
    let pace = tokio::task::spawn_blocking(move || pace(&ledger, &due, rate, seconds));
    pace.await.expect("no panic");
    futures::future::join_all(clients).await;
}

/// Says which webhooks are due. On a thread of its own: the runtime's timers round up to the next millisecond, which would
/// be taken for the gateway's.
fn pace(ledger: &Ledger, due: &mpsc::Sender<u64>, rate: u64, seconds: Duration) {
    let began = Instant::now();
    for n in 0..rate * seconds.as_secs() {
        let at = began + Duration::from_secs_f64(n as f64 / rate as f64);
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        if !ledger.begin(n, at) || due.blocking_send(n).is_err() {
            return;
        }
    }
}

pub(crate) async fn connect(template: &Template) -> SendRequest<Full<Bytes>> {
    let socket = TcpStream::connect(template.address()).await.expect("the gateway listens");
    socket.set_nodelay(true).expect("a socket");
    let (sender, connection) = http1::handshake(TokioIo::new(socket)).await.expect("HTTP");
    tokio::spawn(connection.map(drop));
    sender
}

impl Ledger {
    fn new(most: usize) -> Self {
        let empty = || (0..most).map(|_| AtomicU64::new(0)).collect();
        Self {
            began: Instant::now(),
            due: empty(),
            delivered: empty(),
            answered: Mutex::default(),
            ok: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            arrived: AtomicU64::new(0),
            last: AtomicU64::new(0),
        }
    }

    fn micros(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.began).as_micros()).unwrap_or(u64::MAX).max(1)
    }

    fn begin(&self, n: u64, at: Instant) -> bool {
        let Some(slot) = usize::try_from(n).ok().and_then(|n| self.due.get(n)) else { return false };
        slot.store(self.micros(at), Ordering::Release);
        true
    }

    async fn post(&self, template: &Template, sender: &mut SendRequest<Full<Bytes>>, n: u64) {
        let request: Request<Full<Bytes>> = template.request(n);
        let answer = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            response.into_body().collect().await?;
            Ok::<_, hyper::Error>(status)
        };
        match answer.await {
            Ok(status) if status.is_success() => {
                self.ok.fetch_add(1, Ordering::Relaxed);
                let due =
                    self.due.get(usize::try_from(n).expect("counted")).map_or(0, |due| due.load(Ordering::Acquire));
                let took = self.micros(Instant::now()).saturating_sub(due);
                self.answered.lock().expect("no panic").push(Duration::from_micros(took));
            }
            Ok(_) => drop(self.refused.fetch_add(1, Ordering::Relaxed)),
            Err(_) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                *sender = connect(template).await;
            }
        }
    }

    fn arrived(&self, n: Option<u64>) {
        let now = self.micros(Instant::now());
        let slot = n.and_then(|n| usize::try_from(n).ok()).and_then(|n| self.delivered.get(n));
        if slot.is_some_and(|slot| slot.compare_exchange(0, now, Ordering::AcqRel, Ordering::Relaxed).is_ok()) {
            self.arrived.fetch_add(1, Ordering::Relaxed);
            self.last.fetch_max(now, Ordering::Relaxed);
        }
    }

    async fn drained(&self) {
        let until = Instant::now() + DRAINED_WITHIN;
        while self.arrived.load(Ordering::Relaxed) < self.ok.load(Ordering::Relaxed) && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn report(&self, posted_for: Duration) -> Value {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let pairs = self.due.iter().zip(&self.delivered).map(|(due, at)| (load(due), load(at)));
        let delivered = pairs.filter(|(_, at)| *at > 0).map(|(due, at)| Duration::from_micros(at.saturating_sub(due)));
        let (delivered, answered) = (delivered.collect(), self.answered.lock().expect("no panic").clone());
        let whole = Duration::from_micros(load(&self.last)).as_secs_f64();
        json!({
            "ok": load(&self.ok), "refused": load(&self.refused), "failed": load(&self.failed),
            "rate": load(&self.ok) as f64 / posted_for.as_secs_f64(),
            "answered": quantiles(answered),
            "delivered": load(&self.arrived),
            "delivered_rate": if whole > 0.0 { load(&self.arrived) as f64 / whole } else { 0.0 },
            "posted_to_delivered": quantiles(delivered),
        })
    }
}

pub(crate) fn quantiles(mut times: Vec<Duration>) -> Value {
    times.sort_unstable();
    let at = |share: f64| {
        let index = (times.len() as f64 * share) as usize;
        times.get(index.min(times.len().saturating_sub(1))).map(|time| time.as_secs_f64() * 1e3)
    };
    json!({ "p50_ms": at(0.5), "p99_ms": at(0.99), "p999_ms": at(0.999), "max_ms": at(1.0) })
}
