//! Webhooks of a repository and of an organization: other paths, a token, and events that name no account.

use std::time::Duration;

use gatepost_config::Timestamp;
use gatepost_tests::{backend::Backend, gatepost::Home, nats_server::NatsServer, wait::eventually};
use serde_json::{Value, json};

use super::{
    KEY, MASTER, command, figures,
    github::{GitHub, Hook, ORGANIZATION_HOOK, REPOSITORY_HOOK, TOKEN},
    verdict_of,
};
use crate::setup::{Engine, PATIENCE, SECRET, SIGNING};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_repositorys_and_an_organizations_webhook_missed_is_had_later_and_once_on_embedded() {
    what_they_missed_is_had_later_and_once(Engine::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_repositorys_and_an_organizations_webhook_missed_is_had_later_and_once_on_nats() {
    what_they_missed_is_had_later_and_once(Engine::Nats(NatsServer::start().await)).await;
}

/// The repository's events are of the connection that its webhook's URL names; the organization's are nobody's.
async fn what_they_missed_is_had_later_and_once(engine: Engine) {
    let backend = Backend::start().await;
    let sites = [
        ("repo", GitHub::of(Hook::Repository, "repo/anvils").await, json!("anvils")),
        ("org", GitHub::of(Hook::Organization, "org").await, Value::Null),
    ];
    let config = config(&engine, &backend, &sites[0].1.url, &sites[1].1.url);
    let files = [("api", KEY), ("master", MASTER), ("github", SECRET), ("token", TOKEN), ("signing", SIGNING)];
    let home = Home::new(&config, &files);
    if !engine.is_embedded() {
        home.init_store();
    }
    let gatepost = home.run(&[]).await;
    let gateway = gatepost.gateway().await;

    let ago = |minutes: u64| Timestamp::now().before(Duration::from_secs(minutes * 60));
    for (_, github, _) in &sites {
        github.posts_to(gateway.clone());
        for (guid, minutes, status) in
            [("before", 151, 200), ("missed-1", 150, 503), ("missed-2", 31, 503), ("slow", 30, 504), ("after", 10, 200)]
        {
            github.delivered(guid, ago(minutes), status);
        }
        // Stored, though GitHub heard no answer.
        let slow = github.posts("slow", &gateway).await;
        assert_eq!(slow.result(), "stored");
    }
    backend.wait_for(2, PATIENCE).await;

    for (integration, github, _) in &sites {
        let heal = ["heal", "--integration", integration, "--since", "3h"];
        let first = command(&home, &gatepost, &heal).await;
        assert_eq!(figures(&first), [3, 1, 2, 2], "undelivered, present, missing, healed: {first}");
        assert_eq!(github.asked(), ["missed-1", "missed-2"]);
        // Once GitHub lists what it delivered again.
        eventually("nothing is missing", PATIENCE, async || {
            let again = command(&home, &gatepost, &[&heal[..], &["--dry-run"]].concat()).await;
            (figures(&again) == [1, 1, 0, 0]).then_some(())
        })
        .await;
        let again = command(&home, &gatepost, &heal).await;
        assert_eq!((figures(&again), github.asked().len()), ([1, 1, 0, 0], 2), "{again}");
        let after = command(&home, &gatepost, &["incident", "--from", "3h", "--integration", integration]).await;
        assert_eq!(verdict_of(&after, integration), ("healed", 0), "{after}");
    }

    let delivered = backend.wait_for(6, PATIENCE).await;
    for (integration, _, connection) in &sites {
        let of = delivered.iter().map(|one| one.envelope()).filter(|envelope| envelope["integration"] == *integration);
        let of: Vec<Value> = of.collect();
        assert_eq!(of.len(), 3, "{of:?}");
        let is_whole = |one: &Value| (&one["trust"], &one["connection"]) == (&json!("verified"), connection);
        assert!(of.iter().all(is_whole), "{of:?}");
    }
    assert!(backend.counts().values().all(|times| *times == 1), "{:?}", backend.counts());
    gatepost.stop().await;
}

fn config(engine: &Engine, backend: &Backend, repository: &str, organization: &str) -> String {
    format!(
        "[gateway]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{{ file = \"api\" }}]\nhistory_path = \"h/history.db\"\n\
         [store]\n{}\n[secrets]\nmaster_keys = [{{ file = \"master\" }}]\n\
         [[integration]]\nid = \"repo\"\nprovider = \"github\"\nsecrets = [{{ file = \"signing\" }}]\n\
         [integration.heal]\ntoken = {{ file = \"token\" }}\nrepository = \"acme/anvil\"\n\
         hook = {REPOSITORY_HOOK}\nurl = \"{repository}\"\nprivate = true\n\
         [[integration]]\nid = \"org\"\nprovider = \"github\"\nsecrets = [{{ file = \"github\" }}]\n\
         unmatched = \"forward\"\n\
         [integration.heal]\ntoken = {{ file = \"token\" }}\norganization = \"acme\"\n\
         hook = {ORGANIZATION_HOOK}\nurl = \"{organization}\"\nprivate = true\n\
         [[connection]]\nintegration = \"repo\"\nid = \"anvils\"\nsecrets = [{{ file = \"github\" }}]\n\
         [[destination]]\nid = \"backend\"\nurl = \"{}\"\nprivate = true\nsecrets = [{{ file = \"signing\" }}]\n\
         [[route]]\nid = \"all\"\nforward = [\"backend\"]\n",
        engine.section(),
        backend.url(),
    )
}
