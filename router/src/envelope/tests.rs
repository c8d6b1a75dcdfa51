use gatepost_event::Event;

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

fn write(event: &Event, format: DeliveryFormat) -> Envelope {
    super::write(&event.clone().into(), format).expect("a body that the format can carry")
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
    let headers = [pair("a", "1"), pair("b", "2"), pair("a", "3")];
    let joined = header_map(&headers);
    assert_eq!(joined, [("a", Cow::from("1, 3")), ("b", Cow::from("2"))]);
}

#[test]
fn nangos_envelope_is_byte_for_byte_what_nango_forwards() {
    let mut forwarded = with_body(r#"{"a":1,"b":[true,null,"é"]}"#.as_bytes());
    forwarded.meta.connection = Some("conn-1".parse().expect("an id"));
    forwarded.meta.provider = "hubspot".parse().expect("a name");
    forwarded.meta.integration = "hubspot-prod".parse().expect("an id");
    let envelope = write(&forwarded, DeliveryFormat::Nango);
    assert_eq!(
        whole(&envelope),
        r#"{"connectionId":"conn-1","from":"hubspot","payload":{"a":1,"b":[true,null,"é"]},"providerConfigKey":"hubspot-prod","type":"forward"}"#
    );
    assert_eq!((envelope.content_type().as_bytes(), envelope.len()), (&b"application/json"[..], 133));
    forwarded.meta.connection = None;
    assert!(whole(&write(&forwarded, DeliveryFormat::Nango)).starts_with(r#"{"connectionId":null,"from""#));
    for body in [&b"a=1&b=2"[..], b"", b"{}{}", b"{},\"type\":\"auth\",\"x\":{}", b"\xff"] {
        let refused = super::write(&with_body(body).into(), DeliveryFormat::Nango).expect_err("it is no JSON");
        assert!(refused.contains("no JSON"), "{refused}");
    }
}

#[test]
fn raw_is_the_providers_body_with_the_facts_in_headers() {
    let mut envelope = write(&with_body(b"a=1&\xff\x00"), DeliveryFormat::Raw);
    assert_eq!(envelope.pieces().concat(), b"a=1&\xff\x00");
    assert_eq!(envelope.content_type(), "application/json", "as the provider said it");
    let headers = envelope.take_headers();
    let mut lines: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect();
    lines.sort();
    insta::assert_snapshot!(lines.join("\n"));
    assert!(envelope.take_headers().is_empty());

    let bare = write(&bare(b"x"), DeliveryFormat::Raw);
    assert_eq!(bare.content_type(), "application/octet-stream");
}

#[test]
fn no_fact_breaks_out_of_its_header() {
    for hostile in ["a\r\nhost: b", "a\nb", "\0", "é\u{2028}", "100%25 \"sure\"", " a ", "\u{202e}x", "\t"] {
        let mut event = with_body(b"{}");
        event.meta.account = Some(hostile.to_owned());
        event.meta.provider_type = Some(hostile.to_owned());
        event.meta.content_type = Some(hostile.to_owned());
        event.meta.headers = vec![("x-github-event".to_owned(), hostile.to_owned())];
        let mut envelope = write(&event, DeliveryFormat::Raw);
        let content_type = envelope.content_type().as_bytes();
        assert!(content_type.iter().all(|byte| (0x20..=0x7e).contains(byte)), "{hostile:?}");
        let headers = envelope.take_headers();
        assert!(headers.values().all(|value| value.as_bytes().iter().all(u8::is_ascii_graphic)), "{hostile:?}");
        let account = headers["ce-account"].to_str().expect("text");
        let url: url::Url = format!("http://a/?{}", account.replace('+', "%2B")).parse().expect("a URL");
        let back: Vec<_> = url.query_pairs().collect();
        assert!(hostile.contains('=') || back.first().is_none_or(|(name, _)| name == hostile), "{hostile:?}");
    }
    // A value that is too long is left out, and the rest stays.
    let mut event = with_body(b"{}");
    event.meta.account = Some("x".repeat(5_000));
    let headers = write(&event, DeliveryFormat::Raw).take_headers();
    assert!(!headers.contains_key("ce-account") && headers.contains_key("ce-id"));
}
