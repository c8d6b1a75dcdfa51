//! Every row of the table of answers, checked on the wire and in the store.

use gatepost_config::{ByteSize, Timestamp};

use crate::{
    client::Ask,
    rig::{GITHUB, Rig, config, github},
};

const ACME: &str = r#"{"action":"opened","installation":{"id":12345678}}"#;
const NOBODY: &str = r#"{"installation":{"id":1}}"#;

#[tokio::test]
async fn stored_then_duplicate_then_unmatched() {
    let rig = Rig::start(GITHUB).await;
    let genuine = rig.signed(github("d-1", ACME), Timestamp::now());
    let first = rig.ask(&genuine).await;
    assert_eq!((first.status, first.result(), first.body.as_str()), (200, "stored", ""));
    assert!(first.request_id().starts_with("req_"));
    let again = rig.ask(&genuine).await;
    assert_eq!((again.status, again.result()), (200, "duplicate"));
    assert_ne!(again.request_id(), first.request_id());
    let unclaimed = rig.signed(github("d-2", NOBODY), Timestamp::now());
    assert_eq!(rig.ask(&unclaimed).await.result(), "unmatched");
    assert_eq!(rig.ask(&unclaimed).await.result(), "duplicate");

    let events = rig.logged().await;
    assert_eq!(events.len(), 1);
    let meta = &events[0].meta;
    assert_eq!(events[0].body, ACME.as_bytes(), "the provider's own bytes");
    assert_eq!(meta.kind, "github.push.opened");
    assert_eq!(meta.provider_type.as_deref(), Some("push"));
    assert_eq!(meta.provider_event_id.as_deref(), Some("d-1"));
    assert_eq!(meta.connection.as_ref().map(|id| id.as_str()), Some("acme"));
    assert_eq!(meta.tenant.as_ref().map(|id| id.as_str()), Some("acme-inc"));
    assert_eq!(meta.account.as_deref(), Some("12345678"));
    assert_eq!(meta.request.to_string(), first.request_id());
    assert_eq!(meta.id, gatepost_event::EventId::of("github", "acme", "d-1", None));
    let names: Vec<_> = meta.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-type", "x-github-delivery", "x-github-event"], "the list's order, no signature");
    let parked = rig.parked().await;
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].meta.id, gatepost_event::EventId::of("github", "account:1", "d-2", None));
    assert_eq!((&parked[0].meta.connection, parked[0].meta.account.as_deref()), (&None, Some("1")));

    for (result, count) in [("stored", 1), ("duplicate", 2), ("unmatched", 1)] {
        let labels = [("integration", "github"), ("result", result)];
        assert_eq!(rig.counted("gatepost_gateway_requests_total", &labels), count, "{result}");
    }
    assert_eq!(rig.counted("gatepost_gateway_inflight_requests", &[]), 0);
    rig.stop().await;
}

#[tokio::test]
async fn a_refused_request_says_nothing_and_is_kept_with_its_reason() {
    let rig = Rig::start(GITHUB).await;
    let genuine = rig.signed(github("d-1", ACME), Timestamp::now());
    let forged = Ask { body: ACME.replace("opened", "closed").into(), ..genuine.clone() };
    let forged = forged.header("cookie", "session=1").header("authorization", "Bearer 1").header("x-other", "1");
    let answer = rig.ask(&forged).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.result(), "");
    let id = answer.request_id();
    assert_eq!(answer.body, format!(r#"{{"error":"signature_rejected","request_id":"{id}"}}"#));
    assert_eq!(rig.stored().await, 0);
    assert_eq!(rig.ask(&genuine).await.result(), "stored", "the positive control");

    let kept = rig.quarantined("github", 1).await;
    assert_eq!(kept[0].request.to_string(), id);
    assert_eq!(kept[0].reason, "signature_mismatch");
    assert_eq!(kept[0].body, forged.body);
    assert_eq!(kept[0].target, "/webhooks/github");
    let mut names: Vec<_> = kept[0].headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-type", "x-github-delivery", "x-github-event", "x-hub-signature-256"]);
    let labels = [("integration", "github"), ("reason", "signature_mismatch")];
    assert_eq!(rig.counted("gatepost_gateway_refusals_total", &labels), 1);
    rig.stop().await;
}

#[tokio::test]
async fn only_one_spelling_of_a_path_leads_somewhere() {
    let rig = Rig::start(&format!("nango_environments = [\"prod\"]\n{GITHUB}")).await;
    let genuine = |target: &str| {
        let ask = rig.signed(github(target, ACME), Timestamp::now());
        Ask { target: target.into(), ..ask }
    };
    for good in ["/webhooks/github", "/webhook/prod/github", "/webhooks/github?x=1", "/webhooks/github/acme"] {
        assert_eq!(rig.ask(&genuine(good)).await.result(), "stored", "{good}");
    }
    let stored = rig.stored().await;
    for bad in [
        "/",
        "/webhooks",
        "/webhooks/",
        "/webhooks/gitlab",
        "/webhooks/GitHub",
        "/webhooks/github/",
        "/webhooks/github/nobody",
        "/webhooks/github/acme/",
        "/webhooks/github/acme/x",
        "//webhooks/github",
        "/webhooks//github",
        "/webhooks/%67ithub",
        "/webhooks/github%2Facme",
        "/webhooks/./github",
        "/webhooks/x/../github",
        "/webhooks/%2e%2e/webhooks/github",
        "/webhooks/github;x",
        "/WEBHOOKS/github",
        "/webhook/dev/github",
        "/webhook/prod/gitlab",
        "/webhook/prod/github/acme",
    ] {
        let answer = rig.ask(&genuine(bad)).await;
        assert_eq!(answer.status, 404, "{bad}");
        let id = answer.request_id();
        assert_eq!(answer.body, format!(r#"{{"error":"unknown_endpoint","request_id":"{id}"}}"#), "{bad}");
    }
    assert_eq!(rig.stored().await, stored);
    rig.stop().await;
}

#[tokio::test]
async fn a_method_size_or_encoding_that_the_provider_does_not_use_is_named() {
    let mut settings = config(GITHUB);
    let mut provider = settings.integrations[0].provider.as_ref().clone();
    provider.body_max = ByteSize(100);
    settings.integrations[0].provider = provider.into();
    let rig = Rig::start_with(settings).await;
    let genuine = rig.signed(github("d-1", ACME), Timestamp::now());

    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        let answer = rig.ask(&Ask { method: method.into(), ..genuine.clone() }).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "{method}");
        assert!(method == "HEAD" || answer.body.contains(r#""error":"method_not_allowed""#), "{method}");
        assert!(!answer.request_id().is_empty());
    }
    for encoding in ["gzip", "br", "zstd", "deflate", "gzip, gzip", "identity, gzip", "x", ""] {
        let answer = rig.ask(&genuine.clone().header("content-encoding", encoding)).await;
        assert_eq!(answer.status, 415, "{encoding}");
        assert!(answer.body.contains(r#""error":"unsupported_encoding""#), "{encoding}");
    }
    let large = |size: usize| rig.signed(github(&size.to_string(), &"x".repeat(size)), Timestamp::now());
    let answer = rig.ask(&large(101)).await;
    let id = answer.request_id();
    assert_eq!(answer.status, 413);
    assert_eq!(answer.body, format!(r#"{{"error":"body_too_large","limit":100,"request_id":"{id}"}}"#));
    assert_eq!(rig.stored().await, 0);

    assert_eq!(rig.ask(&large(100)).await.status, 200, "the positive control");
    let identity = rig.ask(&genuine.header("content-encoding", "identity")).await;
    assert_eq!(identity.result(), "stored", "the positive control");
    rig.stop().await;
}

#[tokio::test]
async fn the_catalogues_own_answers_are_given() {
    let text = r#"
[[provider]]
name = "picky"
title = "Picky"
secret_scope = "app"
responses = { accepted_status = 202, accepted_body = "Hello API Event Received", refused_status = 403 }
[[provider.scheme]]
id = "v1"
kind = "hmac"
hash = "sha1"
signature = { from = "header:x-sig", encoding = "base64" }
signed = "{body}"
[provider.event]
type = "json:/type"
[[integration]]
id = "picky"
provider = "picky"
secrets = [{ env = "SECRET" }]
"#;
    let rig = Rig::start(text).await;
    let genuine = rig.signed(Ask::post("/webhooks/picky", r#"{"type":"Order Paid/Now"}"#), Timestamp::now());
    let answer = rig.ask(&genuine).await;
    assert_eq!((answer.status, answer.body.as_str()), (202, "Hello API Event Received"));
    assert_eq!((answer.result(), answer.header("content-type")), ("unmatched", "text/plain; charset=utf-8"));
    let refused = rig.ask(&genuine.without("x-sig")).await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("signature_rejected"));
    assert_eq!(rig.parked().await[0].meta.kind, "picky.order.paid.now");
    rig.stop().await;
}

#[tokio::test]
async fn too_many_bytes_in_flight_are_answered_503_and_freed_again() {
    let mut settings = config(GITHUB);
    settings.gateway.inflight_bytes_max = ByteSize(60);
    let rig = Rig::start_with(settings).await;
    let genuine = |size: usize| rig.signed(github(&size.to_string(), &"x".repeat(size)), Timestamp::now());
    for _ in 0..3 {
        let answer = rig.ask(&genuine(61)).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "5"));
        assert!(answer.body.contains(r#""error":"unavailable""#));
        assert_eq!(rig.ask(&genuine(60)).await.status, 200, "the positive control");
    }
    assert_eq!(rig.counted("gatepost_gateway_requests_total", &[("result", "overloaded")]), 3);
    assert_eq!(rig.stored().await, 1);
    rig.stop().await;
}

#[tokio::test]
async fn another_configuration_takes_effect_with_the_next_request() {
    let rig = Rig::start(GITHUB).await;
    let genuine = rig.signed(github("d-1", ACME), Timestamp::now());
    let renamed = Ask { target: "/webhooks/hub".into(), ..genuine.clone() };
    assert_eq!(rig.ask(&renamed).await.status, 404);
    let next = config(
        &GITHUB
            .replace("\"github\"\nprovider", "\"hub\"\nprovider")
            .replace("integration = \"github\"", "integration = \"hub\""),
    );
    rig.publish.send_replace(next.into());
    let wait = async { while rig.ask(&renamed).await.status != 200 {} };
    tokio::time::timeout(crate::client::PATIENCE, wait).await.expect("in time");
    assert_eq!(rig.ask(&genuine).await.status, 404, "the old name is gone");
    rig.stop().await;
}
