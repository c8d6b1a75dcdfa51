use std::time::Duration;

use gatepost_config::{DeliveryFormat, Secret};

use super::*;
use crate::{
    delivery::fixture::delivery,
    envelope,
    route::fixture::{destination, event},
};

fn signed(secrets: Vec<Secret>, now: Timestamp) -> (HeaderMap, Envelope, Vec<String>) {
    let mut to = destination("backend", None);
    to.secrets = secrets;
    let delivery = delivery(to, event("github.push", "{}"), 3);
    let envelope = envelope::write(delivery.event(), DeliveryFormat::Json);
    let signed = sign(&delivery, envelope, now);
    let ids = signed.key_ids().to_vec();
    let (headers, body) = signed.into_parts();
    (headers, body, ids)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().expect("text"))
}

/// The example of the Standard Webhooks specification's reference implementations.
#[test]
fn the_specifications_vector_is_met() {
    let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
    let body = Envelope::of_bytes(b"{\"test\": 2432232314}");
    assert_eq!(
        signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, &body),
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    );
}

#[test]
fn every_active_secret_signs_and_an_expired_one_does_not() {
    let now: Timestamp = "2026-11-22T17:04:05.999Z".parse().expect("a time");
    let secret = |byte: u8| Secret::new(vec![byte; 32], "a test");
    let later = now.after(Duration::from_millis(1));
    let secrets = vec![secret(1).expiring(later), secret(2).expiring(now), secret(3)];
    let (headers, body, ids) = signed(secrets, now);

    assert_eq!(text(&headers, "webhook-timestamp"), "1795367045");
    let id = text(&headers, "webhook-id");
    assert_eq!(id, "evt_vq8dnczpjzyge74bfs6h4xrjaq");
    let expected = [1, 3].map(|byte| signature(&[byte; 32], id, 1_795_367_045, &body)).join(" ");
    assert_eq!(text(&headers, "webhook-signature"), expected);
    assert_eq!(ids, [key_id(&[1; 32]), key_id(&[3; 32])]);
    assert_eq!(text(&headers, "gatepost-attempt"), "3");
    assert!(text(&headers, "gatepost-delivery-id").starts_with("dlv_"));
    assert_eq!(text(&headers, "user-agent"), USER_AGENT);
    assert_eq!(headers.len(), 7, "and nothing of the provider's");
}

#[test]
fn without_a_secret_there_is_no_signature() {
    let (headers, _, ids) = signed(vec![], Timestamp::from_millis(0));
    assert!(!headers.contains_key("webhook-signature") && ids.is_empty());
    assert!(headers.contains_key("webhook-id"));
}

#[test]
fn pieces_are_signed_as_the_one_body_they_make() {
    let body = envelope::write(&event("github.push", "{\"a\":1}"), DeliveryFormat::Json);
    let whole = Envelope::of_bytes(&body.pieces().concat());
    assert_eq!(signature(&[7; 32], "evt_x", 1, &body), signature(&[7; 32], "evt_x", 1, &whole));
    assert_ne!(signature(&[7; 32], "evt_x", 2, &body), signature(&[7; 32], "evt_x", 1, &whole));
}
