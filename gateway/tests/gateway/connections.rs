//! Connections that are made while the gateway runs.

use std::time::{Duration, Instant};

use gatepost_config::{Secret, Timestamp};
use gatepost_event::{
    Keyring, Linked, Meta,
    connection::{self, Claiming, Phase},
    registry::Expect,
};

use crate::{
    client::{Answer, Ask, PATIENCE},
    rig::{self, Rig},
};

/// A provider with a secret per connection, and GitHub with one for all.
const FILE: &str = r#"
[gateway]
public_url = "https://hooks.example.com"

[secrets]
master_keys = [{ env = "MASTER" }]

[[provider]]
name = "per-account"
title = "Per Account"
secret_scope = "connection"
[[provider.scheme]]
id = "v1"
kind = "hmac"
hash = "sha256"
signature = { from = "header:x-sig", encoding = "hex" }
signed = "{body}"
[provider.event]
type = "json:/type"
id = "json:/id"
account = "json:/account"

[[integration]]
id = "pa"
provider = "per-account"
secrets = [{ env = "SHARED_SECRET" }]

[[integration]]
id = "github"
provider = "github"
secrets = [{ env = "SECRET" }]

[[connection]]
integration = "github"
id = "declared"
account = "9"
"#;

fn linked(integration: &str, id: &str, account: &str) -> Linked {
    let integration = integration.parse().expect("an id");
    let linked =
        Linked::new(integration, id.parse().expect("an id"), "tenant".parse().expect("an id"), Timestamp::now());
    Linked { accounts: vec![account.to_owned()], ..linked }
}

async fn make(rig: &Rig, wanted: Linked, phase: Phase) {
    let put = connection::put(&rig.store, wanted, Expect::Any, Claiming::default(), Timestamp::now()).await;
    let found = put.expect("it is put");
    if found.linked.phase != phase {
        connection::advance(&rig.store, &found, phase).await.expect("it is answered").expect("as it was");
    }
}

async fn github(rig: &Rig, delivery: &str, account: &str) -> Answer {
    let body = format!(r#"{{"installation":{{"id":{account}}}}}"#);
    rig.ask(&rig.signed(rig::github(delivery, &body), Timestamp::now())).await
}

async fn post(rig: &Rig, target: &str, account: &str, secret: &str) -> Answer {
    let secret = Secret::new(secret.into(), "the test");
    let body = format!(r#"{{"type":"t","id":"{}","account":"{account}"}}"#, rand::random::<u64>());
    let provider = &rig.config.integrations[0].provider;
    rig.ask(&rig::sign(provider, &secret, Ask::post(target, body), Timestamp::now())).await
}

/// Asks until the answer is so, which must be soon.
async fn until(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE * 3;
    while !ask().await {
        assert!(Instant::now() < deadline, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn reads(rig: &Rig) -> u64 {
    rig.counted("gatepost_gateway_connection_store_reads_total", &[])
}

#[tokio::test]
async fn a_connection_is_live_without_a_restart_and_its_webhooks_read_nothing_more() {
    let rig = Rig::start(FILE).await;
    for n in 0..3 {
        assert_eq!(github(&rig, &format!("before {n}"), "1").await.result(), "unmatched");
    }
    make(&rig, linked("github", "c", "1"), Phase::Active).await;
    let mut n = 0;
    until("it is live", async || {
        n += 1;
        github(&rig, &format!("while {n}"), "1").await.result() == "stored"
    })
    .await;
    // The declared one's account is asked of nobody.
    let before = reads(&rig);
    assert!(before > 0, "the control");
    for n in 0..40 {
        assert_eq!(github(&rig, &format!("after {n}"), "1").await.result(), "stored");
        assert_eq!(github(&rig, &format!("declared {n}"), "9").await.result(), "stored");
    }
    assert_eq!(reads(&rig), before, "a cached webhook asked the store");
    assert!(rig.counted("gatepost_gateway_connection_lookups_total", &[("result", "hit")]) >= 40);
    let owners: Vec<_> = rig.logged().await.into_iter().map(|event| event.meta).collect();
    let of = |id: &str| owners.iter().filter(|meta| meta.connection.as_ref().is_some_and(|c| c.as_str() == id)).count();
    assert_eq!((of("c"), of("declared")), (41, 40));
    assert!(owners.iter().all(|meta| meta.connection.as_ref().is_none_or(|c| c.as_str() != "c")
        || meta.tenant.as_ref().is_some_and(|tenant| tenant.as_str() == "tenant")));

    let (integration, id) = ("github".parse().expect("an id"), "c".parse().expect("an id"));
    assert_eq!(connection::remove(&rig.store, &integration, &id, Expect::Any).await, Ok(true));
    until("it is gone", async || {
        n += 1;
        github(&rig, &format!("gone {n}"), "1").await.result() == "unmatched"
    })
    .await;
    rig.stop().await;
}

#[tokio::test]
async fn a_connection_that_takes_nothing_yet_has_its_events_parked_for_its_tenant_alone() {
    let rig = Rig::start(FILE).await;
    let disabled = Linked { disabled: true, ..linked("github", "c", "1") };
    let pending = Linked { phase: Phase::Pending, ..linked("github", "c", "1") };
    let parked_as = async |what: &str, own: bool| -> Meta {
        until(what, async || {
            let delivery = rand::random::<u64>().to_string();
            assert_eq!(github(&rig, &delivery, "1").await.result(), "unmatched");
            let meta = rig.parked().await.pop().expect("it is parked").meta;
            meta.tenant.is_some() == own
        })
        .await;
        rig.parked().await.pop().expect("it is parked").meta
    };
    assert_eq!(parked_as("nobody's", false).await.account.as_deref(), Some("1"));
    // A pending one claims no account: nobody has said that it is its tenant's.
    for (what, wanted, phase, tenant) in [
        ("pending", pending, Phase::Pending, None),
        ("binding", linked("github", "c", "1"), Phase::Binding, Some("tenant")),
        ("disabled", disabled, Phase::Active, Some("tenant")),
    ] {
        make(&rig, wanted, phase).await;
        let meta = parked_as(what, tenant.is_some()).await;
        assert_eq!(meta.connection, None, "{what}: it waits under its account, behind what came before");
        assert_eq!(meta.tenant.as_ref().map(|tenant| tenant.as_str()), tenant, "{what}");
    }
    assert_eq!(rig.logged().await.len(), 0);
    // By its URL, which nobody else's events come to: under itself.
    let by_url = Linked { disabled: true, ..linked("pa", "c", "A") };
    make(&rig, by_url, Phase::Active).await;
    until("its URL is known", async || {
        post(&rig, "/webhooks/pa/c", "A", "the value of SHARED_SECRET").await.status == 200
    })
    .await;
    let meta = rig.parked().await.pop().expect("it is parked").meta;
    assert_eq!(meta.connection.map(|id| id.to_string()).as_deref(), Some("c"));
    assert_eq!(post(&rig, "/webhooks/pa/nobody", "A", "the value of SHARED_SECRET").await.status, 404);
    rig.stop().await;
}

#[tokio::test]
async fn a_request_waits_for_a_connection_that_settles_but_not_for_long() {
    let rig = Rig::start(FILE).await;
    make(&rig, linked("github", "c", "1"), Phase::Settling).await;
    let mut answer = github(&rig, "1", "1").await;
    until("it has heard", async || {
        answer = github(&rig, &rand::random::<u64>().to_string(), "1").await;
        answer.result() != "unmatched"
    })
    .await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "5"), "it never settles");
    let (answer, ()) = tokio::join!(github(&rig, "2", "1"), async {
        let found = connection::get(&rig.store, &"github".parse().expect("an id"), &"c".parse().expect("an id")).await;
        let found = found.expect("it is asked").expect("it is there");
        connection::advance(&rig.store, &found, Phase::Active).await.expect("it is answered").expect("as it was");
    });
    assert_eq!(answer.result(), "stored");
    assert_eq!(rig.logged().await.len(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_connections_own_secrets_prove_it_and_no_other_while_they_last() {
    let rig = Rig::start(FILE).await;
    let keys = Keyring::new(&rig.config.secrets.master_keys);
    let now = Timestamp::now();
    let seal = |mut linked: Linked, secrets: &[(&str, Option<Timestamp>)], keys: &Keyring| {
        let sealed = secrets.iter().map(|(secret, until)| linked.seal(keys, secret.as_bytes(), *until, now));
        linked.secrets = sealed.collect::<Result<_, _>>().expect("they are sealed");
        linked
    };
    let gone = Some(now.before(Duration::from_secs(1)));
    make(
        &rig,
        seal(linked("pa", "a", "A"), &[("the new secret of A", None), ("the old secret of A", gone)], &keys),
        Phase::Active,
    )
    .await;
    make(&rig, seal(linked("pa", "b", "B"), &[("the secret of B", None)], &keys), Phase::Active).await;
    let other = Keyring::new(&[Secret::new(vec![9; 32], "another's")]);
    make(&rig, seal(linked("pa", "s", "S"), &[("a sealed secret", None)], &other), Phase::Active).await;
    for account in ["A", "B"] {
        let secret = if account == "A" { "the new secret of A" } else { "the secret of B" };
        let target = format!("/webhooks/pa/{}", account.to_lowercase());
        until("it is live", async || post(&rig, "/webhooks/pa", account, secret).await.result() == "stored").await;
        until("it is live", async || post(&rig, &target, "whatever it says", secret).await.result() == "stored").await;
    }
    let before = rig.stored().await;
    for (target, account, secret) in [
        ("/webhooks/pa", "A", "the secret of B"),
        ("/webhooks/pa/a", "A", "the secret of B"),
        ("/webhooks/pa/a", "B", "the secret of B"),
        ("/webhooks/pa", "A", "the old secret of A"),
        ("/webhooks/pa", "A", "the value of SHARED_SECRET"),
        ("/webhooks/pa/a", "A", "the value of SHARED_SECRET"),
    ] {
        assert_eq!(post(&rig, target, account, secret).await.status, 401, "{target} {account} {secret}");
    }
    // What can't be opened is our own failure.
    assert_eq!(post(&rig, "/webhooks/pa", "S", "a sealed secret").await.status, 503);
    assert_eq!(post(&rig, "/webhooks/pa/s", "S", "a sealed secret").await.status, 503);
    assert_eq!(rig.stored().await, before);
    for event in rig.logged().await {
        let (connection, account) =
            (event.meta.connection.expect("owned").to_string(), event.meta.account.expect("said"));
        assert!(account == connection.to_uppercase() || account == "whatever it says", "{connection} {account}");
    }
    rig.stop().await;
}
