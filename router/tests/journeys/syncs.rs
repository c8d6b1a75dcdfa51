//! Runs of syncs, asked of an endpoint. What a sync engine's own time does to them is in the drills (`tests/proofs/syncs.rs`).

use gatepost_event::{
    DeadReason, Ending, Store,
    registry::{Expect, Kind, Put},
    sync::{SyncKey, SyncState, SyncWish},
};

use crate::support::{
    Rig, config, destination, eventually,
    receiver::{Answer, Receiver},
    stored::{event, events, unmatched},
};

/// An engine at a receiver, and a route to a destination and a sync.
fn sections(engine: &Receiver, more: &str, sync: &str) -> String {
    format!(
        "\n[[sync_engine]]\nid = \"own\"\nkind = \"http\"\nurl = \"{}\"\nprivate = true\n\
         secrets = [{{ env = \"SIGNING\" }}]\n{more}\n\
         [[route]]\nid = \"stale\"\nevents = [\"github.push\"]\nsync = {{ engine = \"own\", name = \"contacts\", {sync} }}\n",
        engine.url("/syncs")
    )
}

fn key() -> SyncKey {
    SyncKey {
        engine: "own".parse().expect("an id"),
        integration: "github".parse().expect("an id"),
        connection: "acme".parse().expect("an id"),
        sync: "contacts".parse().expect("a name"),
    }
}

/// What the store remembers of the sync.
async fn state(store: &Store) -> Option<SyncState> {
    let entry = store.entry(Kind::Sync, &key().id()).await.expect("it is read");
    entry.and_then(|entry| SyncState::of(&entry))
}

#[tokio::test]
async fn many_events_are_one_run_signed_as_a_delivery_and_an_event_of_no_connection_is_none() {
    let (engine, backend) = (Receiver::start().await, Receiver::start().await);
    let forward = "\n[[route]]\nid = \"all\"\nforward = [\"backend\"]\n";
    let text = sections(&engine, "", "coalesce = \"1s\"") + &destination("backend", &backend.url("/"), "") + forward;
    let rig = Rig::start(config(&text)).await;
    let mut all = events("many", 20);
    all.push(unmatched(event("nobodys", "github.push", "{}")));
    rig.append(all).await;
    rig.ended(Ending::Synced, 20).await;
    let census = rig.settled(Ending::Delivered, 21).await;
    assert_eq!(census.ended.len(), 2, "{census:?}");

    let got = engine.got();
    assert!(got.len() < 4, "{} runs: one, and few on a machine that takes its time", got.len());
    assert!(got[0].verifies(), "as a delivery is");
    let body = got[0].json();
    assert_eq!((&body["sync"], &body["integration"]), (&"contacts".into(), &"github".into()));
    assert_eq!((&body["connection"], &body["reason"]), (&"acme".into(), &"events".into()));
    eventually("it is written down", || async {
        state(&rig.store).await.is_some_and(|state| state.succeeded_at >= state.triggered_at)
    })
    .await;
    eventually("every run is counted", || async {
        let labels = [("engine", "own"), ("outcome", "succeeded")];
        rig.metric("gatepost_router_sync_runs_total", &labels) == engine.got().len() as f64
    })
    .await;
}

#[tokio::test]
async fn what_waited_for_a_sync_that_fails_too_often_is_dead_letters_and_its_retries_outlive_the_router() {
    let engine = Receiver::first_then([Answer::Status(409, None)], Answer::Status(500, None)).await;
    let schedule = "schedule = [\"0s\", \"5s\"]\nbreaker_failures = 0";
    let mut rig = Rig::start(config(&sections(&engine, schedule, "coalesce = \"10ms\""))).await;
    rig.append(events("some", 3)).await;
    eventually("the first failure is written down", || async {
        state(&rig.store).await.is_some_and(|state| state.failures == 1 && state.retry_at.is_some())
    })
    .await;
    rig.kill().await;
    let given_up =
        |rig: &Rig| rig.metric("gatepost_router_sync_runs_total", &[("engine", "own"), ("outcome", "given_up")]);
    let before = given_up(&rig);
    rig.run();
    rig.ended(Ending::Dead, 3).await;
    // Busy, failed, and failed again. A run whose end was not stored is made again.
    assert!(engine.got().len() >= 3, "{}", engine.got().len());
    for letter in rig.dead_letters().await {
        assert_eq!((letter.note.reason, letter.note.attempts), (DeadReason::Exhausted, 2));
        assert_eq!(letter.note.sync, Some(key().sync));
        assert!(letter.note.detail.as_deref().is_some_and(|detail| detail.contains("it answered 500")));
        assert!(letter.event.is_some_and(|event| event.body.starts_with(b"{\"n\":")));
    }
    eventually("it is counted", || async { before + given_up(&rig) == 1.0 }).await;
    // What comes later has all its tries, and the engine is well again.
    engine.recover();
    rig.append(events("later", 1)).await;
    rig.settled(Ending::Synced, 1).await;
}

#[tokio::test]
async fn a_backstop_runs_what_no_event_makes_stale_and_a_wish_is_a_run_as_soon_as_the_engine_may() {
    let engine = Receiver::start().await;
    let route = "coalesce = \"10ms\", backstop = \"1s\"";
    let mut rig = Rig::start(config(&sections(&engine, "", route))).await;
    eventually("a backstop's run", || async { engine.got().len() >= 2 }).await;
    let reason = |n: usize| engine.got()[n].json()["reason"].as_str().map(str::to_owned);
    assert_eq!(reason(0).as_deref(), Some("backstop"));
    rig.stop().await;

    // Another engine under the same id; paused, it lets runs wait.
    let quiet = Receiver::start().await;
    let route = "coalesce = \"10ms\"";
    rig.config.send_replace(config(&sections(&quiet, "paused = true", route)).into());
    rig.run();
    let wish = SyncWish { key: key(), asked_at: gatepost_config::Timestamp::now() };
    let value: bytes::Bytes = serde_json::to_vec(&wish).expect("it is written").into();
    let put = rig.store.put(Kind::SyncWish, &key().id(), value, Expect::Any).await.expect("it is written");
    assert!(matches!(put, Put::Stored(_)));
    let waits = || async { rig.metric("gatepost_router_sync_waiting_syncs", &[("engine", "own")]) == 1.0 };
    eventually("the wish waits", waits).await;
    assert_eq!(quiet.got().len(), 0, "while the engine is paused");
    rig.config.send_replace(config(&sections(&quiet, "", route)).into());
    eventually("the wish is fulfilled", || async {
        rig.store.entry(Kind::SyncWish, &key().id()).await.expect("it is read").is_none()
    })
    .await;
    assert_eq!(quiet.got()[0].json()["reason"], "asked");
}
