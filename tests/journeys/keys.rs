//! Keys that a provider publishes, through the true binary and a key server on loopback.

mod rig;
mod server;
mod sns;

use std::time::{Duration, Instant};

use gatepost_tests::wait::eventually;

use self::{
    rig::{KEYS, Rig, Signer, jwks},
    server::{KeyServer, Shown},
};
use crate::setup::PATIENCE;

/// Longest time until an answer, for whatever the key server does: the answer deadline and a little.
const ANSWERED_WITHIN: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_there_before_the_first_event_and_are_not_asked_for_again() {
    let (server, key) = (KeyServer::start().await, Signer::new("one"));
    server.show(KEYS, jwks(&[&key]));
    let rig = Rig::start(&server, "private = true").await;
    eventually("the keys", PATIENCE, async || (rig.fetches("ok").await > 0.0).then_some(())).await;
    assert_eq!(server.asked(), [KEYS], "before any event");
    for n in 0..20 {
        assert_eq!(rig.event(&key, &format!("e{n}")).await.result(), "stored");
    }
    let stranger = Signer::new("one");
    assert_eq!(rig.event(&stranger, "forged").await.status.as_u16(), 401);
    assert!(server.asked().len() <= 2, "one more look on the forged one's account at most: {:?}", server.asked());
    assert_eq!(rig.stop().await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_found_at_once_and_unknown_ones_make_no_storm() {
    let (server, old, new) = (KeyServer::start().await, Signer::new("old"), Signer::new("new"));
    server.show(KEYS, jwks(&[&old]));
    let rig = Rig::start(&server, "private = true").await;
    assert_eq!(rig.event(&old, "before").await.status.as_u16(), 200);
    server.show(KEYS, jwks(&[&new]));
    assert_eq!(rig.event(&new, "after").await.status.as_u16(), 200, "fetched for it");
    assert_eq!(rig.event(&old, "late").await.status.as_u16(), 401, "a key that was taken away");

    let stranger = Signer::new("stranger");
    let began = Instant::now();
    let storm = (0..200).map(|n| {
        let (rig, stranger) = (&rig, &stranger);
        async move { rig.signed(r#"{"type":"x","id":"x"}"#, stranger, &format!("unknown-{n}")).await.status.as_u16() }
    });
    let answers = futures::future::join_all(storm).await;
    assert!(answers.iter().all(|status| *status == 401), "{answers:?}");
    assert!(began.elapsed() < Duration::from_secs(30), "within one cool-down");
    assert_eq!(server.asked().len(), 2, "at the start, and once for an unknown key");
    assert_eq!(rig.event(&new, "still").await.status.as_u16(), 200);
    assert_eq!(rig.stop().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_does_no_harm_once_its_keys_are_here() {
    let (mut server, key) = (KeyServer::start().await, Signer::new("one"));
    server.show(KEYS, jwks(&[&key]));
    let rig = Rig::start(&server, "private = true").await;
    assert_eq!(rig.event(&key, "before").await.status.as_u16(), 200);
    server.down().await;
    assert_eq!(rig.event(&key, "while away").await.status.as_u16(), 200);
    let new = rig.event(&Signer::new("new"), "by a key that may be new").await;
    assert_eq!(new.status.as_u16(), 503, "nobody knows");
    assert!(!new.header("retry-after").is_empty());
    assert_eq!(rig.event(&key, "still").await.status.as_u16(), 200, "the old keys stay");
    server.show(KEYS, "<html>we are moving</html>");
    server.up().await;
    assert_eq!(rig.event(&key, "garbage").await.status.as_u16(), 200);
    assert_eq!(rig.stop().await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_keys_nothing_is_stored_nor_refused_until_they_are_here() {
    let (mut server, key) = (KeyServer::start().await, Signer::new("one"));
    server.show(KEYS, jwks(&[&key]));
    server.down().await;
    let rig = Rig::start(&server, "private = true").await;
    for n in 0..5 {
        let answer = rig.event(&key, "the same").await;
        assert_eq!((answer.status.as_u16(), answer.result()), (503, ""), "{n}");
        assert!(!answer.header("retry-after").is_empty());
    }
    assert!(rig.fetches("connection").await > 0.0);
    server.up().await;
    eventually("the keys", PATIENCE, async || (rig.event(&key, "the same").await.status.as_u16() == 200).then_some(()))
        .await;
    assert_eq!(rig.stop().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_server_does_the_answer_comes_in_time() {
    let key = Signer::new("one");
    let good = jwks(&[&key]);
    let shown = |status, body: String| Shown { status, body: body.into(), headers: Vec::new(), delay: Duration::ZERO };
    let elsewhere = KeyServer::start().await;
    elsewhere.show(KEYS, good.clone());
    let cases = [
        ("slow", Shown { delay: Duration::from_secs(120), ..shown(200, good.clone()) }, "timeout"),
        ("an error", shown(500, good.clone()), "status"),
        ("moved", Shown { headers: vec![("location", elsewhere.url(KEYS))], ..shown(302, good.clone()) }, "status"),
        ("huge", shown(200, format!("{good}{}", " ".repeat(300 * 1024))), "too_large"),
        ("a page", shown(200, "<html></html>".to_owned()), "unreadable"),
        ("no keys", shown(200, "{\"keys\":[]}".to_owned()), "unreadable"),
    ];
    let judge = async |(what, shown, outcome): (&'static str, Shown, &'static str)| {
        let server = KeyServer::start().await;
        server.answer(KEYS, shown);
        let rig = Rig::start(&server, "private = true").await;
        let began = Instant::now();
        let answer = rig.event(&key, what).await;
        assert!(began.elapsed() < ANSWERED_WITHIN, "{what}: {:?}", began.elapsed());
        assert_eq!(answer.status.as_u16(), 503, "{what}");
        eventually(what, PATIENCE, async || (rig.fetches(outcome).await > 0.0).then_some(())).await;
        server.show(KEYS, good.clone());
        eventually(what, PATIENCE, async || (rig.event(&key, what).await.status.as_u16() == 200).then_some(())).await;
        assert_eq!(rig.stop().await, 1, "{what}");
    };
    futures::future::join_all(cases.map(judge)).await;
    assert!(elsewhere.asked().is_empty(), "no redirect was followed");
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_are_asked_only_where_the_operator_says_so() {
    let (server, key) = (KeyServer::start().await, Signer::new("one"));
    server.show(KEYS, jwks(&[&key]));
    let rig = Rig::start(&server, "").await;
    assert_eq!(rig.event(&key, "one").await.status.as_u16(), 503);
    assert!(rig.fetches("refused").await > 0.0);
    assert!(server.asked().is_empty());
    assert_eq!(rig.stop().await, 0);
}
