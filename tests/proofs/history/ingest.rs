//! Webhooks taken in with a history beside it and without one, in turns.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use gatepost_tests::{github::Webhook, wait::eventually};
use tokio::task::JoinSet;

use super::ask;
use crate::{
    delivery::{median, quantile},
    rounds,
    setup::{CONNECTIONS, SECRET, Site},
};

/// Posts under way at once.
const WORKERS: usize = 8;
/// How long each side is measured at a time.
const PHASE: Duration = Duration::from_secs(15);
/// Rounds of both sides, in the full form.
const ROUNDS: usize = 3;
/// Webhooks a second where the rate is given: well below what the machine can do.
const RATE: f64 = 300.0;
/// What the history may cost webhooks that come as fast as they are taken.
const SHARE_MIN: f64 = 0.9;

/// Measures both sides, each at full speed and at a given rate.
pub(super) async fn beside(site: &mut Site) {
    let numbers = Arc::new(AtomicUsize::new(0));
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..rounds(0, ROUNDS) {
        for is_kept in [true, false] {
            site.change(|file| {
                let file = file.replace("history = false\n", "");
                if is_kept { file } else { file.replace("[admin]\n", "[admin]\nhistory = false\n") }
            });
            site.start("admin", &["gateway", "admin"]).await;
            if is_kept {
                level(site).await;
            }
            let name = if is_kept { "with" } else { "without" };
            let (rate, mut paced) = phase(site, &numbers, Some(RATE)).await;
            let lag = lag(site, is_kept).await;
            println!(
                "  {name:<7} a history, {rate:.0} webhooks a second: p50 {:.2?} p99 {:.2?}{lag}",
                quantile(&mut paced, 0.5),
                quantile(&mut paced, 0.99)
            );
            let (rate, mut fast) = phase(site, &numbers, None).await;
            let lag = self::lag(site, is_kept).await;
            println!(
                "  {name:<7} a history, as fast as they are taken: {rate:.0} a second, p50 {:.2?} p99 {:.2?}{lag}",
                quantile(&mut fast, 0.5),
                quantile(&mut fast, 0.99)
            );
            if is_kept { &mut with } else { &mut without }.push(rate);
            if is_kept {
                let began = Instant::now();
                level(site).await;
                println!("  level again after {:?}", began.elapsed());
            }
            site.stop("admin").await;
        }
    }
    if !with.is_empty() {
        let share = median(&mut with) / median(&mut without);
        println!("  with a history {:.1} % of the rate without", share * 100.0);
        assert!(share >= SHARE_MIN, "{share}");
    }
}

/// Waits until the history is level with the store.
async fn level(site: &Site) {
    eventually("the history to be level", super::PATIENCE, async || {
        let answer = ask(site, "/v1/events?limit=1").await.1;
        tokio::time::sleep(Duration::from_millis(100)).await;
        (answer["lag_seconds"].as_f64()? < 2.0).then_some(())
    })
    .await;
}

async fn lag(site: &Site, is_kept: bool) -> String {
    match is_kept {
        true => format!(", lag {} s", ask(site, "/v1/events?limit=1").await.1["lag_seconds"]),
        false => String::new(),
    }
}

/// Posts for a while; webhooks a second, and how long each took.
async fn phase(site: &mut Site, numbers: &Arc<AtomicUsize>, rate: Option<f64>) -> (f64, Vec<Duration>) {
    let address = site.address("admin").read().unwrap().clone();
    let took = Arc::new(Mutex::new(Vec::new()));
    let began = Instant::now();
    let posted = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let (address, numbers, took, posted) = (address.clone(), numbers.clone(), took.clone(), posted.clone());
        workers.spawn(async move {
            while began.elapsed() < PHASE {
                let turn = posted.fetch_add(1, Ordering::Relaxed);
                if let Some(rate) = rate {
                    tokio::time::sleep_until((began + Duration::from_secs_f64(turn as f64 / rate)).into()).await;
                }
                let n = numbers.fetch_add(1, Ordering::Relaxed);
                let body = format!(
                    r#"{{"action":"opened","n":{n},"text":"a webhook of the usual kind, number {n}, with some words",
                    "installation":{{"id":{}}}}}"#,
                    n % CONNECTIONS
                );
                let webhook = Webhook::signed(SECRET, "issues", &format!("ingest-{n}"), body);
                let posted_at = Instant::now();
                let answer = webhook.post(&address, "github").await.expect("an answer");
                assert_eq!(answer.result(), "stored");
                took.lock().unwrap().push(posted_at.elapsed());
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.expect("every webhook is taken");
    }
    let elapsed = began.elapsed();
    let took = std::mem::take(&mut *took.lock().unwrap());
    (took.len() as f64 / elapsed.as_secs_f64(), took)
}
