//! Providers that have us tag a text of theirs with the key that signs their events: no answer may become a signature.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_config::{Timestamp, provider::Location};
use gatepost_tests::post::{self, Answer};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use url::form_urlencoded::Serializer;

use super::{
    Rig,
    catalogue::{Case, cases},
    request::Request,
};

/// What an attacker would have signed.
const FORGED: &str = r#"{"for_user_id":"1","tweet_create_events":[]}"#;
/// A text that is fit to be tagged, and that an attacker would like to be an event.
const WORD: &str = "5f5e100";

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_a_challenge_is_never_an_event_s_signature() {
    let names = ["x-twitter", "linkedin", "braintree", "zoom"];
    let all = cases();
    let keyed = all.into_iter().filter(|case| {
        let compute = case.handshake.respond.compute.as_ref();
        compute.is_some_and(|compute| compute.key.is_some())
    });
    let cases: Vec<Case> = keyed.collect();
    let mut found: Vec<&str> = cases.iter().map(|case| case.provider.name.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, ["braintree", "linkedin", "x-twitter", "zoom"], "a provider that isn't judged here");
    let of = |name: &str| cases.iter().find(|case| case.provider.name.as_str() == name).expect(name);
    let rig = Rig::start(&cases).await;

    x(&rig, of(names[0])).await;
    linkedin(&rig, of(names[1])).await;
    braintree(&rig, of(names[2])).await;
    zoom(&rig, of(names[3])).await;
    rig.stop_with_only_controls_stored(names.len()).await;
}

async fn x(rig: &Rig, case: &Case) {
    let ask = async |token: &str| rig.ask(&get("x-twitter", "crc_token", token)).await;
    let event = async |body: &str, tag: &str| {
        let signature = format!("sha256={tag}");
        posted(rig, "x-twitter", &[("x-twitter-webhooks-signature", &signature)], body).await
    };
    assert_refused(&ask(FORGED).await, "X tags an event for anybody");
    let answer: Value = serde_json::from_slice(&ask(WORD).await.body).expect("JSON");
    let tag = STANDARD.encode(hmac(&case.secret, WORD));
    assert_eq!(answer["response_token"], format!("sha256={tag}"), "the positive control");
    assert_refused(&event(WORD, &tag).await, "X: the answer was taken for a signature");
    let genuine = event(FORGED, &STANDARD.encode(hmac(&case.secret, FORGED))).await;
    assert_eq!(genuine.result(), "unmatched", "the positive control");
}

async fn linkedin(rig: &Rig, case: &Case) {
    let ask = async |code: &str| rig.ask(&get("linkedin", "challengeCode", code)).await;
    let event = async |body: &str, tag: &str| posted(rig, "linkedin", &[("x-li-signature", tag)], body).await;
    assert_refused(&ask(&format!("hmacsha256={FORGED}")).await, "LinkedIn tags an event for anybody");
    let signed = format!("hmacsha256={WORD}");
    let answer: Value = serde_json::from_slice(&ask(&signed).await.body).expect("JSON");
    let tag = hex(&hmac(&case.secret, &signed));
    assert_eq!(answer["challengeResponse"], tag.as_str(), "the positive control");
    assert_refused(&event(WORD, &tag).await, "LinkedIn: the answer was taken for a signature");
    let genuine = event(FORGED, &hex(&hmac(&case.secret, &format!("hmacsha256={FORGED}")))).await;
    assert_eq!(genuine.result(), "unmatched", "the positive control");
}

async fn braintree(rig: &Rig, case: &Case) {
    let ask = async |text: &str| rig.ask(&get("braintree", "bt_challenge", text)).await;
    let event = async |payload: &str, signature: &str| {
        let fields = [("bt_signature", signature), ("bt_payload", payload)];
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        posted(rig, "braintree", &[("content-type", "application/x-www-form-urlencoded")], &body).await
    };
    assert_refused(&ask("PG4vPg==").await, "Braintree tags a payload for anybody");
    assert_refused(&ask(&"a".repeat(33)).await, "Braintree tags a long text for anybody");
    let vector = case.provider.vectors.iter().find(|vector| vector.answer.is_some()).expect("a challenge");
    let challenge = "20f9f8ed05f77439fe955c977e4c8a53";
    assert!(vector.target.contains(challenge), "the file's own challenge");
    let answer = ask(challenge).await;
    let answer = std::str::from_utf8(&answer.body).expect("text");
    assert_eq!(Some(answer), vector.answer.as_deref(), "the positive control");
    // Hexadecimal digits are base64 too.
    assert_refused(&event(challenge, answer).await, "Braintree: the answer was taken for a signature");
    let genuine = &case.provider.vectors[0];
    let body = std::str::from_utf8(&genuine.body).expect("text");
    let genuine = posted(rig, "braintree", &[("content-type", "application/x-www-form-urlencoded")], body).await;
    assert_eq!(genuine.result(), "unmatched", "the positive control");
}

/// Zoom signs its challenge, so nobody else is answered; and were an event smuggled into one, it would not be tagged.
async fn zoom(rig: &Rig, case: &Case) {
    let now = (Timestamp::now().millis() / 1_000).to_string();
    let post = async |body: &str, tag: &str| {
        let signature = format!("v0={tag}");
        let headers = [("x-zm-request-timestamp", now.as_str()), ("x-zm-signature", &signature)];
        posted(rig, "zoom", &headers, body).await
    };
    let signed = |body: &str| hex(&hmac(&case.secret, &format!("v0:{now}:{body}")));
    let asking = |token: &str| {
        serde_json::json!({ "event": "endpoint.url_validation", "payload": { "plainToken": token } }).to_string()
    };
    assert_refused(&post(&asking(WORD), &hex(&hmac("another-secret", WORD))).await, "Zoom's challenge was not signed");
    let smuggled = asking(&format!("v0:{now}:{FORGED}"));
    assert_refused(&post(&smuggled, &signed(&smuggled)).await, "an event was tagged as Zoom's challenge");
    let answer = post(&asking(WORD), &signed(&asking(WORD))).await;
    let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let tag = hex(&hmac(&case.secret, WORD));
    assert_eq!((&answer["plainToken"], &answer["encryptedToken"]), (&WORD.into(), &tag.clone().into()), "the control");
    assert_refused(&post(WORD, &tag).await, "Zoom: the answer was taken for a signature");
    assert_eq!(post(FORGED, &signed(FORGED)).await.result(), "unmatched", "the positive control");
}

fn get(provider: &str, name: &str, text: &str) -> Request {
    let mut request = Request::new(http::Method::GET, &format!("/webhooks/{provider}"));
    let place: Location = format!("query:{name}").parse().expect("a place");
    request.write(&place, &Value::from(text)).expect("it can stand there");
    request
}

async fn posted(rig: &Rig, provider: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let body = bytes::Bytes::copy_from_slice(body.as_bytes());
    post::post(&rig.address, &format!("/webhooks/{provider}"), headers, body).await.expect("an answer")
}

fn assert_refused(answer: &Answer, what: &str) {
    assert_eq!((answer.status.as_u16(), answer.result()), (401, ""), "{what}");
    let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(body["error"], "signature_rejected", "{what}");
}

fn hmac(key: &str, text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
