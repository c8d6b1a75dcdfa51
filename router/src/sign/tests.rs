use std::time::Duration;

use gatepost_config::{Auth, DeliveryFormat, Destination, Header, Secret, signing::ed25519_texts};
use ring::signature::{ED25519, UnparsedPublicKey};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::*;
use crate::{
    delivery::fixture::delivery,
    envelope,
    route::fixture::{destination, event},
};

fn signed(to: Destination, body: &str, now: Timestamp) -> (HeaderMap, Envelope, Vec<String>) {
    let format = to.format;
    let delivery = delivery(to, event("github.push", body), 3);
    let envelope = envelope::write(delivery.event(), format).expect("a body that the format can carry");
    let signed = sign(&delivery, envelope, now);
    let ids = signed.key_ids().to_vec();
    let (headers, body) = signed.into_parts();
    (headers, body, ids)
}

fn to(secrets: Vec<SigningKey>) -> Destination {
    Destination { secrets, ..destination("backend", None) }
}

fn secret(text: impl Into<Vec<u8>>) -> Secret {
    Secret::new(text.into(), "a test")
}

fn hmac(byte: u8) -> Secret {
    secret([byte; 32])
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().expect("text"))
}

/// The example of the Standard Webhooks specification's reference implementations.
#[test]
fn the_specifications_vector_is_met() {
    let key = SigningKey::parse(secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).expect("a key");
    let body = Envelope::of_bytes(b"{\"test\": 2432232314}");
    assert_eq!(
        standard::signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, &body).as_deref(),
        Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    );
}

#[test]
fn every_active_secret_signs_and_an_expired_one_does_not() {
    let now: Timestamp = "2026-11-22T17:04:05.999Z".parse().expect("a time");
    let later = now.after(Duration::from_millis(1));
    let keys = [hmac(1).expiring(later), hmac(2).expiring(now), hmac(3)].map(SigningKey::hmac);
    let (headers, body, ids) = signed(to(keys.to_vec()), "{}", now);

    assert_eq!(text(&headers, "webhook-timestamp"), "1795367045");
    let id = text(&headers, "webhook-id");
    assert_eq!(id, "evt_vq8dnczpjzyge74bfs6h4xrjaq");
    let signature = |key: &SigningKey| standard::signature(key, id, 1_795_367_045, &body).expect("a signature");
    let expected = format!("{} {}", signature(&keys[0]), signature(&keys[2]));
    assert_eq!(text(&headers, "webhook-signature"), expected);
    assert_eq!(ids, [keys[0].id(), keys[2].id()]);
    assert_eq!(text(&headers, "gatepost-attempt"), "3");
    assert!(text(&headers, "gatepost-delivery-id").starts_with("dlv_"));
    assert_eq!(text(&headers, "user-agent"), USER_AGENT);
    assert_eq!(headers.len(), 7, "and nothing of the provider's");
}

#[test]
fn without_a_secret_there_is_no_signature() {
    let (headers, _, ids) = signed(to(vec![]), "{}", Timestamp::from_millis(0));
    assert!(!headers.contains_key("webhook-signature") && ids.is_empty());
    assert!(headers.contains_key("webhook-id"));
}

#[test]
fn an_ed25519_key_signs_beside_a_symmetric_one_and_its_public_key_verifies() {
    let (private, public) = ed25519_texts(&[9; 32]).expect("a seed");
    let keys = vec![SigningKey::parse(secret(private)).expect("a key"), SigningKey::hmac(hmac(1))];
    let (headers, body, ids) = signed(to(keys), "{\"a\":1}", Timestamp::from_millis(1_795_367_045_999));
    assert_eq!(ids.len(), 2);
    let (asymmetric, symmetric) = text(&headers, "webhook-signature").split_once(' ').expect("two");
    assert!(symmetric.starts_with("v1,"));
    let signature = STANDARD.decode(asymmetric.strip_prefix("v1a,").expect("its version")).expect("base64");
    let public = STANDARD.decode(public.strip_prefix("whpk_").expect("its prefix")).expect("base64");
    let mut message = format!("{}.1795367045.", text(&headers, "webhook-id")).into_bytes();
    message.extend(body.pieces().concat());
    let public = UnparsedPublicKey::new(&ED25519, public);
    public.verify(&message, &signature).expect("it verifies");
    message[0] ^= 1;
    public.verify(&message, &signature).expect_err("another message does not");
}

/// Made with Node's crypto over the same key and body.
#[test]
fn nangos_vectors_are_met() {
    for (key, body, hmac, legacy) in [
        (
            "secret",
            "payload",
            "b82fcb791acec57859b989b430a826488ce2e479fdf92326bd0a2e8375a42ba4",
            "22439a879b090cd05e5b51c5b5d7e4a205830e6ab4f54b90f5a822b7c7110934",
        ),
        (
            "test-signing-key",
            r#"{"connectionId":"conn-1","from":"hubspot","payload":{"a":1,"b":[true,null,"é"]},"providerConfigKey":"hubspot-prod","type":"forward"}"#,
            "8ce4843e8873b6dae1b12139f445109ab1565ada6581ded67bd1a3b27e6afde9",
            "140af92aa071c561619f556271545d0d8dd4de197e375cbd5eb5cbac36b7d499",
        ),
    ] {
        let mut headers = HeaderMap::new();
        nango::sign(&mut headers, key.as_bytes(), &Envelope::of_bytes(body.as_bytes()), true);
        assert_eq!((text(&headers, "x-nango-hmac-sha256"), text(&headers, "x-nango-signature")), (hmac, legacy));
    }
}

#[test]
fn nangos_format_is_signed_with_the_first_active_key_and_in_nangos_way_only() {
    let now = Timestamp::from_millis(1_795_367_045_000);
    let keys = || vec![secret("the old key").expiring(now), secret("test-signing-key"), secret("the next key")];
    let mut to = to(keys().into_iter().map(SigningKey::text).collect());
    to.format = DeliveryFormat::Nango;
    let (headers, body, ids) = signed(to.clone(), "{}", now);
    let mut expected = HeaderMap::new();
    nango::sign(&mut expected, b"test-signing-key", &body, false);
    assert_eq!(text(&headers, "x-nango-hmac-sha256"), text(&expected, "x-nango-hmac-sha256"));
    assert!(!headers.contains_key("x-nango-signature") && !headers.contains_key("webhook-signature"));
    assert!(headers.contains_key("webhook-id"));
    assert_eq!(ids, [to.secrets[1].id()]);
    to.nango_legacy_signature = true;
    assert!(signed(to, "{}", now).0.contains_key("x-nango-signature"));
}

#[test]
fn the_operators_headers_are_sent_and_never_take_the_place_of_ours() {
    let header = |name: &str, value: &str| Header { name: name.to_owned(), value: secret(value) };
    let mut to = to(vec![SigningKey::hmac(hmac(1))]);
    // The configuration refuses the second; signing doesn't rely on it.
    to.headers = vec![header("x-team", "payments"), header("webhook-id", "evt_forged")];
    to.auth = Some(Auth::Bearer(secret("a-token")));
    let (headers, ..) = signed(to.clone(), "{}", Timestamp::from_millis(0));
    assert_eq!((text(&headers, "x-team"), text(&headers, "authorization")), ("payments", "Bearer a-token"));
    assert_eq!(text(&headers, "webhook-id"), "evt_vq8dnczpjzyge74bfs6h4xrjaq");
    assert_eq!(headers.get_all("webhook-id").iter().count(), 1);
    assert!(headers["x-team"].is_sensitive() && headers["authorization"].is_sensitive());
    // The example of RFC 7617.
    to.auth = Some(Auth::Basic { user: "Aladdin".to_owned(), password: secret("open sesame") });
    let (headers, ..) = signed(to, "{}", Timestamp::from_millis(0));
    assert_eq!(text(&headers, "authorization"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

#[test]
fn pieces_are_signed_as_the_one_body_they_make() {
    let body = envelope::write(&event("github.push", "{\"a\":1}").into(), DeliveryFormat::Json).expect("JSON");
    let whole = Envelope::of_bytes(&body.pieces().concat());
    let key = SigningKey::hmac(hmac(7));
    let signature = |seconds, body| standard::signature(&key, "evt_x", seconds, body);
    assert_eq!(signature(1, &body), signature(1, &whole));
    assert_ne!(signature(2, &body), signature(1, &whole));
}
