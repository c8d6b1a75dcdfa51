//! What is stored of a connection is erased, while another's deliveries go on.

use gatepost_config::{Config, Timestamp};
use gatepost_event::{
    Ending, Store,
    erasure::{Counts, Job, Whose, note_swept},
    registry::{Expect, Kind, Put},
    replay::State,
    store::Census,
};

use crate::support::{
    Rig, config, destination, eventually,
    nats::Nats,
    receiver::{Answer, Receiver},
    route,
    stored::{event, of_tenant},
};

async fn job(store: &Store) -> Job {
    let entries = store.entries(Kind::Erasure).await.expect("they are listed");
    Job::read(&entries[0]).expect("a job")
}

/// Connections of the events that the log holds.
async fn logged(store: &Store) -> Vec<String> {
    let mut connections = Vec::new();
    for partition in 0..store.partitions() {
        let page = store.events(partition, 0, 100).await.expect("the log is read");
        let metas = page.into_iter().map(|stored| stored.event.expect("readable").meta);
        connections.extend(metas.filter_map(|meta| meta.connection).map(|id| id.to_string()));
    }
    connections
}

/// Whether so many were erased, and nothing but the other connection's retry waits.
fn is_at_rest(census: &Census, erased: u64) -> bool {
    let waits = (census.scheduled, census.in_lanes, census.unrouted_yet);
    census.ended.get(&Ending::Erased) == Some(&erased) && waits == (1, 0, 0)
}

async fn journey(make: impl AsyncFnOnce(Config) -> Vec<Rig>) {
    let backend = Receiver::scripted([Answer::Status(500, None), Answer::Status(500, None)]).await;
    let far = "schedule = [\"0s\", \"1h\"]\ntimeout = \"1s\"";
    let sections = [destination("backend", &backend.url("/"), far), route("all", &["backend"])].concat();
    let mut rigs = make(config(&format!("{sections}\n[gateway]\nconnections_stale_max = \"100ms\"\n"))).await;
    rigs.iter_mut().for_each(Rig::run);
    let store = rigs[0].store.clone();
    let (gone, late) = (event("one", "github.push", "{}"), event("late", "github.push", "{}"));
    let kept = of_tenant(event("two", "github.push", "{}"), "zeta", "zeta");
    rigs[0].append(vec![gone, kept]).await;
    rigs[0].census(|census| census.scheduled == 2).await;
    // On NATS they are written beside the way.
    eventually("both attempts' records", || async { store.attempts(0, 10).await.is_ok_and(|all| all.len() == 2) })
        .await;

    let whose = Whose::Connection("github".parse().expect("an id"), "acme".parse().expect("an id"));
    let wanted = Job::new(&store, &[], whose, false, Timestamp::now()).await.expect("it is made");
    let put = wanted.write(&store, Expect::Absent).await;
    assert!(matches!(put, Ok(Put::Stored(_))), "{put:?}");
    eventually("the walk is over", || async { job(&store).await.walked_at.is_some() }).await;
    assert_ne!(job(&store).await.state, State::Done, "no gateway has said yet that the quarantine is rid of it");
    note_swept(&store, wanted.id).await.expect("it is noted");
    eventually("the erasure is done", || async { job(&store).await.state == State::Done }).await;
    let erased = job(&store).await.erased;
    assert_eq!(erased, Counts { events: 1, deliveries: 1, attempts: 1, ..Counts::default() });
    assert_eq!(logged(&store).await, ["zeta"]);
    rigs[0].census(|census| is_at_rest(census, 1)).await;

    // What comes of it later all the same is owed nothing; routers know before they begin.
    for rig in &mut rigs {
        rig.stop().await;
        rig.run();
    }
    rigs[0].append(vec![late]).await;
    rigs[0].census(|census| is_at_rest(census, 2)).await;
    assert_eq!(backend.got().len(), 2, "what came late was not delivered");
    assert_eq!(rigs[0].dead_letters().await, []);
    for rig in &mut rigs {
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_connections_deliveries_end_and_its_events_go_on_the_embedded_store() {
    journey(async |config| vec![Rig::stopped(config).await]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_connections_deliveries_end_and_its_events_go_over_two_routers_on_nats() {
    let nats = Nats::start();
    journey(async |config| {
        let config = nats.in_config(config);
        let one = Rig::over(nats.open(&config).await, config.clone());
        let two = Rig::over(nats.open(&config).await, config);
        vec![one, two]
    })
    .await;
}
