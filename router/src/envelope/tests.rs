use super::*;
use crate::route::fixture::event;

fn whole(envelope: &Envelope) -> String {
    let bytes: Vec<u8> = envelope.pieces().iter().flat_map(|piece| piece.iter().copied()).collect();
    assert_eq!(bytes.len(), envelope.len());
    String::from_utf8(bytes).expect("UTF-8")
}

fn with_body(body: &[u8]) -> Event {
    Event { body: Bytes::copy_from_slice(body), ..event("github.push", "") }
}

const BARE: &[u8] = b"{ \"b\": 1.0,\n\"a\":\"\\u00e9\" }";

/// The same facts, nothing known but what must be.
fn bare(body: &[u8]) -> Event {
    let mut event = with_body(body);
    let meta = &mut event.meta;
    (meta.connection, meta.tenant, meta.account) = (None, None, None);
    (meta.provider_type, meta.provider_event_id, meta.content_type) = (None, None, None);
    meta.headers.clear();
    meta.occurred_at = Some("2026-11-22T17:00:00Z".parse().expect("a time"));
    event
}

#[test]
fn the_json_envelope_has_every_key_in_order_and_the_bytes_last() {
    let envelope = write(&with_body(BARE), DeliveryFormat::Json);
    assert_eq!(envelope.content_type(), "application/json");
    insta::assert_snapshot!(whole(&envelope));
    insta::assert_snapshot!(whole(&write(&bare(b"\xff\x00"), DeliveryFormat::Json)));
}

#[test]
fn the_cloudevent_has_the_required_attributes_and_lower_case_extensions() {
    let envelope = write(&with_body(BARE), DeliveryFormat::CloudEvents);
    assert_eq!(envelope.content_type(), "application/cloudevents+json; charset=UTF-8");
    insta::assert_snapshot!(whole(&envelope));
    let text = whole(&write(&bare(b"\xff\x00"), DeliveryFormat::CloudEvents));
    insta::assert_snapshot!(text);
    for text in [text, whole(&envelope)] {
        let event: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).expect("JSON");
        for name in event.keys().filter(|name| *name != "data_base64") {
            assert!(name.len() <= 20 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{name}");
        }
    }
}

#[test]
fn no_body_breaks_out_of_an_envelope() {
    for body in [
        &b"{\"a\":1},\"tenant\":\"x\",\"y\":{}"[..],
        b"null,\"connection\":\"other\"",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{\"a\":1}",
        b"{\"a\":1}{\"b\":2}",
        b"{\"a\":1}\n{\"b\":2}",
        b"{\"a\":1} trailing",
        b"{\"a\":1}}",
        b"\"}",
        b"",
        b"\0",
        &[b"[".repeat(129), b"]".repeat(129)].concat(),
    ] {
        for format in [DeliveryFormat::Json, DeliveryFormat::CloudEvents] {
            let text = whole(&write(&with_body(body), format));
            let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(json["tenant"], "acme-inc");
            assert_eq!(json["connection"], "acme");
            assert!(json["data"].is_null());
            assert_eq!(json["data_base64"], STANDARD.encode(body));
            assert_eq!(text.matches("\"tenant\":").count(), 1);
        }
    }
    // The control: the same splice of what is one JSON text.
    let json: serde_json::Value =
        serde_json::from_str(&whole(&write(&with_body(b"{\"a\":1}"), DeliveryFormat::Json))).expect("JSON");
    assert_eq!((&json["data"]["a"], json.get("data_base64")), (&serde_json::json!(1), None));
}

#[test]
fn hostile_texts_in_facts_stay_texts() {
    let mut hostile = with_body(b"{}");
    let nasty = "x\",\"tenant\":\"y\u{0}\n\u{2028}\\";
    hostile.meta.account = Some(nasty.to_owned());
    hostile.meta.provider_type = Some(nasty.to_owned());
    hostile.meta.headers = vec![(nasty.to_owned(), nasty.to_owned())];
    for format in [DeliveryFormat::Json, DeliveryFormat::CloudEvents] {
        let json: serde_json::Value = serde_json::from_str(&whole(&write(&hostile, format))).expect("JSON");
        assert_eq!((&json["tenant"], &json["account"]), (&serde_json::json!("acme-inc"), &serde_json::json!(nasty)));
    }
}

#[test]
fn repeated_headers_are_joined_as_http_has_it() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let joined = header_map(&[pair("a", "1"), pair("b", "2"), pair("a", "3")]);
    assert_eq!(joined, [pair("a", "1, 3"), pair("b", "2")]);
}
