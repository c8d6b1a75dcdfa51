//! Secrets that the provider gives in a handshake: the first is kept, sealed, for every gateway, and never replaced.

use std::{os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_tests::{
    gatepost::Home,
    nats_server::NatsServer,
    post::{self, Answer},
    wait::eventually,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::setup::{Engine, each_engine};

/// What Asana gives for one connection and for the other, and what an attacker would have.
const ACME: &str = "6b0f2a3d4c5e6f708192a3b4c5d6e7f8acme0001";
const BOLT: &str = "6b0f2a3d4c5e6f708192a3b4c5d6e7f8bolt0002";
const FORGED: &str = "0123456789abcdef0123456789abcdefforged03";
/// What Notion gives.
const NOTION: &str = "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl";
const MASTER: &str = "7f1d0c9e8b7a69584736251403f2e1d07f1d0c9e8b7a69584736251403f2e1d0";
/// How soon every gateway knows.
const SOON: Duration = Duration::from_secs(1);

each_engine!(a_captured_secret_is_kept_once_for_every_gateway_and_nothing_of_it_is_on_disk);

fn home(engine: &Engine) -> Home {
    let keys = if engine.is_embedded() { "" } else { "[secrets]\nmaster_keys = [{ file = \"master\" }]\n\n" };
    let config = format!(
        "[gateway]\nlisten = \"127.0.0.1:0\"\n\n[ops]\nlisten = \"127.0.0.1:0\"\n\n[store]\n{}\n\n{keys}\
         [[integration]]\nid = \"asana\"\nprovider = \"asana\"\n\n\
         [[integration]]\nid = \"notion\"\nprovider = \"notion\"\n\n\
         [[connection]]\nintegration = \"asana\"\nid = \"acme\"\n\n\
         [[connection]]\nintegration = \"asana\"\nid = \"bolt\"\n",
        engine.section()
    );
    Home::new(&config, &[("master", MASTER)])
}

async fn a_captured_secret_is_kept_once_for_every_gateway_and_nothing_of_it_is_on_disk(engine: Engine) {
    let home = home(&engine);
    if !engine.is_embedded() {
        home.init_store();
    }
    let one = home.run(&["gateway"]).await;
    let first = one.gateway().await;
    // The embedded store belongs to one process.
    let two = if engine.is_embedded() { None } else { Some(home.run(&["gateway"]).await) };
    let second = match &two {
        Some(two) => two.gateway().await,
        None => first.clone(),
    };

    refused(&event(&first, "asana/acme", ACME).await, "nothing is captured yet");
    refused(&hook(&first, "asana", FORGED).await, "no connection is named");
    for unfit in ["short", "a secret with spaces in it", "<script>alert(1)</script>"] {
        refused(&hook(&first, "asana/acme", unfit).await, unfit);
    }
    shaken(&hook(&first, "asana/acme", ACME).await, ACME);
    stored(&event(&first, "asana/acme", ACME).await, "at once");
    eventually("the other gateway to know", SOON, async || {
        let answer = event(&second, "asana/acme", ACME).await;
        (answer.result() == "stored").then_some(())
    })
    .await;

    for address in [&first, &second] {
        refused(&hook(address, "asana/acme", FORGED).await, "a second secret");
        refused(&event(address, "asana/acme", FORGED).await, "signed with the second secret");
        shaken(&hook(address, "asana/acme", ACME).await, ACME);
        stored(&event(address, "asana/acme", ACME).await, "the control");
    }
    refused(&event(&first, "asana/bolt", ACME).await, "another connection's secret");
    shaken(&hook(&second, "asana/bolt", BOLT).await, BOLT);
    stored(&event(&second, "asana/bolt", BOLT).await, "its own secret");
    refused(&event(&second, "asana/acme", BOLT).await, "another connection's secret");

    shaken(&verification(&first, NOTION).await, "");
    refused(&verification(&first, FORGED).await, "a second token");
    assert_eq!(page(&first, NOTION).await.result(), "unmatched", "the control");
    refused(&page(&first, FORGED).await, "signed with the second token");

    one.stop().await;
    if let Some(two) = two {
        two.stop().await;
    }
    let shown = home.command(&["secret", "show", "notion"]);
    assert_eq!(String::from_utf8_lossy(&shown.stdout).trim(), NOTION, "{}", String::from_utf8_lossy(&shown.stderr));
    let none = home.command(&["secret", "show", "asana"]);
    assert_eq!((none.status.code(), none.stdout.len()), (Some(1), 0), "none was captured for the integration");

    let again = home.run(&["gateway"]).await;
    let address = again.gateway().await;
    stored(&event(&address, "asana/acme", ACME).await, "after a restart");
    refused(&hook(&address, "asana/acme", FORGED).await, "a second secret after a restart");
    refused(&verification(&address, FORGED).await, "a second token after a restart");
    assert_eq!(page(&address, NOTION).await.result(), "unmatched", "after a restart");
    let log = again.stop().await.join("\n");
    for secret in [ACME, BOLT, NOTION, FORGED] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
    nothing_in_clear(&engine, &home);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_captured_is_asked_for_again_while_the_store_is_away() {
    let mut server = NatsServer::start().await;
    let home = home_on(&server);
    home.init_store();
    let gatepost = home.run(&["gateway"]).await;
    shaken(&hook(&gatepost.gateway().await, "asana/acme", ACME).await, ACME);
    gatepost.stop().await;

    server.kill9().await;
    let gatepost = home.start(&["gateway"]);
    let address = gatepost.gateway().await;
    for answer in [event(&address, "asana/acme", ACME).await, hook(&address, "asana/acme", FORGED).await] {
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "5"), "it can't know");
    }
    server.restart().await;
    eventually("the store to be back", Duration::from_secs(20), async || {
        let answer = event(&address, "asana/acme", ACME).await;
        (answer.result() == "stored").then_some(())
    })
    .await;
    refused(&hook(&address, "asana/acme", FORGED).await, "a second secret");
    gatepost.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_captured_by_many_machines_without_a_master_key() {
    let server = NatsServer::start().await;
    let home = home_on(&server);
    assert!(home.command(&["check"]).status.success(), "the control");
    let config = std::fs::read_to_string(home.path("gatepost.toml")).expect("there");
    home.write("gatepost.toml", &config.replace("master_keys", "# master_keys"));
    let refused = home.command(&["check"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(78), "{said}");
    assert!(said.contains("secrets.master_keys") && said.contains("asana"), "{said}");
}

fn home_on(server: &NatsServer) -> Home {
    let section = format!(
        "engine = \"nats\"\nurl = \"{}\"\nreplicas = 1\ndurability = \"replicated\"\npartitions = 4\nshards = 4",
        server.url()
    );
    let embedded = home(&Engine::Embedded);
    let config = std::fs::read_to_string(embedded.path("gatepost.toml")).expect("there");
    let config = config.replace(&Engine::Embedded.section(), &section);
    let keys = "\n[secrets]\nmaster_keys = [{ file = \"master\" }]\n";
    Home::new(&(config + keys), &[("master", MASTER)])
}

async fn send(address: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let body = bytes::Bytes::copy_from_slice(body.as_bytes());
    post::post(address, &format!("/webhooks/{target}"), headers, body).await.expect("an answer")
}

/// Asana's handshake.
async fn hook(address: &str, target: &str, secret: &str) -> Answer {
    send(address, target, &[("x-hook-secret", secret)], "{}").await
}

/// An event of Asana's, signed; each at a time of its own, for it has no other id.
async fn event(address: &str, target: &str, secret: &str) -> Answer {
    let body = format!(
        r#"{{"events":[{{"created_at":"2026-11-22T17:04:05.{}Z","action":"changed","resource":{{"gid":"1"}}}}]}}"#,
        rand::random::<u32>()
    );
    send(address, target, &[("x-hook-signature", &tag(secret, &body))], &body).await
}

/// Notion's first request.
async fn verification(address: &str, token: &str) -> Answer {
    send(address, "notion", &[], &serde_json::json!({ "verification_token": token }).to_string()).await
}

/// An event of Notion's, signed.
async fn page(address: &str, token: &str) -> Answer {
    let id = rand::random::<u64>();
    let body = format!(r#"{{"id":"{id}","type":"page.created","workspace_id":"w1"}}"#);
    send(address, "notion", &[("x-notion-signature", &format!("sha256={}", tag(token, &body)))], &body).await
}

fn tag(key: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn shaken(answer: &Answer, secret: &str) {
    assert_eq!((answer.status.as_u16(), answer.result()), (200, "handshake"));
    assert_eq!(answer.header("x-hook-secret"), secret);
    assert_eq!(answer.header("cache-control"), "no-store");
}

fn stored(answer: &Answer, what: &str) {
    assert_eq!((answer.status.as_u16(), answer.result()), (200, "stored"), "{what}");
}

fn refused(answer: &Answer, what: &str) {
    assert_eq!((answer.status.as_u16(), answer.result(), answer.header("x-hook-secret")), (401, "", ""), "{what}");
}

/// No secret stands in a file of the store, in any of the ways that one is written; what surely stands there is found.
fn nothing_in_clear(engine: &Engine, home: &Home) {
    let folders = match engine {
        Engine::Embedded => vec![home.path("data")],
        Engine::Nats(server) => vec![server.folder().to_owned()],
        Engine::Cluster(cluster) => cluster.servers.iter().map(|server| server.folder().to_owned()).collect(),
    };
    let mut bytes = Vec::new();
    for folder in &folders {
        read_all(folder, &mut bytes);
    }
    let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("page.created") && has("key_id"), "the control: the events and the sealed records are there");
    for secret in [ACME, BOLT, NOTION, FORGED, MASTER] {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        for text in [secret, &secret[..24], &STANDARD.encode(secret), &hex] {
            assert!(!has(text), "a secret is on disk");
        }
    }
    if engine.is_embedded() {
        let key = home.path("data/master.key");
        assert_eq!(std::fs::metadata(&key).expect("it is there").permissions().mode() & 0o777, 0o600);
    }
}

fn read_all(folder: &Path, into: &mut Vec<u8>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => read_all(&path, into),
            false => into.extend(std::fs::read(&path).expect("readable")),
        }
    }
}
