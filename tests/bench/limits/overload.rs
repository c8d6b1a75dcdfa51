//! Far more than can be taken, between two quiet times at a rate that can: what is answered, how fast, how soon all is
//! well again, and whether everything accepted arrives in the end.
//!
//! Prints a line when the posting is over, so that a router may be started, and another when all has arrived.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc};

use crate::{
    Args,
    flow::{connect, quantiles},
    sink,
    webhook::Template,
};

/// Longest wait for the last delivery.
const DRAINED_WITHIN: Duration = Duration::from_secs(120);
/// Webhooks that are due and wait for a free connection; what is due beyond them is not offered.
const DUE_MAX: usize = 1_024;
/// Spans of the time after the flood that are looked at each by itself, and how many in a row must be as usual.
const WINDOW_MICROS: u64 = 100_000;
const NORMAL_WINDOWS: usize = 5;

/// One webhook of the drill; times are microseconds from the start, 0 for never.
#[derive(Default)]
struct Posted {
    due: AtomicU64,
    /// When a connection was free to post it.
    posted: AtomicU64,
    answered: AtomicU64,
    status: AtomicU16,
    delivered: AtomicU64,
}

struct Drill {
    template: Template,
    began: Instant,
    all: Vec<Posted>,
    next: AtomicU64,
}

/// A part of the drill: its webhooks, and how many were due and not offered.
struct Phase {
    numbers: std::ops::Range<u64>,
    began: u64,
    seconds: f64,
    missed: u64,
}

/// `--address`, `--secret`, `--body`, `--sink`, `--waiting`, `--rate` and `--seconds` as of a flow; `--calm` is the rate
/// before and after, `--calm-seconds` its time.
pub(crate) async fn measure(args: &Args) {
    let (rate, calm) = (args.number("rate"), args.number("calm"));
    let (seconds, quiet) = (args.number("seconds"), args.number("calm-seconds"));
    let most = usize::try_from(rate * seconds + 2 * calm * quiet + 10).expect("it fits");
    let drill = Arc::new(Drill {
        template: Template::new(args),
        began: Instant::now(),
        all: (0..most).map(|_| Posted::default()).collect(),
        next: AtomicU64::new(0),
    });
    let listener = TcpListener::bind(args.text("sink")).await.expect("the sink's port is free");
    let told = drill.clone();
    tokio::spawn(sink::serve(listener, Arc::new(move |body: Bytes| told.arrived(&body))));
    let waiting = args.number("waiting");
    let before = drill.clone().offer(calm, quiet, waiting).await;
    let flood = drill.clone().offer(rate, seconds, waiting).await;
    let after = drill.clone().offer(calm, quiet, waiting).await;
    println!("{}", drill.report(&before, &flood, &after));
    drill.drained().await;
    println!("{}", drill.arrivals());
}

impl Drill {
    /// Offers webhooks at a rate, whatever the answers take, on so many connections.
    async fn offer(self: Arc<Self>, rate: u64, seconds: u64, waiting: u64) -> Phase {
        let (due, queue) = mpsc::channel::<u64>(DUE_MAX);
        let queue = Arc::new(tokio::sync::Mutex::new(queue));
        let clients: Vec<_> = (0..waiting).map(|_| tokio::spawn(self.clone().client(queue.clone()))).collect();
        let (first, began) = (self.next.load(Ordering::Relaxed), self.micros());
        let (from, total) = (Instant::now(), rate * seconds);
        let mut tick = tokio::time::interval(Duration::from_millis(1));
        let (mut n, mut missed) = (0, 0);
        while n < total {
            tick.tick().await;
            let reached = (from.elapsed().as_secs_f64() * rate as f64) as u64;
            while n < reached.min(total) {
                n += 1;
                match due.try_reserve() {
                    Ok(place) => place.send(self.begin()),
                    Err(_) => missed += 1,
                }
            }
        }
        let posted_for = from.elapsed().as_secs_f64();
        drop(due);
        futures::future::join_all(clients).await;
        let numbers = first..self.next.load(Ordering::Relaxed);
        Phase { numbers, began, seconds: posted_for, missed }
    }

    fn begin(&self) -> u64 {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        self.slot(n).due.store(self.micros(), Ordering::Release);
        n
    }

    async fn client(self: Arc<Self>, queue: Arc<tokio::sync::Mutex<mpsc::Receiver<u64>>>) {
        let mut sender = connect(&self.template).await;
        loop {
            let Some(n) = queue.lock().await.recv().await else { return };
            let slot = self.slot(n);
            slot.posted.store(self.micros(), Ordering::Release);
            let status = self.post(&mut sender, n).await;
            slot.status.store(status.unwrap_or(0), Ordering::Release);
            slot.answered.store(self.micros(), Ordering::Release);
            if status.is_none() {
                sender = connect(&self.template).await;
            }
        }
    }

    async fn post(&self, sender: &mut SendRequest<Full<Bytes>>, n: u64) -> Option<u16> {
        sender.ready().await.ok()?;
        let response = sender.send_request(self.template.request(n)).await.ok()?;
        let status = response.status().as_u16();
        response.into_body().collect().await.ok()?;
        Some(status)
    }

    fn arrived(&self, body: &[u8]) {
        if let Some(n) = self.template.number(body) {
            let _ = self.slot(n).delivered.compare_exchange(0, self.micros(), Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    async fn drained(&self) {
        let until = Instant::now() + DRAINED_WITHIN;
        while self.lost() > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Accepted webhooks that have not arrived.
    fn lost(&self) -> usize {
        self.all.iter().filter(|posted| posted.is_accepted() && posted.delivered.load(Ordering::Acquire) == 0).count()
    }

    fn report(&self, before: &Phase, flood: &Phase, after: &Phase) -> Value {
        json!({
            "before": self.told(before), "flood": self.told(flood), "after": self.told(after),
            "normal_after_ms": self.normal_after_ms(before, after),
        })
    }

    fn arrivals(&self) -> Value {
        let accepted = self.all.iter().filter(|posted| posted.is_accepted()).count();
        json!({ "accepted": accepted, "lost": self.lost() })
    }

    fn told(&self, phase: &Phase) -> Value {
        let (mut answers, mut accepted, mut refused) = (BTreeMap::new(), Vec::new(), Vec::new());
        for posted in self.of(phase) {
            let status = posted.status.load(Ordering::Acquire);
            *answers.entry(status.to_string()).or_insert(0_u64) += 1;
            match posted.is_accepted() {
                true => accepted.push(posted.since(&posted.due)),
                false => refused.push(posted.since(&posted.posted)),
            }
        }
        let count = phase.numbers.end - phase.numbers.start;
        json!({
            "offered_rate": count as f64 / phase.seconds, "not_offered": phase.missed, "answers": answers,
            "accepted_rate": accepted.len() as f64 / phase.seconds,
            "accepted": quantiles(accepted), "refused": quantiles(refused),
        })
    }

    /// How long after the flood it began that for half a second everything was accepted, half of it within twice the time
    /// that it took before; none when it never did.
    fn normal_after_ms(&self, before: &Phase, after: &Phase) -> Option<f64> {
        let median = |mut times: Vec<Duration>| {
            times.sort_unstable();
            times.get(times.len() / 2).copied().unwrap_or_default()
        };
        let usual = median(self.of(before).map(|posted| posted.since(&posted.due)).collect());
        let mut windows: BTreeMap<u64, Vec<&Posted>> = BTreeMap::new();
        for posted in self.of(after) {
            let since = posted.due.load(Ordering::Acquire).saturating_sub(after.began);
            windows.entry(since / WINDOW_MICROS).or_default().push(posted);
        }
        let is_normal = |window: &Vec<&Posted>| {
            window.iter().all(|posted| posted.is_accepted())
                && median(window.iter().map(|posted| posted.since(&posted.due)).collect()) <= usual * 2
        };
        let normal: Vec<_> = windows.iter().map(|(at, window)| (*at, is_normal(window))).collect();
        let mut spans = normal.windows(NORMAL_WINDOWS);
        let first = spans.find(|span| span.iter().all(|(_, is_normal)| *is_normal))?;
        first.first().map(|(at, _)| (at * WINDOW_MICROS) as f64 / 1e3)
    }

    fn of(&self, phase: &Phase) -> impl Iterator<Item = &Posted> {
        phase.numbers.clone().map(move |n| self.slot(n))
    }

    fn slot(&self, n: u64) -> &Posted {
        self.all.get(usize::try_from(n).expect("counted")).expect("there is a place for each")
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX).max(1)
    }
}

impl Posted {
    fn is_accepted(&self) -> bool {
        (200..300).contains(&self.status.load(Ordering::Acquire))
    }

    /// From one of its times to its answer.
    fn since(&self, time: &AtomicU64) -> Duration {
        let (answered, from) = (self.answered.load(Ordering::Acquire), time.load(Ordering::Acquire));
        Duration::from_micros(answered.saturating_sub(from))
    }
}
