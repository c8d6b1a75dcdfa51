//! Bodies that are not JSON, compressed ones, and ones that hold a secret, through the true binary: each kind stored as
//! it should be, and abused in vain.

mod abuse;

use std::{fs, path::Path};

use bytes::Bytes;
use gatepost_config::provider::{Catalogue, Provider, Vector};
use gatepost_tests::{
    backend::{Backend, Delivery},
    gatepost::{Gatepost, Home},
    post::{self, Answer},
};
use http::Method;
use serde_json::{Value, json};

use crate::setup::{PATIENCE, SIGNING, open, unmatched};

/// A provider of the catalogue on a running Gatepost, with the secret of one of its vectors.
struct Rig {
    home: Home,
    backend: Backend,
    gatepost: Gatepost,
    address: String,
    vector: Vector,
}

impl Rig {
    /// Starts it with a connection for each account, and everything else parked.
    async fn start(provider: &str, vector: Option<&str>, accounts: &[&str]) -> Self {
        let known = Catalogue::builtin().0.into_values().find(|known| known.name.as_str() == provider);
        let known: std::sync::Arc<Provider> = known.expect("the catalogue has it");
        let mut vectors = known.vectors.iter();
        let vector = vectors.find(|known| known.name.as_deref() == vector).expect("the vector").clone();
        let backend = Backend::start().await;
        let mut files = vec![("secret".to_owned(), vector.secret.clone()), ("signing".to_owned(), SIGNING.to_owned())];
        let mut text = format!(
            "[gateway]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://hooks.example.com\"\n\n\
             [ops]\nlisten = \"127.0.0.1:0\"\n\n[store]\nengine = \"embedded\"\npath = \"data\"\n\n\
             [[integration]]\nid = \"it\"\nprovider = \"{provider}\"\nsecrets = [{{ file = \"secret\" }}]\n"
        );
        for (name, value) in &vector.values {
            files.push((format!("value-{name}"), value.clone()));
            text += &format!("values.{name} = {{ file = \"value-{name}\" }}\n");
        }
        for (n, account) in accounts.iter().enumerate() {
            text += &format!("\n[[connection]]\nintegration = \"it\"\nid = \"c{n}\"\naccount = \"{account}\"\n");
        }
        text += &format!(
            "\n[[destination]]\nid = \"backend\"\nurl = \"{}\"\nprivate = true\nsecrets = [{{ file = \"signing\" }}]\n\n\
             [[route]]\nid = \"all\"\nforward = [\"backend\"]\n",
            backend.url()
        );
        let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let home = Home::new(&text, &files);
        let gatepost = home.run(&[]).await;
        let address = gatepost.gateway().await;
        Self { home, backend, gatepost, address, vector }
    }

    /// Sends the vector with another body.
    async fn send(&self, body: impl Into<Bytes>) -> Answer {
        self.send_with(&[], body).await
    }

    /// The same with other headers too.
    async fn send_with(&self, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let kept = self.vector.headers.iter().filter(|(name, _)| headers.iter().all(|(other, _)| other != name));
        let kept = kept.map(|(name, value)| (name.as_str(), value.as_str()));
        let all: Vec<_> = kept.chain(headers.iter().copied()).collect();
        let query = self.vector.target.split_once('?').map_or_else(String::new, |(_, query)| format!("?{query}"));
        let path = format!("/webhooks/it{query}");
        post::request(Method::POST, &self.address, &path, &all, body.into()).await.expect("an answer")
    }

    async fn delivered(&self, count: usize) -> Vec<Delivery> {
        let deliveries = self.backend.wait_for(count, PATIENCE).await;
        assert_eq!(deliveries.len(), count);
        deliveries
    }

    /// Ends it: what was parked, how many requests were refused, and everything that is stored.
    async fn stop(self) -> Left {
        let log = self.gatepost.stop().await.join("\n");
        let disk = files(&self.home.path("data"));
        let store = open(&self.home).await;
        let parked = unmatched(&store).await.len();
        let refused = store.quarantined(None).await.expect("readable").len();
        let events = store.events(0, 0, 1000).await.expect("readable").into_iter();
        let unpacked: Vec<u8> =
            events.flat_map(|stored| stored.event.expect("readable").to_frame().expect("a frame")).collect();
        store.close().await;
        Left { parked, refused, disk: [disk, unpacked, log.into_bytes()].concat() }
    }
}

/// What is left when a rig has stopped.
struct Left {
    parked: usize,
    refused: usize,
    /// Every byte of the store's files, of its events as they were before they were packed, and of the log.
    disk: Vec<u8>,
}

impl Left {
    fn holds(&self, text: &str) -> bool {
        self.disk.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

/// Every byte of every file of a folder.
fn files(folder: &Path) -> Vec<u8> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { fs::read(path).expect("a file") }).collect()
}

fn decoded(delivery: &Delivery) -> Vec<u8> {
    let envelope = delivery.envelope();
    assert_eq!(envelope["data"], Value::Null);
    let text = envelope["data_base64"].as_str().expect("base64").to_owned();
    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).expect("base64")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_notification_of_a_soap_message_is_an_event_and_the_message_is_acknowledged() {
    let rig = Rig::start("salesforce-outbound", Some("two notifications"), &["00D000000acme01AAA"]).await;
    let good = String::from_utf8(rig.vector.body.clone()).expect("text");
    for (what, bad) in abuse::of_soap(&good) {
        let answer = rig.send(bad).await;
        assert_eq!((answer.status.as_u16(), answer.result()), (401, ""), "{what}");
    }
    let answer = rig.send(good.clone()).await;
    assert_eq!((answer.status.as_u16(), answer.result()), (200, "stored"), "the positive control");
    assert!(answer.header("content-type").starts_with("text/xml"));
    assert!(String::from_utf8_lossy(&answer.body).contains("<Ack>true</Ack>"));
    assert_eq!(rig.send(good.clone()).await.result(), "duplicate");

    let deliveries = rig.delivered(2).await;
    for (id, kind) in [("04l000000acme01AAA", "lead"), ("04l000000acme02AAA", "rocket_skate__c")] {
        let delivery = deliveries.iter().find(|delivery| delivery.envelope()["provider_event_id"] == id);
        let delivery = delivery.expect("delivered");
        assert_eq!(delivery.envelope()["type"], format!("salesforce-outbound.{kind}"));
        assert_eq!(
            (&delivery.envelope()["connection"], &delivery.envelope()["trust"]),
            (&json!("c0"), &json!("authenticated"))
        );
        let item = String::from_utf8(decoded(delivery)).expect("text");
        assert!(
            item.starts_with("<Notification>") && item.ends_with("</Notification>") && good.contains(&item),
            "{item}"
        );
    }
    let left = rig.stop().await;
    assert_eq!((left.parked, left.refused), (0, abuse::of_soap(&good).len()));
    assert!(!left.holds("00D000000acme01!AQ"), "the session's id is on the disk");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_is_an_event_of_its_own_project() {
    let rig = Rig::start("vercel-log-drains", Some("two projects, one a line"), &["prj_acme01"]).await;
    let good = rig.vector.body.clone();
    assert_eq!(rig.send([&good[..], b"\n"].concat()).await.status.as_u16(), 401, "a line more");
    assert_eq!(rig.send(good[..good.len() - 1].to_vec()).await.status.as_u16(), 401, "the last line feed lost");
    assert_eq!(rig.send(good.clone()).await.result(), "stored", "the positive control");
    assert_eq!(rig.send(good.clone()).await.result(), "duplicate");
    let deliveries = rig.delivered(1).await;
    assert_eq!(deliveries[0].data(), good.split(|b| *b == b'\n').next().expect("a line"), "the line's own bytes");
    let left = rig.stop().await;
    assert_eq!((left.parked, left.refused), (1, 2), "the other project's line waits");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_in_parts_is_read_as_one_and_not_in_two_ways() {
    let account = "63522885f9261e2b04eea043933ee7313eb674fd";
    let rig = Rig::start("dropbox-sign", Some("form in parts"), &[account]).await;
    let good = String::from_utf8(rig.vector.body.clone()).expect("text");
    let cases = abuse::of_parts(&good);
    for (what, bad) in &cases {
        let answer = rig.send(bad.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.result()), (401, ""), "{what}");
    }
    let answer = rig.send(good).await;
    assert_eq!((answer.status.as_u16(), answer.result()), (200, "stored"), "the positive control");
    assert_eq!(answer.body, "Hello API Event Received");
    let deliveries = rig.delivered(1).await;
    assert_eq!(deliveries[0].envelope()["connection"], "c0");
    assert!(deliveries[0].data().starts_with(b"{\"event\":"), "the field's own bytes");
    assert_eq!(rig.stop().await.refused, cases.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_body_is_read_where_the_provider_declares_it_and_checked_as_it_signs() {
    // Nylas signs what is sent and needs no time.
    let rig = Rig::start("nylas", Some("compressed"), &["1e3288f6-124e-405d-a13a-635a2ee54eb2"]).await;
    let good = rig.vector.body.clone();
    for (what, bad) in abuse::of_gzip(&good) {
        assert_eq!(rig.send(bad).await.status.as_u16(), 401, "{what}");
    }
    for encoding in ["br", "gzip, gzip"] {
        assert_eq!(rig.send_with(&[("content-encoding", encoding)], good.clone()).await.status.as_u16(), 415);
    }
    assert_eq!(rig.send(good).await.result(), "stored", "the positive control");
    let deliveries = rig.delivered(1).await;
    assert_eq!(deliveries[0].envelope()["type"], "nylas.message.created");
    assert!(deliveries[0].data().starts_with(b"{\"specversion\""), "decompressed");
    rig.stop().await;

    // Stream signs what was compressed.
    let rig = Rig::start("getstream", Some("compressed"), &["acmekey01"]).await;
    let good = rig.vector.body.clone();
    for (what, bad) in abuse::of_gzip(&good) {
        assert_eq!(rig.send(bad).await.status.as_u16(), 401, "{what}");
    }
    let bomb = rig.send(abuse::bomb(3 << 20)).await;
    assert_eq!(bomb.status.as_u16(), 413, "a bomb");
    assert_eq!(rig.send(good).await.result(), "stored", "the positive control");
    assert!(rig.delivered(1).await[0].data().starts_with(b"{\"type\":\"message.new\""), "decompressed");
    rig.stop().await;

    // Aircall never compresses.
    let rig = Rig::start("aircall", None, &["7002"]).await;
    let plain = rig.vector.body.clone();
    assert_eq!(rig.send_with(&[("content-encoding", "gzip")], abuse::gzip(&plain)).await.status.as_u16(), 415);
    assert_eq!(rig.send(plain).await.result(), "stored", "the positive control");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_inside_a_body_is_on_no_disk_and_in_no_delivery() {
    let providers = [
        ("figma", None, "22", "a-secret-that-nobody-uses"),
        ("meraki", None, "2930418", "a-secret-that-nobody-uses"),
        ("aircall", None, "7002", "a-secret-that-nobody-uses"),
        ("microsoft-graph", Some("two items"), "sub1", "graph-client-state-of-nobody-0001"),
    ];
    for (provider, vector, account, canary) in providers {
        let rig = Rig::start(provider, vector, &[account]).await;
        let good = String::from_utf8(rig.vector.body.clone()).expect("text");
        assert!(good.contains(canary), "{provider}");
        // The right secret in requests that are refused: told twice, cut short, in a body that is no JSON.
        let twice = good.replacen('{', &format!("{{\"x\":1,\"x\":2,{}", abuse::doubled(&good, canary)), 1);
        for (what, bad) in
            [("twice", twice), ("cut", good[..good.len() - 1].to_owned()), ("text", format!("text {good}"))]
        {
            assert_eq!(rig.send(bad).await.status.as_u16(), 401, "{provider}: {what}");
        }
        let wrong = good.replacen(canary, &canary.replace('a', "b"), 1);
        assert_eq!(rig.send(wrong.clone()).await.status.as_u16(), 401, "{provider}: another secret");
        assert!(rig.send(good.clone()).await.status.is_success(), "the positive control");
        let delivery = rig.delivered(1).await.remove(0);
        let data = String::from_utf8(delivery.data().to_vec()).expect("text");
        assert!(good.replace(canary, &"*".repeat(canary.len())).contains(&data), "{provider}: {data}");
        assert!(data.contains(&"*".repeat(canary.len())), "{provider}: at the same length");
        assert_eq!(delivery.envelope()["redacted"], true, "{provider}");
        let left = rig.stop().await;
        assert_eq!(left.refused, 4, "{provider}");
        assert!(left.holds(&"*".repeat(canary.len())), "{provider}: the positive control: what is stored is found");
        assert!(!left.holds(canary), "{provider}: the secret is on the disk");
        assert!(!left.holds(&canary.replace('a', "b")), "{provider}: a refused secret is on the disk");
    }
}
