//! Refused requests: what is kept of a flood, and what is let in once a secret was put right.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gatepost_config::{ByteSize, Config, Quarantine, Secret, Timestamp};
use gatepost_event::{
    Keyring, Refusal, RequestId,
    refusal::Hidden,
    registry::{Expect, Kind, Put},
    release::{Progress, RELEASED_HEADER, Release, Wish},
    replay::State,
};

use crate::{
    client::{Ask, PATIENCE},
    rig::{self, GITHUB, Rig, SECRET, github},
};

const BODY: &str = r#"{"action":"opened","installation":{"id":12345678}}"#;

fn right() -> Secret {
    Secret::new(SECRET.into(), "the test")
}

/// A configuration whose first integration has these secrets.
fn with_secrets(mut config: Config, secrets: Vec<Secret>) -> Config {
    config.integrations[0].secrets = secrets;
    config
}

fn signed(rig: &Rig, ask: Ask, at: Timestamp) -> Ask {
    rig::sign(&rig.config.integrations[0].provider, &right(), ask, at)
}

/// Asks for a release, and waits for its end.
async fn release(rig: &Rig, wish: Wish) -> Progress {
    let release = Release::new(wish, Timestamp::now());
    let (id, value) = (release.id.to_string(), serde_json::to_vec(&release).expect("JSON"));
    let put = rig.store.put(Kind::Release, &id, value.into(), Expect::Absent).await.expect("it is written");
    assert!(matches!(put, Put::Stored(_)));
    let ended = async {
        loop {
            let entry = rig.store.entry(Kind::Release, &id).await.expect("it is read").expect("it is there");
            let release: Release = serde_json::from_slice(&entry.value).expect("a release");
            if release.state == State::Done {
                return release.progress;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(3 * PATIENCE, ended).await.expect("it ends in time")
}

#[tokio::test]
async fn what_a_wrong_secret_kept_out_is_let_in_once_it_is_right_and_nothing_else_is() {
    let wrong = Secret::new(b"not the secret of this webhook".to_vec(), "the test");
    let rig = Rig::start_with(with_secrets(rig::config(GITHUB), vec![wrong])).await;
    let mut requests = Vec::new();
    for n in 0..30 {
        let answer = rig.ask(&signed(&rig, github(&format!("d-{n}"), BODY), Timestamp::now())).await;
        assert_eq!(answer.status, 401);
        requests.push(answer.request_id().to_owned());
    }
    for n in 0..5 {
        let forged = github(&format!("f-{n}"), BODY).with("x-hub-signature-256", &format!("sha256={}", "0".repeat(64)));
        assert_eq!(rig.ask(&forged).await.status, 401);
    }
    rig.quarantined("github", 35).await;
    let early = release(&rig, Wish::default()).await;
    assert_eq!((early.examined, early.released), (35, 0), "the secret is still wrong");
    assert_eq!(early.refused.get("signature_mismatch"), Some(&35));
    assert_eq!(rig.stored().await, 0);

    let fixed = with_secrets(rig.config.clone(), vec![right()]);
    rig.publish.send_replace(Arc::new(fixed));
    let control = rig.ask(&signed(&rig, github("d-new", BODY), Timestamp::now())).await;
    assert_eq!(control.result(), "stored", "the new secret is in force");
    let elsewhere = release(&rig, Wish { integration: Some("other".parse().expect("an id")), ..Wish::default() }).await;
    assert_eq!(elsewhere.examined, 0);
    let progress = release(&rig, Wish { integration: Some("github".parse().expect("an id")), ..Wish::default() }).await;
    assert_eq!((progress.examined, progress.released, progress.events), (35, 30, 30));
    assert_eq!(progress.refused, [("signature_mismatch".to_owned(), 5)].into());

    let events = rig.logged().await;
    assert!(!events[0].meta.headers.iter().any(|(name, _)| name == RELEASED_HEADER), "the control came by itself");
    // Ids sort by the millisecond.
    requests.sort();
    let let_in: Vec<String> = events[1..].iter().map(|event| event.meta.request.to_string()).collect();
    assert_eq!(let_in, requests, "in the order they came, under the ids that they were refused with");
    for event in &events[1..] {
        assert!(event.meta.headers.iter().any(|(name, _)| name == RELEASED_HEADER), "{:?}", event.meta);
        assert_eq!(event.body, BODY);
        assert_eq!(event.meta.connection.as_ref().map(|id| id.as_str()), Some("acme"));
    }
    let left = rig.quarantined("github", 5).await;
    assert!(left.len() == 5 && left.iter().all(|kept| !requests.contains(&kept.request.to_string())));
    let again = release(&rig, Wish::default()).await;
    assert_eq!((again.examined, again.released), (5, 0));
    rig.stop().await;
}

/// Puts a Slack request into quarantine as if it had come then, signed at another time.
async fn keep(rig: &Rig, reason: &str, came: Timestamp, signed_at: Timestamp) -> RequestId {
    let ask = Ask::post("/webhooks/slack", r#"{"type":"event_callback","team_id":"T1","event_id":"Ev1"}"#);
    let ask = signed(rig, ask.header("content-type", "application/json"), signed_at);
    let refusal = Refusal {
        request: RequestId::fresh(came),
        integration: "slack".parse().expect("an id"),
        received_at: came,
        reason: reason.to_owned(),
        source: 0,
        connection: None,
        method: "POST".to_owned(),
        target: ask.target.clone(),
        headers: ask.headers.iter().map(|(name, value)| (name.clone(), Bytes::from(value.clone()))).collect(),
        body: ask.body.into(),
        hidden: Hidden::default(),
    };
    let keys = Keyring::load(&rig.config).expect("the store's own key");
    rig.store.quarantine(&keys.seal_refusal(&refusal).expect("it is sealed")).await.expect("it is kept");
    refusal.request
}

#[tokio::test]
async fn time_in_quarantine_does_not_count_but_a_time_that_was_wrong_before_does_unless_it_is_named() {
    let text = "[[integration]]\nid = \"slack\"\nprovider = \"slack\"\nsecrets = [{ env = \"SECRET\" }]\n";
    let rig = Rig::start(text).await;
    let now = Timestamp::now();
    let hour = Duration::from_hours(1);
    let (then, long_before) = (now.before(hour), now.before(2 * hour));
    let fresh_then = keep(&rig, "signature_mismatch", then, then).await;
    let played_again = keep(&rig, "timestamp_stale", then, long_before).await;
    let passed_for_it = keep(&rig, "signature_mismatch", then, long_before).await;
    let all = release(&rig, Wish::default()).await;
    assert_eq!((all.examined, all.released), (3, 1));
    assert_eq!(all.refused, [("timestamp_stale".to_owned(), 2)].into());
    assert_eq!(rig.parked().await[0].meta.request, fresh_then);
    assert_eq!(rig.parked().await[0].meta.received_at, then);
    let stale = release(&rig, Wish { reason: Some("timestamp_stale".to_owned()), ..Wish::default() }).await;
    assert_eq!((stale.examined, stale.released), (1, 1), "{played_again} was asked for by its reason");
    let one = release(&rig, Wish { request: Some(passed_for_it), ..Wish::default() }).await;
    assert_eq!((one.examined, one.released), (1, 1), "it was asked for by its id");
    rig.stop().await;
}

#[tokio::test]
async fn a_secret_that_was_taken_out_of_use_lets_nothing_in_any_more() {
    let text = "[[integration]]\nid = \"slack\"\nprovider = \"slack\"\nsecrets = [{ env = \"SECRET\" }]\n";
    let now = Timestamp::now();
    let old = right().expiring(now.before(Duration::from_mins(1)));
    let rig = Rig::start_with(with_secrets(rig::config(text), vec![old])).await;
    let then = now.before(Duration::from_hours(1));
    keep(&rig, "signature_mismatch", then, then).await;
    let progress = release(&rig, Wish::default()).await;
    assert_eq!((progress.examined, progress.released), (1, 0), "{:?}", progress.refused);
    rig.publish.send_replace(Arc::new(with_secrets(rig.config.clone(), vec![right()])));
    assert_eq!(release(&rig, Wish::default()).await.released, 1, "the positive control");
    rig.stop().await;
}

#[tokio::test]
async fn a_flood_of_forged_requests_is_bounded_and_pushes_out_no_genuine_one() {
    let mut config = rig::config(GITHUB);
    let limits = (50, ByteSize(50 * 1024));
    config.quarantine = Quarantine {
        requests_max: limits.0,
        bytes_max: limits.1,
        total_requests_max: limits.0,
        total_bytes_max: limits.1,
    };
    let wrong = Secret::new(b"not the secret of this webhook".to_vec(), "the test");
    let rig = Rig::start_with(with_secrets(config, vec![wrong])).await;
    let mut genuine = Vec::new();
    for n in 0..300 {
        let forged = github(&format!("f-{n}"), BODY).header("user-agent", "flood/1.0");
        let forged = forged.with("x-hub-signature-256", &format!("sha256={}", "0".repeat(64)));
        assert_eq!(rig.ask(&forged).await.status, 401);
        if n % 30 == 7 {
            let ask = github(&format!("d-{n}"), BODY).header("user-agent", "GitHub-Hookshot/1");
            genuine.push(rig.ask(&signed(&rig, ask, Timestamp::now())).await.request_id().to_owned());
        }
    }
    let within = async {
        loop {
            let kept: Vec<_> = rig.quarantined("github", 1).await;
            let are_there = genuine.iter().all(|id| kept.iter().any(|kept| kept.request.to_string() == *id));
            if kept.len() <= limits.0 && are_there {
                return kept.len();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let kept = tokio::time::timeout(3 * PATIENCE, within).await.expect("it comes within its bounds");
    assert!(kept >= 40, "only {kept} are kept");
    rig.publish.send_replace(Arc::new(with_secrets(rig.config.clone(), vec![right()])));
    assert_eq!(release(&rig, Wish::default()).await.released, 10);
    rig.stop().await;
}
