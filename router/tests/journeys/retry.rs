//! Deliveries that don't go well at once.

use std::time::{Duration, Instant};

use gatepost_event::{AttemptError, DeadReason, Ending};

use crate::support::{
    PATIENCE, Rig, config, destination, eventually,
    receiver::{Answer, Receiver},
    route,
    stored::event,
};

const QUICK: &str = r#"schedule = ["0s", "20ms", "20ms"]"#;

#[tokio::test]
async fn a_retry_keeps_the_webhook_id_and_counts_the_attempt() {
    let backend = Receiver::scripted([Answer::Status(500, None), Answer::Status(302, None)]).await;
    let to = destination("backend", &backend.url("/"), QUICK);
    let rig = Rig::start(config(&format!("{to}{}", route("all", &["backend"])))).await;
    rig.append(vec![event("one", "github.push", "{}")]).await;
    let census = rig.settled(Ending::Delivered, 1).await;
    assert_eq!(census.ended.get(&Ending::Dead), None);

    let got = backend.got();
    assert_eq!(got.len(), 3);
    for (index, got) in got.iter().enumerate() {
        assert!(got.verifies());
        assert_eq!(got.header("gatepost-attempt"), (index + 1).to_string());
    }
    let same = |name: &str| got.iter().all(|one| one.header(name) == got[0].header(name));
    assert!(same("webhook-id") && same("gatepost-delivery-id"));
    let attempts = rig.attempts().await;
    let told: Vec<_> = attempts.iter().map(|one| (one.number, one.status, one.error, one.response.as_str())).collect();
    let status = Some(AttemptError::Status);
    assert_eq!(
        told,
        [(1, Some(500), status, "answer 500"), (2, Some(302), status, "answer 302"), (3, Some(204), None, "")]
    );
}

#[tokio::test]
async fn an_exhausted_delivery_is_a_dead_letter_with_its_body() {
    let backend = Receiver::always(Answer::Status(500, None)).await;
    let to = destination("backend", &backend.url("/"), QUICK);
    let rig = Rig::start(config(&format!("{to}{}", route("all", &["backend"])))).await;
    let stored = event("one", "github.push", r#"{"kept":true}"#);
    rig.append(vec![stored.clone()]).await;
    rig.ended(Ending::Dead, 1).await;
    let letters = rig.dead_letters().await;
    assert_eq!(letters.len(), 1);
    let note = &letters[0].note;
    assert_eq!((note.reason, note.attempts), (DeadReason::Exhausted, 3));
    assert_eq!(note.destination.as_ref().map(ToString::to_string).as_deref(), Some("backend"));
    assert_eq!(note.last.as_ref().and_then(|last| last.status), Some(500));
    assert_eq!(letters[0].event.as_ref(), Some(&stored));
    assert_eq!(backend.got().len(), 3);
    assert_eq!(rig.attempts().await.len(), 3);
}

#[tokio::test]
async fn a_final_status_and_410_are_dead_letters_at_once() {
    for status in [404, 410] {
        let backend = Receiver::always(Answer::Status(status, None)).await;
        let to = destination("backend", &backend.url("/"), "schedule = [\"0s\", \"20ms\"]\nfinal_statuses = [404]");
        let rig = Rig::start(config(&format!("{to}{}", route("all", &["backend"])))).await;
        rig.append(vec![event("one", "github.push", "{}")]).await;
        rig.ended(Ending::Dead, 1).await;
        assert_eq!(rig.dead_letters().await[0].note.reason, DeadReason::FinalStatus, "{status}");
        assert_eq!(backend.got().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn retry_after_delays_the_next_attempt() {
    let backend = Receiver::scripted([Answer::Status(429, Some("2"))]).await;
    let to = destination("backend", &backend.url("/"), QUICK);
    let rig = Rig::start(config(&format!("{to}{}", route("all", &["backend"])))).await;
    rig.append(vec![event("one", "github.push", "{}")]).await;
    let got = backend.wait_for(2).await;
    assert!(got[1].at - got[0].at >= Duration::from_millis(1990), "{:?}", got[1].at - got[0].at);
    rig.ended(Ending::Delivered, 1).await;
}

#[tokio::test]
async fn a_delivery_that_would_outlive_its_event_ends_expired_with_the_body() {
    let backend = Receiver::always(Answer::Status(500, None)).await;
    let to = destination("backend", &backend.url("/"), r#"schedule = ["0s", "2h"]"#);
    let retention = "\n[retention]\nevents = \"1h\"\n";
    let rig = Rig::start(config(&format!("{to}{}{retention}", route("all", &["backend"])))).await;
    let stored = event("one", "github.push", r#"{"kept":true}"#);
    rig.append(vec![stored.clone()]).await;
    rig.ended(Ending::Expired, 1).await;
    let letters = rig.dead_letters().await;
    assert_eq!((letters[0].note.reason, letters[0].note.attempts), (DeadReason::Expired, 1));
    assert_eq!(letters[0].event.as_ref(), Some(&stored));
}

#[tokio::test]
async fn a_hanging_destination_is_given_up_at_its_timeout() {
    let backend = Receiver::scripted([Answer::Hang]).await;
    let to = destination("backend", &backend.url("/"), &format!("{QUICK}\ntimeout = \"300ms\""));
    let rig = Rig::start(config(&format!("{to}{}", route("all", &["backend"])))).await;
    let began = Instant::now();
    rig.append(vec![event("one", "github.push", "{}")]).await;
    rig.ended(Ending::Delivered, 1).await;
    assert!(began.elapsed() < PATIENCE / 2);
    let first = &rig.attempts().await[0];
    assert_eq!((first.status, first.error), (None, Some(AttemptError::Timeout)));
    assert!((300..5_000).contains(&first.duration_ms), "{}", first.duration_ms);
}

#[tokio::test]
async fn a_refusing_destination_is_tried_again_until_it_listens() {
    let gone = Receiver::start().await;
    let url = gone.url("/");
    drop(gone);
    let to = destination("backend", &url, r#"schedule = ["0s", "20ms"]"#);
    let rig = Rig::start(config(&format!("{to}{}", route("all", &["backend"])))).await;
    rig.append(vec![event("one", "github.push", "{}")]).await;
    rig.ended(Ending::Dead, 1).await;
    let attempts = rig.attempts().await;
    assert_eq!(attempts.len(), 2);
    assert!(attempts.iter().all(|attempt| attempt.error == Some(AttemptError::Connect)));
}

#[tokio::test]
async fn a_first_wait_that_is_not_zero_is_waited() {
    let backend = Receiver::start().await;
    let to = destination("backend", &backend.url("/"), r#"schedule = ["400ms"]"#);
    let rig = Rig::start(config(&format!("{to}{}", route("all", &["backend"])))).await;
    let began = Instant::now();
    rig.append(vec![event("one", "github.push", "{}")]).await;
    eventually("it is in its lane", || async { rig.store.census().await.is_ok_and(|census| census.in_lanes == 1) })
        .await;
    rig.ended(Ending::Delivered, 1).await;
    assert!(began.elapsed() >= Duration::from_millis(390), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_delivery_that_waited_until_its_event_ends_is_expired_with_the_body() {
    let backend = Receiver::start().await;
    let to = destination("backend", &backend.url("/"), r#"schedule = ["1h"]"#);
    let retention = "\n[retention]\nevents = \"4s\"\n";
    let with = config(&format!("{to}{}{retention}", route("all", &["backend"])));
    for removed in [false, true] {
        let rig = Rig::start(with.clone()).await;
        let stored = event("one", "github.push", r#"{"kept":true}"#);
        rig.append(vec![stored.clone()]).await;
        rig.census(|census| census.in_lanes == 1).await;
        if removed {
            let mut without = with.clone();
            without.destinations.clear();
            without.routes.clear();
            rig.config.send_replace(std::sync::Arc::new(without));
        }
        rig.ended(Ending::Expired, 1).await;
        let letters = rig.dead_letters().await;
        assert_eq!((letters[0].note.reason, letters[0].note.attempts), (DeadReason::Expired, 0), "removed: {removed}");
        assert_eq!(letters[0].event.as_ref(), Some(&stored), "removed: {removed}");
        // The router's words: it was in time, and the store's own sweep had nothing left to do.
        let detail = letters[0].note.detail.as_deref();
        assert_eq!(detail, Some("it waited until its event's retention ended"), "removed: {removed}");
        assert!(backend.got().is_empty());
    }
}
