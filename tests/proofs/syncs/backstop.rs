//! Syncs that no event asks for: a run of each in every period, by one router.

use std::time::{Duration, Instant};

use gatepost_tests::{
    nats_server::NatsServer,
    process::{processor_time, rss_kib},
    sync_engine::SyncEngine,
    wait::eventually,
};

use super::{PATIENCE, Site, Size, is_full, size};

/// 20,000 connections with a backstop of a minute on two routers, of which the one that runs them is killed after a while:
/// no connection is ever without a run for a minute, through the kill too, and none has two before its time but for one after
/// the kill. A second's backstop on a busy machine says nothing about times: the short form waits until each has had runs
/// before and after.
#[tokio::test(flavor = "multi_thread")]
async fn syncs_that_no_event_asks_for_run_in_every_period_by_one_router() {
    let (connections, backstop) =
        if is_full() { (20_000, Duration::from_secs(60)) } else { (40, Duration::from_secs(1)) };
    let size = Size { connections, run_time: Duration::ZERO, ..size() };
    let engine = SyncEngine::start(size.run_time).await;
    let section = format!(
        "kind = \"http\"\nprivate = true\nurl = \"{}\"\nsecrets = [{{ file = \"signing\" }}]",
        engine.plain_url()
    );
    let times = format!("backstop = \"{}ms\"", backstop.as_millis());
    let mut site = Site::with(Some(NatsServer::start().await), size, engine, &section, &times);
    for name in ["router-a", "router-b"] {
        site.start(name, &["router"]).await;
    }
    eventually("the first run", PATIENCE, async || (!site.engine.ledger().runs.is_empty()).then_some(())).await;
    let (began, worked) = (Instant::now(), cpu(&site));
    pass(&site, began, backstop * 5 / 2).await;
    let (killed_at, worked) = (Instant::now(), cpu(&site) - worked);
    let all = gaps(&site, began, killed_at, backstop);
    let rss = memory(&site);
    let owner = owner(&site).await;
    site.kill(owner).await;
    site.start(owner, &["router"]).await;
    pass(&site, killed_at, backstop * 3 / 2 + Duration::from_secs(6)).await;
    let ended_at = Instant::now();
    let late = gaps(&site, killed_at, ended_at, backstop);
    site.stop().await;

    println!("LEDGER syncs, backstop {backstop:?} of {connections} connections on NATS, two routers");
    let (before, after) = (killed_at - began, ended_at - killed_at);
    println!(
        "  {before:?} before the kill: {} runs, longest time without one {:?}, {} too early",
        all.runs, all.longest, all.early
    );
    println!(
        "  {after:?} after it: {} runs, longest time without one {:?}, {} too early",
        late.runs, late.longest, late.early
    );
    println!("  before the kill: resident memory of the routers {rss:?} KiB, processor time {worked:?}");
    assert_eq!((all.without, late.without), (0, 0), "every connection has runs");
    if is_full() {
        assert!(all.longest <= backstop, "{:?} without a run", all.longest);
        assert!(late.longest <= backstop, "{:?} without a run through the kill", late.longest);
        assert_eq!(all.early, 0, "no connection twice while nobody is killed");
        assert!(late.most_early <= 1, "at most one repeat by the kill");
    }
}

/// What the backstops of an hour of 100,000 connections cost one process on the embedded store.
#[tokio::test(flavor = "multi_thread")]
async fn syncs_that_are_due_within_the_hour_cost_little() {
    let (connections, backstop) = if is_full() { (100_000, "1h") } else { (40, "2s") };
    let size = Size { connections, run_time: Duration::ZERO, ..size() };
    let mut resident = Vec::new();
    for times in ["coalesce = \"1s\"".to_owned(), format!("backstop = \"{backstop}\"")] {
        let engine = SyncEngine::start(size.run_time).await;
        let section = format!(
            "kind = \"http\"\nprivate = true\nurl = \"{}\"\nsecrets = [{{ file = \"signing\" }}]",
            engine.plain_url()
        );
        let mut site = Site::with(None, size, engine, &section, &times);
        site.start("all", &[]).await;
        let is_with = times.starts_with("backstop");
        let runs_min = if is_full() { 1 } else { connections };
        if is_with {
            let ran = async || (site.engine.ledger().runs.len() >= runs_min).then_some(());
            eventually("syncs run that nobody asked for", PATIENCE, ran).await;
        }
        let (began, worked) = (Instant::now(), cpu(&site));
        let span = if is_full() { Duration::from_secs(60) } else { Duration::from_millis(200) };
        tokio::time::sleep(span).await;
        let (span, worked) = (began.elapsed(), cpu(&site) - worked);
        let runs = site.engine.ledger().runs.values().map(Vec::len).sum::<usize>();
        println!("LEDGER syncs, {connections} connections on the embedded store, {times}");
        println!("  {runs} runs, {worked:?} of processor time in {span:?}; memory {:?} KiB", memory(&site));
        assert_eq!(runs > 0, is_with, "only backstops ask for runs here");
        if is_full() {
            assert_eq!(runs, site.engine.ledger().runs.len(), "none twice within the hour");
        }
        resident.extend(memory(&site));
        site.stop().await;
    }
    if is_full() {
        assert!(resident[1] < resident[0] + (64 << 10), "{resident:?} KiB without and with backstops");
    }
}

/// Waits for a span; in the short form for two runs of every connection, however long they take.
async fn pass(site: &Site, since: Instant, span: Duration) {
    if is_full() {
        return tokio::time::sleep(span).await;
    }
    eventually("two runs of every connection", PATIENCE, async || {
        let ledger = site.engine.ledger();
        let late = ledger.runs.values().filter(|runs| runs.iter().filter(|run| run.began > since).count() >= 2);
        (late.count() == site.size.connections).then_some(())
    })
    .await;
}

/// Which router runs the syncs.
async fn owner(site: &Site) -> &'static str {
    let runs = async |name| site.running[name].metric("gatepost_router_sync_backstops_total", "").await;
    let (a, b) = (runs("router-a").await, runs("router-b").await);
    if a > b { "router-a" } else { "router-b" }
}

/// What the engine's ledger says of a span of time.
#[derive(Debug, Default)]
struct Gaps {
    runs: usize,
    /// Connections without any.
    without: usize,
    /// Also of a time that has not ended.
    longest: Duration,
    /// Runs before eleven twentieths of the time had passed since the last one, in all and of one connection. A backstop of a
    /// minute begins to ask after three fifths of it; three seconds are for one that had to wait for its place before.
    early: usize,
    most_early: usize,
}

fn gaps(site: &Site, from: Instant, to: Instant, backstop: Duration) -> Gaps {
    let (ledger, mut found) = (site.engine.ledger(), Gaps::default());
    found.without = site.size.connections - ledger.runs.len();
    for runs in ledger.runs.values() {
        let mut early = 0;
        let mut last = None;
        for run in runs.iter().filter(|run| run.began < to) {
            if run.began >= from {
                found.runs += 1;
                let gap = run.began - last.unwrap_or(from);
                found.longest = found.longest.max(gap);
                early += usize::from(last.is_some() && gap < backstop * 11 / 20);
            }
            last = Some(run.began);
        }
        found.without += usize::from(last.is_none_or(|last| last < from));
        found.longest = found.longest.max(to - last.unwrap_or(from));
        found.early += early;
        found.most_early = found.most_early.max(early);
    }
    found
}

/// Processor time that all processes have used.
fn cpu(site: &Site) -> Duration {
    site.running.values().map(|gatepost| processor_time(gatepost.pid())).sum()
}

/// Resident memory of every process.
fn memory(site: &Site) -> Vec<u64> {
    site.running.values().map(|gatepost| rss_kib(gatepost.pid())).collect()
}
