//! Secrets of every kind go through everything once, and are then looked for everywhere: in logs at their most talkative,
//! metrics, answers and files of the store. What is no secret is found by the same search.

use std::{collections::BTreeMap, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use gatepost_tests::{
    backend::Backend,
    gatepost::{Gatepost, Home},
    github::{Webhook, hex, hmac_sha256},
    nats_server::NatsServer,
    post,
    wait::eventually,
};
use http::Method;

use crate::setup::{Engine, PATIENCE};

/// Stands in a body, and is no secret.
const MARKER: &str = "marker-that-may-be-seen-c0ffee";

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_any_log_metric_answer_or_file_embedded() {
    journey(Engine::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_any_log_metric_answer_or_file_nats() {
    journey(Engine::Nats(NatsServer::start().await)).await;
}

/// The secrets: the name of the file of each, and its text.
fn secrets() -> BTreeMap<&'static str, String> {
    let canary = |what: &str| format!("canary-{what}-{:016x}{:016x}", rand::random::<u64>(), rand::random::<u64>());
    let mut secrets = BTreeMap::new();
    for name in
        ["integration", "old", "connection", "verify", "captured", "bearer", "password", "header", "api", "master"]
    {
        secrets.insert(name, canary(name));
    }
    secrets.insert("signing", format!("whsec_{}", STANDARD.encode(canary("signing"))));
    secrets.insert("wrong", canary("wrong"));
    secrets
}

fn config(section: &str, backend: &Backend) -> String {
    let destination = |id: &str, more: &str| {
        format!(
            "[[destination]]\nid = \"{id}\"\nurl = \"{}\"\nprivate = true\nsecrets = [{{ file = \"signing\" }}]\n\
             schedule = [\"0s\", \"100ms\"]\nfinal_statuses = [404]\n{more}\n",
            backend.url()
        )
    };
    format!(
        "[gateway]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n[store]\n{section}\n\
         [admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{{ file = \"api\" }}]\n\
         [secrets]\nmaster_keys = [{{ file = \"master\" }}]\n\
         [[integration]]\nid = \"github\"\nprovider = \"github\"\nunmatched = \"forward\"\n\
         secrets = [{{ file = \"integration\" }}, {{ file = \"old\", until = 2031-01-01T00:00:00Z }}]\n\
         [[integration]]\nid = \"gitlab\"\nprovider = \"gitlab\"\n\
         [[connection]]\nintegration = \"gitlab\"\nid = \"own\"\naccount = \"15\"\nsecrets = [{{ file = \"connection\" }}]\n\
         [[integration]]\nid = \"asana\"\nprovider = \"asana\"\n\
         [[connection]]\nintegration = \"asana\"\nid = \"acme\"\n\
         {}{}{}[[route]]\nid = \"all\"\nforward = [\"bearer\", \"basic\", \"header\"]\n",
        destination("bearer", "auth = { bearer = { file = \"bearer\" } }"),
        destination("basic", "auth = { basic = { user = \"gatepost\", password = { file = \"password\" } } }"),
        destination("header", "headers = { x-api-token = { file = \"header\" } }"),
    )
}

async fn journey(engine: Engine) {
    let backend = Backend::start().await;
    let secrets = secrets();
    let files: Vec<(&str, &str)> = secrets.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let home = Home::new(&config(&engine.section(), &backend), &files);
    if let Engine::Nats(_) = engine {
        home.init_store();
    }
    // Everything that our own crates could say, but not what HTTP libraries say of the bytes they move.
    let levels = "export GATEPOST_LOG=info,gatepost=trace,gatepost_gateway=trace,gatepost_router=trace,\
                  gatepost_event=trace,gatepost_admin=trace,gatepost_outbound=trace";
    let gatepost = home.start_after(levels, &[]);
    gatepost.ready().await;
    let mut seen = webhooks(&gatepost, &backend, &secrets).await;
    seen.extend(answers(&gatepost, &secrets).await);
    seen.extend(told(&home, &secrets));
    seen.push(("log", gatepost.stop().await.join("\n").into_bytes()));
    let folder = match &engine {
        Engine::Nats(server) => server.folder().to_owned(),
        _ => home.path("data"),
    };
    seen.extend(read(&folder).into_iter().map(|bytes| ("store", bytes)));

    let seen: Vec<_> = seen.iter().map(|(place, bytes)| (*place, String::from_utf8_lossy(bytes))).collect();
    for place in ["log", "metrics", "api", "store"] {
        let mut of_place = seen.iter().filter(|(name, _)| *name == place);
        let visible = if place == "log" || place == "metrics" { "github" } else { MARKER };
        assert!(of_place.any(|(_, text)| text.contains(visible)), "{visible} is not in the {place}");
    }
    for (name, secret) in &secrets {
        for form in forms(secret) {
            for (place, text) in &seen {
                assert!(!text.contains(&form), "the secret {name} is in the {place}");
            }
        }
    }
}

/// Sends what is genuine and what is not, with every secret; what was answered.
async fn webhooks(
    gatepost: &Gatepost,
    backend: &Backend,
    secrets: &BTreeMap<&'static str, String>,
) -> Vec<(&'static str, Vec<u8>)> {
    let address = gatepost.gateway().await;
    let mut seen = Vec::new();
    let mut send = async |target: &str, headers: &[(&str, &str)], body: &str, status: u16| {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let answer = post::post(&address, &format!("/webhooks/{target}"), headers, body).await.expect("an answer");
        assert_eq!(answer.status.as_u16(), status, "{target}: {headers:?}");
        seen.push(("answer", [answer.body.to_vec(), format!("{:?}", answer.headers).into_bytes()].concat()));
    };
    let (event, json) = (("x-github-event", "push"), ("content-type", "application/json"));
    for (n, (secret, status)) in [("integration", 200), ("old", 200), ("wrong", 401)].into_iter().enumerate() {
        let body = format!(r#"{{"n":{n},"seen":"{MARKER}"}}"#);
        let webhook = Webhook::signed(&secrets[secret], "push", &format!("canary-{n}"), body.clone());
        let headers =
            [json, event, ("x-github-delivery", &webhook.delivery), ("x-hub-signature-256", &webhook.signature)];
        send("github", &headers, &body, status).await;
        // Credentials where nobody wants them.
        let authorization = format!("Bearer {}", secrets["wrong"]);
        let more = [&headers[..3], &[("authorization", &*authorization), ("cookie", &secrets["wrong"])]].concat();
        send("github", &more, &body, 401).await;
    }
    let push = r#"{"object_kind":"push","project_id":15,"project":{"id":15}}"#;
    for (secret, status) in [("connection", 200), ("wrong", 401)] {
        let token: &str = &secrets[secret];
        for target in ["gitlab", "gitlab/own"] {
            send(target, &[json, ("x-gitlab-event", "Push Hook"), ("x-gitlab-token", token)], push, status).await;
        }
    }
    let (captured, given) = (&secrets["captured"], "asana/acme");
    let answer = post::post(&address, "/webhooks/asana/acme", &[("x-hook-secret", captured)], Bytes::from("{}")).await;
    assert_eq!(answer.expect("an answer").header("x-hook-secret"), captured, "which the handshake must say again");
    send(given, &[json, ("x-hook-secret", &secrets["wrong"])], "{}", 401).await;
    let body = r#"{"events":[{"created_at":"2026-11-22T17:04:05.1Z","action":"changed","resource":{"gid":"1"}}]}"#;
    let tag = hex(&hmac_sha256(captured.as_bytes(), body.as_bytes()));
    send(given, &[json, ("x-hook-signature", &tag)], body, 200).await;

    // Delivered, with every destination's credentials; then dead.
    let got = backend.wait_for(4, PATIENCE).await;
    let said = |name: &str, value: &str| got.iter().any(|delivery| delivery.header(name).contains(value));
    assert!(said("authorization", &secrets["bearer"]) && said("x-api-token", &secrets["header"]));
    backend.answer(404);
    let webhook = Webhook::signed(&secrets["integration"], "push", "canary-dead", format!(r#"{{"seen":"{MARKER}"}}"#));
    assert_eq!(webhook.post(&address, "github").await.expect("an answer").result(), "stored");
    eventually("dead letters", PATIENCE, async || {
        (gatepost.metric("gatepost_router_", "dead").await > 0.0).then_some(())
    })
    .await;
    seen
}

/// Everything that the API and the operations' listener say, to those who may ask and to those who may not.
async fn answers(gatepost: &Gatepost, secrets: &BTreeMap<&'static str, String>) -> Vec<(&'static str, Vec<u8>)> {
    let (admin, ops) = (gatepost.address("admin").await, gatepost.address("ops").await);
    let mut seen = Vec::new();
    for path in ["/metrics", "/readyz", "/livez"] {
        let answer = post::request(Method::GET, &ops, path, &[], Bytes::new()).await.expect("an answer");
        seen.push(("metrics", answer.body.to_vec()));
    }
    let right = format!("Bearer {}", secrets["api"]);
    let wrong = format!("Bearer {}", secrets["wrong"]);
    let get = async |path: &str, key: &str| {
        let headers = [("authorization", key), ("content-type", "application/json")];
        post::request(Method::GET, &admin, path, &headers, Bytes::new()).await.expect("an answer")
    };
    let kept = eventually("refused requests", PATIENCE, async || {
        let page = get("/v1/quarantine?limit=100", &right).await;
        let page: serde_json::Value = serde_json::from_slice(&page.body).expect("JSON");
        let items = page["items"].as_array().expect("a list").clone();
        (items.len() >= 6).then_some(items)
    })
    .await;
    let shown = kept.iter().map(|item| format!("/v1/quarantine/{}", item["request"].as_str().expect("an id")));
    let listed = [
        "/v1/events?include=body",
        "/v1/deliveries?status=dead",
        "/v1/destinations",
        "/v1/destinations/bearer",
        "/v1/destinations/basic",
        "/v1/replays",
        "/v1/releases",
        "/v1/quarantine",
        "/v1/nothing",
    ];
    for path in listed.map(str::to_owned).into_iter().chain(shown) {
        let answer = get(&path, &right).await;
        assert!(path.ends_with("nothing") || answer.status.is_success(), "{path}: {}", answer.status);
        seen.push(("api", answer.body.to_vec()));
        let refused = get(&path, &wrong).await;
        assert_eq!(refused.status.as_u16(), 401, "{path}");
        seen.push(("api", refused.body.to_vec()));
    }
    for body in [format!("{{\"nonsense\":\"{}\"}}", secrets["wrong"].len()), "[".to_owned()] {
        let headers = [("authorization", right.as_str()), ("content-type", "application/json")];
        let asked = post::request(Method::POST, &admin, "/v1/quarantine/release", &headers, body.into()).await;
        seen.push(("api", asked.expect("an answer").body.to_vec()));
    }
    seen
}

/// What commands say of configurations that are wrong about their secrets.
fn told(home: &Home, secrets: &BTreeMap<&'static str, String>) -> Vec<(&'static str, Vec<u8>)> {
    let good = std::fs::read_to_string(home.path("gatepost.toml")).expect("there");
    let inline = format!("\"{}\"", secrets["integration"]);
    let wrong = [
        good.replace("secrets = [{ file = \"integration\" }", &format!("secrets = [{inline}")),
        good.replace("{ file = \"bearer\" }", &inline),
        good.replace("secrets = [{ file = \"signing\" }]", "secrets = [{ file = \"wrong\" }]"),
        good.replace("api_keys = [{ file = \"api\" }]", &format!("api_keys = [{inline}]")),
    ];
    let mut seen = Vec::new();
    for (n, config) in wrong.into_iter().enumerate() {
        let name = format!("wrong-{n}.toml");
        home.write(&name, &config);
        let output = home.command(&["--config", &home.path(&name).to_string_lossy(), "check"]);
        seen.push(("error", [output.stdout, output.stderr].concat()));
    }
    seen
}

/// A secret as it may stand somewhere: as it is, in hexadecimal, and in base64 wherever it begins there.
fn forms(secret: &str) -> Vec<String> {
    let raw = secret.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
    let mut texts = vec![secret.to_owned()];
    texts.extend(raw.map(|raw| String::from_utf8(raw).expect("text")));
    let mut forms = Vec::new();
    for text in texts {
        forms.push(hex(text.as_bytes()));
        for offset in 0..3 {
            let shifted = STANDARD.encode([&"..."[..offset], &text].concat());
            // The first and the last characters hold bits of neighbours.
            forms.push(shifted[4..shifted.len() - 4].to_owned());
        }
        forms.push(text);
    }
    forms
}

/// Every file in a folder.
fn read(folder: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(read(&path)),
            path => found.extend(std::fs::read(path)),
        }
    }
    found
}
