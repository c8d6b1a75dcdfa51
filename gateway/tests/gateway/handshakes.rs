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

const ORACLES: &str = r#"
[gateway]
public_url = "https://hooks.example.com"
[[provider]]
name = "oracle"
title = "Oracle"
methods = ["GET", "HEAD", "OPTIONS", "POST"]
secret_scope = "app"
values = { verify_token = "any text" }
[[provider.scheme]]
id = "sha256"
kind = "hmac"
hash = "sha256"
signature = { from = "header:x-sig", encoding = "hex" }
signed = "{body}"
[[provider.handshake]]
method = "GET"
when = { "query:crc_token" = true }
verified = false
respond = { content_type = "application/json", body = '{{"plain":"{query:crc_token}","response_token":"sha256={computed}"}}', compute = { hash = "sha256", encoding = "base64", text = "{query:crc_token}" } }
[[provider.handshake]]
method = "GET"
when = { "query:challenge_code" = true }
verified = false
respond = { content_type = "application/json", body = '{{"challengeResponse":"{computed}"}}', compute = { hash = "sha256", keyed = false, encoding = "hex", text = "{query:challenge_code}{value:verify_token}{url_without_query}" } }
[[provider.handshake]]
method = "GET"
when = { "query:bt_challenge" = true }
verified = false
respond = { body = "{computed}", compute = { hash = "sha1", key = "sha1", encoding = "hex", text = "{query:bt_challenge}" }, echo = "hex", echo_chars_max = 32 }
[[provider.handshake]]
method = "POST"
when = { "query:validationToken" = true }
verified = false
respond = { body = "{query:validationToken}", echo = "text", echo_chars_max = 512 }
[[provider.handshake]]
method = "HEAD"
verified = false
[[provider.handshake]]
method = "OPTIONS"
when = { "header:webhook-request-origin" = true }
verified = false
respond = { headers = { webhook-allowed-origin = "{header:webhook-request-origin}" } }
[provider.event]
type = "json:/object"
[[integration]]
id = "oracle"
provider = "oracle"
secrets = [{ env = "SECRET" }]
values = { verify_token = { env = "TOKEN" } }
"#;

/// Python's `hmac` and `hashlib` computed what the answers must be.
#[tokio::test]
async fn an_answer_may_be_computed_and_only_from_what_is_no_event() {
    let rig = Rig::start(ORACLES).await;
    let get = |query: &str| Ask::get(&format!("/webhooks/oracle?{query}"));
    let token = "9b4507b3-9040-4669-9ca3-6b94edb50553";
    let answer = rig.ask(&get(&format!("crc_token={token}"))).await;
    let tag = CRC_BASE64;
    assert_eq!(answer.body, format!(r#"{{"plain":"{token}","response_token":"sha256={tag}"}}"#));
    let answer = rig.ask(&get(&format!("challenge_code={token}"))).await;
    assert_eq!(answer.body, format!(r#"{{"challengeResponse":"{CHALLENGE_HEX}"}}"#));
    let answer = rig.ask(&get("bt_challenge=20f9f8ed05f77439fe955c977e4c8a53")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, BT_HEX));

    for hostile in [
        "crc_token=%7B%22type%22%3A1%7D".to_owned(),
        "crc_token=v0:1795367045:%7B".to_owned(),
        format!("crc_token={}", "a".repeat(257)),
        "bt_challenge=PG4vPg%3D%3D%0A".to_owned(),
        "bt_challenge=20F9F8ED05F77439FE955C977E4C8A53".to_owned(),
        format!("bt_challenge={}", "a".repeat(33)),
        "challenge_code=a+b".to_owned(),
    ] {
        let answer = rig.ask(&get(&hostile)).await;
        assert_eq!((answer.status, answer.result()), (401, ""), "{hostile}");
    }
    // A text that could have been tagged for anybody is no event, however right its signature.
    let event = |body: &str, tag: &str| Ask::post("/webhooks/oracle", body).header("x-sig", tag);
    assert_eq!(rig.ask(&event("paid", WORD_HEX)).await.status, 401);
    assert_eq!(rig.ask(&event("\"paid\"", QUOTED_HEX)).await.status, 200, "the control");
    rig.stop().await;
}

#[tokio::test]
async fn probes_by_other_methods_and_headers_are_answered() {
    let rig = Rig::start(ORACLES).await;
    let token = "Validation%3A+Testing+client+reachability%2C+Request-Id%3A+2f%2Fa";
    let answer = rig.ask(&Ask::post(&format!("/webhooks/oracle?validationToken={token}"), "")).await;
    assert_eq!(answer.body, "Validation: Testing client reachability, Request-Id: 2f/a");
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    for hostile in ["%3Cscript%3E", "a%0Ab", "%22", "%26", "%C3%A9", ""] {
        let answer = rig.ask(&Ask::post(&format!("/webhooks/oracle?validationToken={hostile}"), "")).await;
        assert_eq!(answer.status, 401, "{hostile}");
    }
    let method = |method: http::Method| Ask { method: method.to_string(), ..Ask::get("/webhooks/oracle") };
    assert_eq!(rig.ask(&method(http::Method::HEAD)).await.status, 200);
    let options = method(http::Method::OPTIONS);
    assert_eq!(rig.ask(&options).await.status, 401);
    let answer = rig.ask(&options.clone().header("webhook-request-origin", "eventgrid.azure.net")).await;
    assert_eq!((answer.status, answer.header("webhook-allowed-origin")), (200, "eventgrid.azure.net"));
    assert_eq!(rig.ask(&options.header("webhook-request-origin", "https://a b")).await.status, 401);
    assert_eq!(rig.stored().await, 0);
    rig.stop().await;
}

const CRC_BASE64: &str = "x6OwfwAvsDdjQBpH8qEJQbB0vdl2DyFeW68qvo1vkm8=";
const CHALLENGE_HEX: &str = "0e751f95ee3c61bb41c4bb278e7709985d3f7dbfbf1ab06652d402621b9fdf37";
const BT_HEX: &str = "944c90dd733ea563b183aac62a364f8b95a0e13b";
const WORD_HEX: &str = "6dc29c6fd823f624ceff73d3dc54344f37262ca687813505aaf5a16d0aefb019";
const QUOTED_HEX: &str = "f1ebe2612995389d160a50e6cbddd8461084beaba2c79580d4d96acfd1a7abb5";
