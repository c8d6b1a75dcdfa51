//! A history of many events: lists and search answer at once, a history that was deleted comes again with the same
//! answers, and webhooks are taken in as fast beside it as without it.

mod fill;
mod ingest;
mod questions;

use std::{
    fs,
    time::{Duration, Instant},
};

use bytes::Bytes;
use gatepost_tests::{nats_server::NatsServer, post, wait::eventually};
use http::Method;
use serde_json::Value;

use crate::{delivery::quantile, rounds, setup::Site};

/// The API's key.
const KEY: &str = "a key of the drill's own";
/// Longest wait for the history; a million events take minutes.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// What every answer of the full form keeps to, but for one in a hundred.
const ANSWER_MAX: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread")]
async fn history_of_many_events_answers_and_comes_again_on_embedded() {
    history_of_many_events_answers_and_comes_again(None, events(2_000, 1_000_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_of_many_events_answers_and_comes_again_on_nats() {
    history_of_many_events_answers_and_comes_again(Some(NatsServer::start().await), events(2_000, 50_000)).await;
}

async fn history_of_many_events_answers_and_comes_again(nats: Option<NatsServer>, count: usize) {
    let engine = if nats.is_some() { "nats" } else { "embedded" };
    let mut site = Site::new(nats).await;
    let path = site.path("history/history.db");
    fs::write(site.path("api"), KEY).expect("writable");
    private(&site.path("api"));
    site.change(|file| {
        format!(
            "{file}\n[admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{{ file = \"api\" }}]\n\
             history_path = \"history/history.db\"\n"
        )
    });
    let began = Instant::now();
    let store = site.store().await;
    fill::fill(&store, count).await;
    store.close().await;
    println!("HISTORY {engine}: {count} events stored in {:?}", began.elapsed());

    let began = Instant::now();
    site.start("admin", &["admin"]).await;
    caught_up(&site, count).await;
    let took = began.elapsed();
    let size = fs::metadata(&path).expect("there").len() / 1_000_000;
    println!("  followed in {took:?} ({:.0} events a second), {size} MB", count as f64 / took.as_secs_f64());

    let questions = questions::all(count);
    let slow = latencies(&site, &questions).await;
    let before = answers(&site, &questions).await;
    site.stop("admin").await;
    for end in ["", "-wal", "-shm"] {
        drop(fs::remove_file(format!("{}{end}", path.display())));
    }
    let began = Instant::now();
    site.start("admin", &["admin"]).await;
    caught_up(&site, count).await;
    println!("  deleted, and made anew in {:?}", began.elapsed());
    let after = answers(&site, &questions).await;
    for ((name, question), (before, after)) in questions.iter().zip(before.iter().zip(&after)) {
        assert_eq!(before, after, "{name}: {question}");
    }
    site.stop("admin").await;
    if engine == "embedded" {
        ingest::beside(&mut site).await;
    }
    assert!(rounds(0, 1) == 0 || slow.is_empty(), "over {ANSWER_MAX:?} at the 99th percentile: {slow:?}");
}

/// How many events; the full form's may be set to fewer.
#[expect(clippy::disallowed_methods, reason = "the drills' own setting")]
fn events(short: usize, full: usize) -> usize {
    let asked = std::env::var("GATEPOST_PROOF_EVENTS").ok().and_then(|text| text.parse().ok());
    rounds(short, asked.map_or(full, |asked: usize| asked.min(full)))
}

/// Waits until every event stands as it was made to, the last ones by search and the rest by the lag.
async fn caught_up(site: &Site, count: usize) {
    let last = count - count % fill::FATES;
    let expected = (last - fill::FATES..last).map(|n| (n, fill::fate(n)));
    eventually("the history to have everything", PATIENCE, async || {
        for (n, fate) in expected.clone() {
            let found = ask(site, &format!("/v1/search?q=n-{n}")).await.1;
            if found["items"][0]["state"] != fate.word() || found["lag_seconds"].as_f64()? > 5.0 {
                tokio::time::sleep(Duration::from_millis(200)).await;
                return None;
            }
        }
        Some(())
    })
    .await;
}

/// Prints how long answers take, by what is asked; those that take too long.
async fn latencies(site: &Site, questions: &[(&'static str, String)]) -> Vec<&'static str> {
    let mut all = Vec::new();
    let mut by_name: Vec<(&'static str, Vec<Duration>)> = Vec::new();
    for _ in 0..rounds(1, 20) {
        for (name, question) in questions {
            let (took, _) = ask(site, question).await;
            all.push(took);
            match by_name.iter_mut().find(|(known, _)| known == name) {
                Some((_, times)) => times.push(took),
                None => by_name.push((*name, vec![took])),
            }
        }
    }
    let mut slow = Vec::new();
    for (name, times) in &mut by_name {
        let (p50, p99) = (quantile(times, 0.5), quantile(times, 0.99));
        println!("  {name:<28} p50 {p50:>10.2?}  p99 {p99:>10.2?}");
        if p99 >= ANSWER_MAX {
            slow.push(*name);
        }
    }
    println!("  all {} answers: p50 {:.2?} p99 {:.2?}", all.len(), quantile(&mut all, 0.5), quantile(&mut all, 0.99));
    slow
}

/// The answers without what tells of the time they were given.
async fn answers(site: &Site, questions: &[(&'static str, String)]) -> Vec<Value> {
    let mut answers = Vec::new();
    for (_, question) in questions {
        let mut answer = ask(site, question).await.1;
        answer.as_object_mut().expect("an object").remove("lag_seconds");
        answers.push(answer);
    }
    answers
}

async fn ask(site: &Site, question: &str) -> (Duration, Value) {
    let address = site.process("admin").address("admin").await;
    let headers = [("authorization", format!("Bearer {KEY}"))];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let began = Instant::now();
    let answer = post::request(Method::GET, &address, question, &headers, Bytes::new()).await.expect("an answer");
    let took = began.elapsed();
    assert!(answer.status.is_success(), "{question}: {}", String::from_utf8_lossy(&answer.body));
    (took, serde_json::from_slice(&answer.body).expect("JSON"))
}

fn private(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("own file");
}
