//! Requests that are not genuine: none is stored, none is answered 2xx; beside each the same request, genuine.

use std::collections::BTreeSet;

use bytes::Bytes;
use gatepost_tests::{
    corpus,
    github::{self, Webhook},
    post,
};

use crate::setup::{Engine, Journey, SECRET, each_engine, unmatched};

each_engine!(no_forged_request_is_stored);

/// A forged request: what is wrong with it, its headers, its body.
type Forged = (String, Vec<(String, String)>, Bytes);

async fn no_forged_request_is_stored(engine: Engine) {
    let journey = Journey::new(engine, "park", &BTreeSet::new()).await;
    let gatepost = journey.run().await;
    let address = gatepost.gateway().await;
    let payloads = corpus::github(SECRET);

    let mut tried = 0;
    for (at, payload) in payloads.iter().enumerate().step_by(20) {
        for (what, headers, body) in forgeries(&payload.webhook, at) {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let answer = post::post(&address, "/webhooks/github", &headers, body).await.expect("an answer");
            assert_eq!(answer.status.as_u16(), 401, "{what}");
            assert_eq!(answer.result(), "", "{what}");
            let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert_eq!(body["error"], "signature_rejected", "{what}");
            assert_eq!(body["request_id"], answer.header("gatepost-request-id"), "{what}");
            tried += 1;
        }
        let control = payload.webhook.post(&address, "github").await.expect("an answer");
        assert_eq!((control.status.as_u16(), control.result()), (200, "unmatched"), "the positive control");
    }
    let controls = payloads.len().div_ceil(20);
    gatepost.stop().await;
    let store = journey.store().await;
    let stored = unmatched(&store).await.len();
    let census = store.census().await.expect("a census");
    store.close().await;
    assert_eq!(stored, controls, "only the controls are stored");
    assert_eq!(census.waiting() + census.ended.values().sum::<u64>(), 0, "and nothing else: {census:?}");
    assert!(journey.backend.got().is_empty(), "and nothing is delivered");
    println!("SIG: {tried} bad tried, 0 accepted; {controls} good tried, {controls} accepted");
    assert!(tried > 90 * controls, "{tried}");
}

/// Every way this journey knows to get a GitHub request wrong.
fn forgeries(webhook: &Webhook, seed: usize) -> Vec<Forged> {
    let good = webhook.signature.clone();
    let tag = good.trim_start_matches("sha256=").to_owned();
    let mut forged = Vec::new();
    let mut with = |what: String, signatures: &[&str], body: &Bytes| {
        let mut headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("x-github-event".to_owned(), webhook.event.clone()),
            ("x-github-delivery".to_owned(), format!("{}-{what}", webhook.delivery)),
        ];
        headers.extend(signatures.iter().map(|value| ("x-hub-signature-256".to_owned(), (*value).to_owned())));
        forged.push((what, headers, body.clone()));
    };

    for step in 0..8 {
        let at = (seed * 31 + step * webhook.body.len() / 8) % webhook.body.len();
        let mut body = webhook.body.to_vec();
        body[at] ^= 1;
        with(format!("byte {at} changed"), &[&good], &body.into());
    }
    let longer = Bytes::from([&webhook.body[..], b"\n"].concat());
    with("a line feed after the body".to_owned(), &[&good], &longer);
    with("no body".to_owned(), &[&good], &Bytes::new());
    with("no signature".to_owned(), &[], &webhook.body);
    with("an empty signature".to_owned(), &[""], &webhook.body);
    with("only the label".to_owned(), &["sha256="], &webhook.body);
    with("the signature twice".to_owned(), &[&good, &good], &webhook.body);
    with("good then bad".to_owned(), &[&good, "sha256=00"], &webhook.body);
    with("bad then good".to_owned(), &["sha256=00", &good], &webhook.body);
    with("comma-joined".to_owned(), &[&format!("{good}, {good}")], &webhook.body);
    for length in 0..tag.len() {
        with(format!("cut to {length}"), &[&format!("sha256={}", &tag[..length])], &webhook.body);
    }
    with("one digit more".to_owned(), &[&format!("{good}0")], &webhook.body);
    for label in ["sha1=", "sha512=", "md5=", "v1=", "SHA256=", "sha256 ", "sha256:", ""] {
        with(format!("labelled {label:?}"), &[&format!("{label}{tag}")], &webhook.body);
    }
    for secret in ["another integration's secret", "", " it's a secret to everybody", "it's a secret to everybody\n"] {
        let tag = github::hex(&github::hmac_sha256(secret.as_bytes(), &webhook.body));
        with(format!("secret {secret:?}"), &[&format!("sha256={tag}")], &webhook.body);
    }
    forged
}
