//! Secrets that are kept sealed.

use std::time::Instant;

use futures::future::join_all;
use gatepost_config::{Secret, Timestamp};
use gatepost_event::{
    Keyring, SealedSecret, SecretName, SecretPurpose, Store,
    store::{Kept, SecretNews, Secrets},
};

use crate::{
    fixture::{Fixture, contract},
    make, wait,
};

contract! {
    a_secret_is_kept_once_and_never_overwritten,
    of_many_that_come_at_once_one_is_kept,
    a_reader_is_told_what_is_kept_and_then_what_comes,
}

/// A secret of an integration or connection, sealed.
pub(crate) fn sealed(integration: &str, connection: Option<&str>, text: &str) -> SealedSecret {
    let keys = Keyring::new(&[Secret::new(b"the master key of a test".to_vec(), "the test")]);
    let connection = connection.map(make::id);
    let name = SecretName { integration: make::id(integration), connection, purpose: SecretPurpose::Captured };
    keys.seal(name, text.as_bytes(), Timestamp::now()).expect("it is sealed")
}

async fn keep(store: &Store, secret: &SealedSecret) -> Kept {
    store.keep_secret(secret, wait::soon()).await.expect("it is answered")
}

/// What a reader is told until all is told.
pub(crate) async fn told(secrets: &mut Secrets) -> Vec<SealedSecret> {
    let mut told = Vec::new();
    loop {
        match wait::within(wait::SOON, secrets.next()).await.expect("it is told") {
            SecretNews::Kept(secret) => told.push(secret),
            SecretNews::Current => return told,
        }
    }
}

async fn a_secret_is_kept_once_and_never_overwritten(fixture: &Fixture) {
    let store = fixture.open().await;
    let first = sealed("asana", Some("acme"), "the first");
    let second = sealed("asana", Some("acme"), "the second");
    assert_eq!(keep(&store, &first).await, Kept::New);
    assert_eq!(keep(&store, &second).await, Kept::Already(Box::new(first.clone())));
    let others = [sealed("asana", Some("bolt"), "x"), sealed("asana", None, "x"), sealed("notion", Some("acme"), "x")];
    for other in &others {
        assert_eq!(keep(&store, other).await, Kept::New, "{:?}", other.name);
    }
    let store = fixture.reopen(store).await;
    assert_eq!(keep(&store, &second).await, Kept::Already(Box::new(first.clone())));
    assert_eq!(keep(&store, &first).await, Kept::Already(Box::new(first.clone())), "its own repeat");
    let mut secrets = store.secrets().await.expect("they are read");
    let told = told(&mut secrets).await;
    assert_eq!(told, [&[first], &others[..]].concat(), "in the order they came");
    store.close().await;
}

async fn of_many_that_come_at_once_one_is_kept(fixture: &Fixture) {
    let store = fixture.open().await;
    let offered: Vec<_> = (0..16).map(|n| sealed("asana", None, &format!("secret {n}"))).collect();
    let answers = join_all(offered.iter().map(|secret| keep(&store, secret))).await;
    let mut secrets = store.secrets().await.expect("they are read");
    let told = told(&mut secrets).await;
    assert_eq!(told.len(), 1);
    for (secret, answer) in offered.iter().zip(answers) {
        match secret == &told[0] {
            true => assert_eq!(answer, Kept::New),
            false => assert_eq!(answer, Kept::Already(Box::new(told[0].clone()))),
        }
    }
    store.close().await;
}

async fn a_reader_is_told_what_is_kept_and_then_what_comes(fixture: &Fixture) {
    let store = fixture.open().await;
    // Another process's, where the engine lets several in.
    let other = match fixture {
        Fixture::Embedded(_) => store.clone(),
        Fixture::Nats(_) => fixture.open().await,
    };
    let mut early = other.secrets().await.expect("they are read");
    assert_eq!(told(&mut early).await, [], "there is none, and that is told at once");
    for n in 0..300 {
        keep(&store, &sealed("asana", Some(&format!("c{n}")), "x")).await;
    }
    let mut late = other.secrets().await.expect("they are read");
    assert_eq!(told(&mut late).await.len(), 300);
    for _ in 0..300 {
        let news = wait::within(wait::SOON, early.next()).await.expect("it is told");
        assert!(matches!(news, SecretNews::Kept(_)), "{news:?}");
    }
    let last = sealed("notion", None, "the last");
    let began = Instant::now();
    keep(&store, &last).await;
    for reader in [&mut early, &mut late] {
        let news = wait::within(wait::SOON, reader.next()).await;
        assert_eq!(news, Ok(SecretNews::Kept(last.clone())));
    }
    assert!(began.elapsed() < wait::SOON / 4, "{:?}", began.elapsed());
    store.close().await;
    other.close().await;
    assert!(wait::within(wait::SOON, late.next()).await.is_err(), "a reader of a closed store waits for nothing");
}
