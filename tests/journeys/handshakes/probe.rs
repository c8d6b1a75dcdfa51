//! Providers that try the address with requests that are wrong on purpose, or look at more than a status.

use std::sync::Arc;

use gatepost_config::{
    Provider, Secret, Timestamp,
    provider::{Catalogue, Method},
};
use gatepost_gateway::sign::{Unsigned, sign_as};
use gatepost_tests::{
    gatepost::{Gatepost, Home},
    post::{self, Answer},
};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

/// Xero's and Adobe's.
const SECRET: &str = "a-secret-that-nobody-uses-0001";

struct Rig {
    gatepost: Gatepost,
    _home: Home,
    address: String,
}

impl Rig {
    async fn start(provider: &str, secret: &str) -> Self {
        let config = format!(
            "[gateway]\nlisten = \"127.0.0.1:0\"\n\n[ops]\nlisten = \"127.0.0.1:0\"\n\n\
             [store]\nengine = \"embedded\"\npath = \"data\"\n\n\
             [[integration]]\nid = \"{provider}\"\nprovider = \"{provider}\"\nsecrets = [{{ file = \"secret\" }}]\n"
        );
        let home = Home::new(&config, &[("secret", secret)]);
        let gatepost = home.run(&[]).await;
        let address = gatepost.gateway().await;
        Self { gatepost, _home: home, address }
    }

    async fn send(&self, method: http::Method, provider: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let body = bytes::Bytes::copy_from_slice(body.as_bytes());
        post::request(method, &self.address, &format!("/webhooks/{provider}"), headers, body).await.expect("an answer")
    }
}

fn provider(name: &str) -> Arc<Provider> {
    Catalogue::builtin().0.into_values().find(|provider| provider.name.as_str() == name).expect(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn xero_s_intent_to_receive_is_answered_by_status_alone() {
    let rig = Rig::start("xero", SECRET).await;
    let body = r#"{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"S0m3r4nd0m"}"#;
    let url = "https://hooks.example.com/webhooks/xero".parse().expect("a URL");
    let unsigned = Unsigned { method: &http::Method::POST, url: &url, headers: &[], body: body.as_bytes() };
    let secret = Secret::new(SECRET.into(), "the test");
    let signed = sign_as(&provider("xero"), &secret, &std::collections::BTreeMap::new(), &unsigned, Timestamp::now());
    let good = signed.expect("it is signed").into_iter().next().expect("a signature").1;
    let mut wrong = good.clone();
    wrong.replace_range(0..1, if good.starts_with('A') { "B" } else { "A" });
    // In Xero's own order: some right, some wrong, at once.
    for (signature, status) in [(&good, 200), (&wrong, 401), (&good, 200), (&wrong, 401)] {
        let answer = rig.send(http::Method::POST, "xero", &[("x-xero-signature", signature)], body).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0), "{signature}");
        assert!(answer.headers.get("set-cookie").is_none());
    }
    assert_eq!(rig.send(http::Method::POST, "xero", &[], body).await.status.as_u16(), 401);
    rig.gatepost.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn discord_s_probes_are_answered_by_what_their_signature_is_worth() {
    let document = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).expect("a key");
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("its own");
    let rig = Rig::start("discord", &hex(pair.public_key().as_ref())).await;
    let now = (Timestamp::now().millis() / 1_000).to_string();
    let sign = |body: &str| hex(pair.sign(format!("{now}{body}").as_bytes()).as_ref());
    for (body, status, said) in [
        (r#"{"application_id":"1","type":1,"version":1}"#, 200, r#"{"type":1}"#),
        (r#"{"application_id":"1","type":0,"version":1}"#, 204, ""),
    ] {
        let good = sign(body);
        let mut wrong = good.clone();
        wrong.replace_range(10..11, if good.as_bytes()[10] == b'0' { "1" } else { "0" });
        let stamped = ("x-signature-timestamp", now.as_str());
        for signature in [wrong.as_str(), &"0".repeat(128), "", &sign("another body")] {
            let headers = [stamped, ("x-signature-ed25519", signature)];
            let answer = rig.send(http::Method::POST, "discord", &headers, body).await;
            assert_eq!((answer.status.as_u16(), answer.result()), (401, ""), "{body} {signature}");
        }
        let answer = rig.send(http::Method::POST, "discord", &[stamped, ("x-signature-ed25519", &good)], body).await;
        assert_eq!((answer.status.as_u16(), answer.result()), (status, "handshake"), "{body}");
        assert_eq!(answer.body, said, "{body}");
        assert!(!answer.header("content-type").is_empty(), "{body}");
    }
    rig.gatepost.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn adobe_sign_sees_its_client_id_in_every_answer_and_nobody_else_does() {
    assert_eq!(provider("adobe-sign").methods, [Method::Get, Method::Post]);
    let rig = Rig::start("adobe-sign", SECRET).await;
    let event = r#"{"webhookId":"w1","webhookNotificationId":"n1","event":"AGREEMENT_CREATED"}"#;
    for (method, body, result) in [(http::Method::GET, "", "handshake"), (http::Method::POST, event, "unmatched")] {
        let id = |id| [("x-adobesign-clientid", id)];
        let answer = rig.send(method.clone(), "adobe-sign", &id(SECRET), body).await;
        assert_eq!((answer.status.as_u16(), answer.result()), (200, result), "{method}");
        assert_eq!(answer.header("x-adobesign-clientid"), SECRET, "{method}");
        for other in ["somebody-else", ""] {
            let answer = rig.send(method.clone(), "adobe-sign", &id(other), body).await;
            assert_eq!((answer.status.as_u16(), answer.header("x-adobesign-clientid")), (401, ""), "{method} {other}");
        }
        assert_eq!(rig.send(method.clone(), "adobe-sign", &[], body).await.status.as_u16(), 401, "{method}");
    }
    rig.gatepost.stop().await;
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
