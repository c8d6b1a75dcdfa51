//! Signed texts that code makes: what a vendor's library would read in one way is read so, and what could be read in two is
//! refused, though it is signed. The genuine requests are the catalogue's vectors and the oracles'.

use gatepost_config::provider::Trust;
use gatepost_gateway::Reason;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha2::Sha256;

use crate::forms::Case;

const SECRET: &str = "a secret that nobody has";
const BODY: &str = r#"{"type":"paid"}"#;

fn mac(text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn scheme(kind: &str, word: &str) -> String {
    format!(
        "[[provider.scheme]]\nid = \"v\"\nkind = {kind}\nsignature = {{ from = \"header:x-sig\", encoding = \"hex\" }}\n\
         signed = \"{{canonical:{word}}}\"\n"
    )
}

/// A request as Contentful would sign it, with these headers in its list.
fn contentful(target: &str, path: &str, list: &str, topic: &str, text: &str) -> Case {
    let case = Case::new("verified", &scheme("\"hmac\"\nhash = \"sha256\"", "contentful"), SECRET);
    let case = case.target(target).body(BODY).header("x-contentful-timestamp", "1795367045678");
    let case = case.header("x-contentful-signed-headers", list).header("x-topic", topic);
    case.header("x-sig", &mac(&format!("POST\n{path}\n{text}\n{BODY}")))
}

const LIST: &str = "x-contentful-signed-headers,x-contentful-timestamp,x-topic";

#[test]
fn contentful_signs_the_headers_that_it_lists() {
    let text = format!("x-contentful-signed-headers:{LIST};x-contentful-timestamp:1795367045678;x-topic:a;b");
    contentful("/webhooks/acme", "/webhooks/acme", LIST, "a;b", &text).proven(Trust::Verified);
    let escaped = "/webhooks/acme%2520b?x%253D1%2526y%253D%25C3%25BC%2520z%2B".replace("%2B", "~");
    contentful("/webhooks/acme%20b?x=1&y=ü z~", &escaped, LIST, "a;b", &text).proven(Trust::Verified);

    let short = "x-contentful-signed-headers,x-contentful-timestamp";
    let untimed = "x-contentful-signed-headers,x-topic";
    let itself = "x-contentful-signature,x-contentful-signed-headers,x-contentful-timestamp";
    for (list, reason) in [
        (untimed, Reason::SignedFieldMalformed),
        ("x-contentful-timestamp,x-topic", Reason::SignedFieldMalformed),
        (itself, Reason::SignedFieldMalformed),
        (&format!("{short},{short}"), Reason::SignedFieldMalformed),
        (&format!("{short},x-absent"), Reason::SignedFieldMissing),
        (short, Reason::SignatureMismatch),
    ] {
        assert_eq!(contentful("/webhooks/acme", "/webhooks/acme", list, "a", &text).judged(), Err(reason), "{list}");
    }
    let twice = contentful("/webhooks/acme?a?b", "/webhooks/acme?a", LIST, "a;b", &text);
    assert_eq!(twice.judged(), Err(Reason::SignedFieldMalformed), "what follows the second ? is not signed");
    let moved = "x;x-topic:b";
    let text = format!("x-contentful-signed-headers:{LIST};x-contentful-timestamp:1795367045678;x-topic:{moved}");
    let moved = contentful("/webhooks/acme", "/webhooks/acme", LIST, moved, &text);
    assert_eq!(moved.judged(), Err(Reason::SignedFieldMalformed), "a value that reads as a header");
}

#[test]
fn what_plivo_signs_of_a_call_cannot_be_passed_off_as_a_nonce() {
    let case = |word: &str, header, nonce: &str, text: &str, trust: &str| {
        let scheme = scheme("\"hmac\"\nhash = \"sha256\"", word);
        Case::new(trust, &scheme, SECRET).form("a=1").header(header, nonce).header("x-sig", &mac(text))
    };
    let url = "https://hooks.example.com/webhooks/acme";
    let call =
        |nonce: &str| case("plivo-v3", "x-plivo-signature-v3-nonce", nonce, &format!("{url}?a1.{nonce}"), "verified");
    let message =
        |nonce: &str| case("plivo-v2", "x-plivo-signature-v2-nonce", nonce, &format!("{url}{nonce}"), "authenticated");
    assert_eq!((call("12a").judged(), message("12a").judged()), (Ok(Trust::Verified), Ok(Trust::Authenticated)));
    for nonce in ["?a1.12", ".12", "a b", "1?"] {
        assert_eq!(message(nonce).judged(), Err(Reason::SignedFieldMalformed), "{nonce}");
        assert_eq!(call(nonce).judged(), Err(Reason::SignedFieldMalformed), "{nonce}");
    }
    let two = call("12a").target("/webhooks/acme?x=1%26y=2");
    assert_eq!(two.judged(), Err(Reason::SignedFieldMalformed), "a parameter that reads as two");
}

#[test]
fn a_hash_in_its_own_body_stands_there_once() {
    let scheme = "[[provider.scheme]]\nid = \"v\"\nkind = \"digest\"\nhash = \"md5\"\n\
                  signature = { from = \"json:/auth\", encoding = \"hex\" }\nsigned = \"{canonical:unisender-go}\"\n";
    let case = |body: &str| {
        let digest = Md5::digest(body.replace("AUTH", SECRET));
        let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Case::new("verified", scheme, SECRET).body(&body.replace("AUTH", &hash))
    };
    case(r#"{"auth":"AUTH","type":"sent"}"#).proven(Trust::Verified);
    let twice = case(r#"{"auth":"AUTH","type":"AUTH"}"#);
    assert_eq!(twice.judged(), Err(Reason::SignedFieldMalformed), "which of the two was the key is not known");
    let short = Case::new("verified", scheme, SECRET).body(r#"{"auth":"ab","type":"sent"}"#);
    assert_eq!(short.judged(), Err(Reason::SignatureMalformed));
}
