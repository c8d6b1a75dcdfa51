//! The table of broken requests.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Row,
    capture::{Capture, hex, hmac_sha256, hmac_sha512, unhex},
};

/// GitHub's signature.
const GH: &str = "x-hub-signature-256";
/// HMAC-SHA-1 of GitHub's vector, as GitHub sends it beside the other (openssl dgst -sha1 -hmac).
const GH_SHA1: &str = "sha1=7806e5232af6867a2c65f1aaa0bb92fe63b91ef0";

/// HubSpot's signature.
const HS: &str = "x-hubspot-signature-v3";

pub(super) const ROWS: &[Row] = &[
    ("github", "body_reserialized", "indented by two", |c| c.relayout(Some("  "))),
    ("github", "body_reserialized", "indented by four", |c| c.relayout(Some("    "))),
    ("github", "body_reserialized", "Python's separators", |c| c.relayout(None)),
    ("github", "body_trailing_newline", "a line feed more", |c| c.body.push(b'\n')),
    ("github", "body_trailing_newline", "CRLF more", |c| c.body.extend(b"\r\n")),
    ("github", "body_bom", "a byte order mark", |c| c.body = [b"\xef\xbb\xbf", &c.body[..]].concat()),
    ("github", "body_escapes_changed", "escapes for characters", escapes),
    ("github", "body_charset", "UTF-8 taken for Latin-1", |c| {
        c.body = c.body.iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes();
    }),
    ("github", "body_decoded", "JSON in JSON", |c| {
        c.body = serde_json::to_vec(&String::from_utf8(c.body.clone()).unwrap()).unwrap();
    }),
    ("github", "body_decoded", "base64 of a cloud gateway", |c| c.body = STANDARD.encode(&c.body).into()),
    ("github", "body_decoded", "a form decoded to its payload", |c| {
        *c = Capture::nth("github", 1);
        c.body = form_payload(&c.body);
    }),
    ("github", "body_length", "cut short", |c| {
        c.headers.push(("content-length".into(), c.body.len().to_string()));
        c.body.truncate(50);
    }),
    ("github", "body_cut", "JSON that ends too soon", |c| c.body.truncate(50)),
    ("github", "body_cut", "nothing left", |c| c.body.clear()),
    ("github", "header_misnamed", "underscores", |c| c.rename(GH, "x_hub_signature_256")),
    ("github", "header_misnamed", "a CGI name", |c| c.rename(GH, "http_x_hub_signature_256")),
    ("github", "header_misnamed", "without x-", |c| c.rename(GH, "hub-signature-256")),
    ("github", "header_misnamed", "misspelt", |c| c.rename(GH, "x-hub-signture-256")),
    ("github", "algorithm_wrong", "only the SHA-1 header", |c| {
        c.remove(GH);
        c.set("x-hub-signature", GH_SHA1);
    }),
    ("github", "header_misnamed", "a prefix, the older signature beside it", |c| {
        c.rename(GH, "x-forwarded-x-hub-signature-256");
        c.set("x-hub-signature", GH_SHA1);
    }),
    ("github", "signature_missing", "empty, the older signature beside it", |c| {
        c.set(GH, "");
        c.set("x-hub-signature", GH_SHA1);
    }),
    ("github", "signature_malformed", "cut short, the older signature beside it", |c| {
        c.set(GH, &c.get(GH)[..40]);
        c.set("x-hub-signature", GH_SHA1);
    }),
    ("github", "algorithm_wrong", "SHA-1 in the SHA-256 header", |c| c.set(GH, GH_SHA1)),
    ("github", "algorithm_wrong", "SHA-512", |c| {
        let tag = hex(&hmac_sha512(c.secret.as_bytes(), &c.body));
        c.set(GH, &format!("sha512={tag}"));
    }),
    ("github", "encoding_wrong", "base64 instead of hexadecimal", |c| {
        let tag = unhex(c.get(GH).trim_start_matches("sha256="));
        c.set(GH, &format!("sha256={}", STANDARD.encode(tag)));
    }),
    ("github", "label_wrong", "the label in upper case", |c| c.set(GH, &c.get(GH).replace("sha256", "SHA256"))),
    ("github", "label_wrong", "no label", |c| c.set(GH, c.get(GH).trim_start_matches("sha256="))),
    ("github", "label_wrong", "another label", |c| c.set(GH, &c.get(GH).replace("sha256=", "v1="))),
    ("github", "signature_malformed", "cut short", |c| c.set(GH, &c.get(GH)[..40])),
    ("github", "signature_missing", "missing", |c| c.remove(GH)),
    ("github", "signature_missing", "empty", |c| c.set(GH, "")),
    ("github", "signature_duplicated", "doubled", |c| c.double(GH)),
    ("github", "secret_wrong", "another secret", |c| c.secret = "another secret".into()),
    ("github", "secret_wrong", "a number changed", |c| {
        c.body = String::from_utf8(c.body.clone()).unwrap().replace("42", "43").into();
    }),
    ("github", "secret_whitespace", "spaces around the secret", |c| c.secret = format!("  {} ", c.secret)),
    ("github", "secret_whitespace", "two line ends after the secret", |c| c.secret.push_str("\n\n")),
    ("github", "secret_whitespace", "quotes around the secret", |c| c.secret = format!("\"{}\"", c.secret)),
    ("github", "secret_encoding", "the secret in base64", |c| c.secret = STANDARD.encode(&c.secret)),
    ("github", "secret_encoding", "the secret in hexadecimal", |c| c.secret = hex(c.secret.as_bytes())),
    ("stripe", "timestamp_stale", "an hour later", |c| c.at = "2026-11-22T18:04:05Z".into()),
    ("stripe", "timestamp_future", "an hour before", |c| c.at = "2026-11-22T16:04:05Z".into()),
    ("stripe", "secret_encoding", "the secret without whsec_", |c| c.secret = c.secret.replace("whsec_", "")),
    ("stripe", "timestamp_missing", "no t=", |c| {
        let signature = c.get("stripe-signature").split_once(',').unwrap().1.to_owned();
        c.set("stripe-signature", &signature);
    }),
    ("stripe", "signature_missing", "no v1=", |c| c.set("stripe-signature", "t=1795367045")),
    ("stripe", "body_reserialized", "indented by tabs", |c| c.relayout(Some("\t"))),
    ("stripe", "signature_duplicated", "doubled", |c| c.double("stripe-signature")),
    ("stripe", "encoding_wrong", "base64", |c| {
        let signature = c.get("stripe-signature");
        let (time, tag) = signature.split_once(",v1=").unwrap();
        c.set("stripe-signature", &format!("{time},v1={}", STANDARD.encode(unhex(tag))));
    }),
    ("slack", "timestamp_missing", "no time", |c| c.remove("x-slack-request-timestamp")),
    ("slack", "timestamp_duplicated", "the time doubled", |c| c.double("x-slack-request-timestamp")),
    ("slack", "header_misnamed", "the time's name", |c| {
        c.rename("x-slack-request-timestamp", "x_slack_request_timestamp");
    }),
    ("slack", "timestamp_unit", "milliseconds", |c| {
        let signed = [b"v0:1795367045000:", &c.body[..]].concat();
        let tag = hex(&hmac_sha256(c.secret.as_bytes(), &signed));
        c.set("x-slack-request-timestamp", "1795367045000");
        c.set("x-slack-signature", &format!("v0={tag}"));
    }),
    ("hubspot", "timestamp_unit", "seconds", |c| {
        hubspot(c, "https://hooks.example.com", "1795367045");
    }),
    ("hubspot", "url_differs", "another host was pasted, the older signature beside it", |c| {
        older_hubspot(c);
        hubspot(c, "https://elsewhere.example", "1795367045678");
    }),
    ("hubspot", "signature_malformed", "cut short, the older signature beside it", |c| {
        older_hubspot(c);
        c.set(HS, &c.get(HS)[..20]);
    }),
    ("slack", "provider_other", "GitHub's request", |c| {
        *c = Capture { provider: "slack".into(), ..Capture::of("github") };
    }),
    ("slack", "body_decoded", "a form decoded in place", |c| {
        *c = Capture::nth("slack", 1);
        c.body = String::from_utf8(c.body.clone()).unwrap().replace("%2F", "/").replace('+', " ").into();
    }),
    ("standard-webhooks", "secret_encoding", "the key itself as the secret", |c| {
        c.secret = String::from_utf8(STANDARD.decode(c.secret.trim_start_matches("whsec_")).unwrap()).unwrap();
    }),
    ("standard-webhooks", "signed_field_missing", "no id", |c| c.remove("webhook-id")),
    ("standard-webhooks", "label_wrong", "v1= for v1,", |c| {
        c.set("webhook-signature", &c.get("webhook-signature").replace("v1,", "v1="));
    }),
    ("standard-webhooks", "encoding_wrong", "hexadecimal", |c| {
        let tag = STANDARD.decode(c.get("webhook-signature").trim_start_matches("v1,")).unwrap();
        c.set("webhook-signature", &format!("v1,{}", hex(&tag)));
    }),
    ("standard-webhooks", "signed_field_duplicated", "the id doubled", |c| c.double("webhook-id")),
    ("shippo", "body_trailing_newline", "a line feed more", |c| c.body.push(b'\n')),
    ("shippo", "timestamp_stale", "a day later", |c| c.at = "2026-11-23T17:04:05Z".into()),
    ("render", "secret_whitespace", "a tab after the secret", |c| c.secret.push('\t')),
    ("replicate", "body_reserialized", "Python's separators", |c| c.relayout(None)),
    ("webex", "algorithm_wrong", "SHA-256 instead of SHA-1", |c| {
        let tag = hex(&hmac_sha256(c.secret.as_bytes(), &c.body));
        c.set("x-spark-signature", &tag);
    }),
    ("webex", "label_wrong", "a label that is none of its", |c| {
        c.set("x-spark-signature", &format!("sha1={}", c.get("x-spark-signature")));
    }),
    ("terraform-cloud", "algorithm_wrong", "SHA-256 instead of SHA-512", |c| {
        let tag = hex(&hmac_sha256(c.secret.as_bytes(), &c.body));
        c.set("x-tfe-notification-signature", &tag);
    }),
    ("revenuecat", "secret_wrong", "another token", |c| c.set("authorization", "a-token-that-is-another")),
    ("xendit", "secret_whitespace", "a space after the secret", |c| c.secret.push(' ')),
    ("xendit", "header_misnamed", "underscores", |c| c.rename("x-callback-token", "x_callback_token")),
    ("squarespace", "body_bom", "a byte order mark", |c| c.body = [b"\xef\xbb\xbf", &c.body[..]].concat()),
    ("mux", "timestamp_future", "a day before", |c| c.at = "2026-11-21T17:04:05Z".into()),
    ("uber-eats", "secret_wrong", "another secret", |c| c.secret.push('x')),
    ("uber-eats", "encoding_wrong", "base64", |c| {
        c.set("x-uber-signature", &STANDARD.encode(unhex(&c.get("x-uber-signature"))));
    }),
    ("front", "encoding_wrong", "hexadecimal", |c| {
        c.set("x-front-signature", &hex(&STANDARD.decode(c.get("x-front-signature")).unwrap()));
    }),
    ("webflow", "signature_missing", "missing", |c| c.remove("x-webflow-signature")),
    ("cal-com", "body_line_endings", "LF made CRLF", |c| {
        c.body = b"{\"a\":1,\n\"b\":2}\n".to_vec();
        let tag = hex(&hmac_sha256(c.secret.as_bytes(), &c.body));
        c.set("x-cal-signature-256", &tag);
        c.body = b"{\"a\":1,\r\n\"b\":2}\r\n".to_vec();
    }),
    ("square", "url_scheme_differs", "http for https", |c| {
        c.public_url = c.public_url.as_ref().map(|url| url.replace("https://", "http://"));
    }),
    ("square", "body_trailing_newline", "a line feed more", |c| c.body.push(b'\n')),
    ("trello", "url_scheme_differs", "http for https", |c| {
        c.public_url = c.public_url.as_ref().map(|url| url.replace("https://", "http://"));
    }),
    ("telnyx", "body_trailing_newline", "a line feed more", |c| c.body.push(b'\n')),
    ("telnyx", "timestamp_stale", "an hour later", |c| c.at = "2026-11-22T19:04:05Z".into()),
    ("airwallex", "body_reserialized", "indented by two and a line feed", |c| {
        c.relayout(Some("  "));
        c.body.push(b'\n');
    }),
];

/// HubSpot's third signature, of the vector's path at some host.
fn hubspot(c: &mut Capture, base: &str, time: &str) {
    let signed = [format!("POST{base}/webhooks/hubspot?a=/b").as_bytes(), &c.body, time.as_bytes()].concat();
    c.set("x-hubspot-request-timestamp", time);
    c.set(HS, &STANDARD.encode(hmac_sha256(c.secret.as_bytes(), &signed)));
}

/// HubSpot's first signature, of its vector `v1`, which it sends beside the third.
fn older_hubspot(c: &mut Capture) {
    c.set("x-hubspot-signature-version", "v1");
    c.set("x-hubspot-signature", "7c1a6d750a9eb0f11ea61c6ce5e56095666b1592132c46ddeae788b4e61ab843");
}

fn escapes(c: &mut Capture) {
    let text = String::from_utf8(c.body.clone()).unwrap();
    let escape = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) };
    c.body = text.chars().map(escape).collect::<String>().into();
}

/// The payload of a form, decoded.
fn form_payload(form: &[u8]) -> Vec<u8> {
    let url = format!("http://x/?{}", String::from_utf8(form.to_vec()).unwrap());
    let url: url::Url = url.parse().unwrap();
    url.query_pairs().next().unwrap().1.into_owned().into_bytes()
}
