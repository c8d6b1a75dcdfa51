//! Challenges: answered after their proof, echoed harmlessly, stored never.

use gatepost_config::Timestamp;

use crate::{
    client::Ask,
    rig::{Rig, SECRET},
};

const PROVIDERS: &str = r#"
[[integration]]
id = "slack"
provider = "slack"
secrets = [{ env = "SECRET" }]

[[integration]]
id = "ringcentral"
provider = "ringcentral"
secrets = [{ env = "SECRET" }]

[[provider]]
name = "hub"
title = "Hub"
methods = ["GET", "HEAD", "POST"]
secret_scope = "app"
values = { verify_token = "any text" }
[[provider.scheme]]
id = "sha256"
kind = "hmac"
hash = "sha256"
signature = { from = "header:x-hub-signature-256", prefix = "sha256=", encoding = "hex" }
signed = "{body}"
[[provider.handshake]]
method = "GET"
when = { "query:hub.mode" = "subscribe", "query:hub.verify_token" = { value = "verify_token" } }
verified = false
respond = { body = "{query:hub.challenge}" }
[provider.event]
type = "json:/object"

[[integration]]
id = "hub"
provider = "hub"
secrets = [{ env = "SECRET" }]
values = { verify_token = { env = "TOKEN" } }
"#;

fn subscribe(token: &str, challenge: &str) -> Ask {
    Ask::get(&format!("/webhooks/hub?hub.mode=subscribe&hub.verify_token={token}&hub.challenge={challenge}"))
}

const TOKEN: &str = "the+value+of+TOKEN";

#[tokio::test]
async fn a_challenge_with_the_token_is_echoed_as_plain_text_and_nothing_is_stored() {
    let rig = Rig::start(PROVIDERS).await;
    let answer = rig.ask(&subscribe(TOKEN, "11-58_20.1=")).await;
    assert_eq!((answer.status, answer.result(), answer.body.as_str()), (200, "handshake", "11-58_20.1="));
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-security-policy"), "default-src 'none'");
    assert!(!answer.request_id().is_empty());
    assert_eq!(rig.stored().await, 0);
    assert_eq!(rig.counted("gatepost_gateway_requests_total", &[("result", "handshake")]), 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_wrong_token_or_an_unfit_challenge_is_refused_without_an_echo() {
    let rig = Rig::start(PROVIDERS).await;
    let mut refused = 0;
    for token in ["", "wrong", "the+value+of+TOKE", "the+value+of+TOKENS", "THE+VALUE+OF+TOKEN"] {
        let answer = rig.ask(&subscribe(token, "12345")).await;
        assert_eq!(answer.status, 401, "{token}");
        assert!(!answer.body.contains("12345"), "{token}");
        refused += 1;
    }
    let long = "a".repeat(257);
    for challenge in
        ["", "%3Cscript%3E", "a%0d%0ab", "a+b", "[1]", "%00", "a%2Fb", "%22", "%C3%A9", &long, "1&hub.challenge=2"]
    {
        let answer = rig.ask(&subscribe(TOKEN, challenge)).await;
        assert_eq!(answer.status, 401, "{challenge}");
        assert!(answer.body.contains("signature_rejected") && answer.result().is_empty(), "{challenge}");
        refused += 1;
    }
    let control = rig.ask(&subscribe(TOKEN, &"a".repeat(256))).await;
    assert_eq!(control.status, 200, "the positive control");
    let reasons: Vec<_> = rig.quarantined("hub", refused).await.into_iter().map(|kept| kept.reason).collect();
    assert!(reasons.contains(&"handshake_token_mismatch".into()) && reasons.contains(&"handshake_malformed".into()));
    let bare = rig.ask(&Ask::get("/webhooks/hub")).await;
    assert_eq!(bare.status, 401, "a GET that is no handshake is a request without a signature");
    rig.stop().await;
}

#[tokio::test]
async fn a_signed_challenge_must_be_signed() {
    let rig = Rig::start(PROVIDERS).await;
    let challenge = Ask::post("/webhooks/slack", r#"{"type":"url_verification","challenge":"3eZbrw1a"}"#)
        .header("content-type", "application/json");
    let unsigned = rig.ask(&challenge).await;
    assert_eq!((unsigned.status, unsigned.body.contains("3eZbrw1a")), (401, false));
    let answer = rig.ask(&rig.signed(challenge.clone(), Timestamp::now())).await;
    assert_eq!((answer.status, answer.result(), answer.body.as_str()), (200, "handshake", "3eZbrw1a"));
    for hostile in [
        r#"{"type":"url_verification","challenge":"<b>"}"#,
        r#"{"type":"url_verification","challenge":["a"]}"#,
        r#"{"type":"url_verification"}"#,
        r#"{"type":"url_verification","challenge":"a","challenge":"b"}"#,
    ] {
        let ask = Ask { body: hostile.into(), ..challenge.clone() };
        assert_eq!(rig.ask(&rig.signed(ask, Timestamp::now())).await.status, 401, "{hostile}");
    }
    assert_eq!(rig.stored().await, 0);
    assert!(!SECRET.is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn a_challenge_in_a_header_is_echoed_in_a_header_and_an_event_that_has_one_too_is_kept() {
    let rig = Rig::start(PROVIDERS).await;
    let validation = Ask::post("/webhooks/ringcentral", "").header("validation-token", "8f2a-1c5e");
    let answer = rig.ask(&validation).await;
    assert_eq!((answer.status, answer.result(), answer.body.as_str()), (200, "handshake", ""));
    assert_eq!(answer.header("validation-token"), "8f2a-1c5e");
    let hostile = Ask::post("/webhooks/ringcentral", "").header("validation-token", "a\tb");
    let refused = rig.ask(&hostile).await;
    assert_eq!(refused.status, 401);
    assert!(!refused.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("validation-token")));
    assert_eq!(rig.stored().await, 0);
    let event = Ask::post("/webhooks/ringcentral", r#"{"uuid":"1","event":"/presence"}"#)
        .header("content-type", "application/json")
        .header("verification-token", SECRET)
        .header("validation-token", "8f2a-1c5e");
    assert_eq!(rig.ask(&event).await.result(), "unmatched", "an event, of nobody we know");
    assert_eq!(rig.stored().await, 1);
    rig.stop().await;
}
