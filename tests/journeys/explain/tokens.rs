//! Broken requests of providers that sign with a private key, or send a JSON Web Token.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use super::{
    Row,
    capture::{Capture, hex, hmac_sha256, unhex},
};

pub(super) const ROWS: &[Row] = &[
    ("livekit", "timestamp_stale", "expired an hour ago", |c| c.at = "2026-11-22T18:09:05Z".into()),
    ("livekit", "secret_wrong", "another secret", |c| c.secret = "quite another secret of LiveKit".into()),
    ("livekit", "secret_whitespace", "a space after the secret", |c| c.secret.push(' ')),
    ("livekit", "body_trailing_newline", "a line feed more", |c| c.body.push(b'\n')),
    ("livekit", "signature_missing", "missing", |c| c.remove("authorization")),
    ("livekit", "condition_failed", "the hash of another body", |c| {
        claim(c, "authorization", "sha256", json!("AAAA"));
    }),
    ("messagebird", "condition_failed", "another issuer", |c| {
        claim(c, "messagebird-signature-jwt", "iss", json!("Somebody"));
    }),
    ("upstash-qstash", "timestamp_future", "an hour before", |c| c.at = "2026-11-22T16:04:05Z".into()),
    ("monday", "condition_failed", "another audience", |c| {
        claim(c, "authorization", "aud", json!("https://elsewhere.example.org/x"));
    }),
    ("monday", "url_scheme_differs", "http for https", |c| {
        c.public_url = c.public_url.as_ref().map(|url| url.replace("https://", "http://"));
    }),
    ("plaid", "algorithm_refused", "HS256 by the public key", |c| {
        let token = c.get("plaid-verification");
        let payload = token.split('.').nth(1).expect("claims").to_owned();
        let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        c.set("plaid-verification", &signed(&c.secret, &format!("{head}.{payload}")));
    }),
    ("plaid", "algorithm_refused", "no algorithm", |c| {
        let token = c.get("plaid-verification");
        let payload = token.split('.').nth(1).expect("claims");
        let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        let bare = format!("{head}.{payload}.");
        c.set("plaid-verification", &bare);
    }),
    ("plaid", "key_unknown", "another key's id", |c| c.secret = c.secret.replace("plaid-kid-1", "plaid-kid-2")),
    ("plaid", "timestamp_stale", "an hour later", |c| c.at = "2026-11-22T18:04:05Z".into()),
    ("plaid", "body_trailing_newline", "a line feed more", |c| c.body.push(b'\n')),
    ("discord", "timestamp_stale", "an hour later", |c| c.at = "2026-11-22T18:04:05Z".into()),
    ("discord", "secret_wrong", "another public key", |c| c.secret = Capture::of("telnyx").secret),
    ("discord", "secret_malformed", "a public key cut short", |c| c.secret.truncate(60)),
    ("discord", "timestamp_missing", "no time", |c| c.remove("x-signature-timestamp")),
    ("discord", "signature_duplicated", "doubled", |c| c.double("x-signature-ed25519")),
    ("discord", "encoding_wrong", "base64", |c| {
        c.set("x-signature-ed25519", &STANDARD.encode(unhex(&c.get("x-signature-ed25519"))));
    }),
    ("discord", "body_reserialized", "Python's separators", |c| c.relayout(None)),
    ("telnyx", "encoding_wrong", "hexadecimal", |c| {
        let signature = STANDARD.decode(c.get("telnyx-signature-ed25519")).expect("base64");
        c.set("telnyx-signature-ed25519", &hex(&signature));
    }),
    ("sendgrid", "body_trailing_newline", "CRLF more", |c| c.body.extend(b"\r\n")),
    ("sendgrid", "secret_wrong", "another public key", |c| c.secret = Capture::of("circle").secret),
    ("circle", "signature_missing", "missing", |c| c.remove("x-circle-signature")),
    ("wise", "body_trailing_newline", "a line feed more", |c| c.body.push(b'\n')),
    ("wise", "secret_wrong", "another public key", |c| c.secret = Capture::of("highlevel").secret),
    ("fireblocks", "body_bom", "a byte order mark", |c| c.body = [b"\xef\xbb\xbf", &c.body[..]].concat()),
    ("braintree", "value_missing", "the public key's value not given", |c| c.values.clear()),
];

/// Gives a claim of an HS256 token another value and signs it anew.
fn claim(c: &mut Capture, header: &str, name: &str, value: Value) {
    let token = c.get(header);
    let (head, rest) = token.split_once('.').expect("a token");
    let payload = rest.split('.').next().expect("claims");
    let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64")).expect("JSON");
    claims[name] = value;
    let anew = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    c.set(header, &signed(&c.secret, &anew));
}

fn signed(secret: &str, text: &str) -> String {
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(hmac_sha256(secret.as_bytes(), text.as_bytes())))
}
