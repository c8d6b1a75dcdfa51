//! Every form that a signature, a key or a signed text may have, each with a request that Python's `hmac`, `hashlib` and
//! `zlib` signed; beside each the same request, changed.

use std::collections::BTreeMap;

use gatepost_config::{Provider, Secret, Timestamp, provider::Trust};
use gatepost_gateway::{Judge, RawRequest, Reason, verify};
use http::{HeaderMap, HeaderName, Method};

use crate::rig;

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_795_367_045_678);
const BODY: &str = r#"{"type":"paid","id":"e1"}"#;

/// A request with what it is judged by.
#[derive(Clone)]
pub(crate) struct Case {
    provider: Provider,
    secrets: Vec<Secret>,
    values: BTreeMap<String, Secret>,
    pub(crate) request: RawRequest,
}

impl Case {
    /// A provider whose schemes are these lines of its file, with the trust it has.
    pub(crate) fn new(trust: &str, schemes: &str, secret: &str) -> Self {
        let text = format!(
            "[gateway]\npublic_url = \"https://hooks.example.com\"\n[[provider]]\nname = \"acme\"\ntitle = \"Acme\"\n\
             trust = {trust:?}\nform_payload = \"bt_payload\"\nvalues = {{ public_key = \"a key\", ids = \"ids\" }}\n{schemes}\n\
             [provider.event]\ntype = \"json:/type\"\n"
        );
        let provider = Provider::clone(&rig::config(&text).catalogue.0["acme"]);
        let value = |text: &str| Secret::new(text.into(), "a test");
        let values = [("public_key".to_owned(), value("pub_1")), ("ids".to_owned(), value("id-1, id-2"))].into();
        let request = RawRequest {
            method: Method::POST,
            target: "/webhooks/acme".into(),
            headers: HeaderMap::new(),
            body: BODY.into(),
            connection: None,
        };
        Self { provider, secrets: vec![value(secret)], values, request }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request.headers.append(HeaderName::from_static(name), value.parse().expect("a value"));
        self
    }

    pub(crate) fn target(mut self, target: &str) -> Self {
        self.request.target = target.into();
        self
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        self.request.body = body.to_owned().into();
        self
    }

    pub(crate) fn form(self, body: &str) -> Self {
        self.header("content-type", "application/x-www-form-urlencoded").body(body)
    }

    pub(crate) fn judged(&self) -> Result<Trust, Reason> {
        self.judged_at(NOW)
    }

    pub(crate) fn judged_at(&self, now: Timestamp) -> Result<Trust, Reason> {
        let url = "https://hooks.example.com/".parse().expect("a URL");
        let judge = Judge {
            provider: &self.provider,
            secrets: &self.secrets,
            values: &self.values,
            public_url: Some(&url),
            unverified: false,
        };
        verify(&judge, &self.request, now).map(|passed| passed.trust)
    }

    /// The request is good, is not when a bit of its body is changed, and not by another secret.
    pub(crate) fn proven(&self, trust: Trust) {
        assert_eq!(self.judged(), Ok(trust));
        let mut other = self.clone();
        other.secrets = vec![Secret::new(b"another secret of nobody".to_vec(), "a test")];
        assert!(other.judged().is_err(), "another secret");
        if trust == Trust::Verified {
            for at in 0..self.request.body.len() {
                let mut body = self.request.body.to_vec();
                body[at] ^= 1;
                let mut changed = self.clone();
                changed.request.body = body.into();
                assert!(changed.judged().is_err(), "a change at {at}");
            }
        }
    }
}

const FORM_URL: &str = r#"
[[provider.scheme]]
id = "json"
when = "query:bodySHA256"
kind = "hmac"
hash = "sha1"
signature = { from = "header:x-sig", encoding = "base64" }
signed = ["{url}", "{url_with_port}"]
also = { "query:bodySHA256" = { text = "{sha256hex:body}" } }
[[provider.scheme]]
id = "form"
kind = "hmac"
hash = "sha1"
signature = { from = "header:x-sig", encoding = "base64" }
signed = ["{url}{form:*}", "{url_with_port}{form:*}"]
"#;

#[test]
fn a_sorted_form_is_signed_with_the_url() {
    let case = Case::new("verified", FORM_URL, "12345678901234567890").target("/webhooks/acme?a=1");
    let case = case.header("x-sig", "TAXv7FwZufF7CDcYHYwOCYnaNwg=");
    let body = "To=%2B18005551212&From=%2B14158675310&MediaUrl=b&MediaUrl=a&MediaUrl=b&Digits=1234";
    case.clone().form(body).proven(Trust::Verified);
    let other_url = case.clone().form(body).target("/webhooks/acme?a=2");
    assert_eq!(other_url.judged(), Err(Reason::SignatureMismatch));
    // Only a form is covered by the fields of a form.
    assert_eq!(case.body(body).judged(), Err(Reason::SignedFieldMissing));
}

#[test]
fn a_body_is_bound_by_its_hash_in_the_signed_url() {
    let hash = "23ee4dd9a4479befb6c45cb180cae357ee418c053cafac9fb7464068c0814aa8";
    let case = Case::new("verified", FORM_URL, "12345678901234567890");
    let case =
        case.target(&format!("/webhooks/acme?bodySHA256={hash}")).header("x-sig", "NiIlArRxzbTPePDgnInx5ciABtc=");
    case.proven(Trust::Verified);
    assert_eq!(case.clone().body("{}").judged(), Err(Reason::ConditionFailed));
    assert_eq!(case.form("a=b").judged(), Err(Reason::ConditionFailed), "no way around the condition by a form");
}

#[test]
fn the_secret_may_be_hashed_with_the_text() {
    let digest = |name: &str, signed: &str| {
        format!(
            "[[provider.scheme]]\nid = \"{name}\"\nwhen = {{ \"header:x-version\" = \"{name}\" }}\nkind = \"digest\"\n\
             hash = \"sha256\"\nsignature = {{ from = \"header:x-sig\", encoding = \"hex\" }}\nsigned = \"{signed}\"\n"
        )
    };
    let v3 = "[[provider.scheme]]\nid = \"v3\"\nwhen = \"header:x-sig-v3\"\nkind = \"hmac\"\nhash = \"sha256\"\n\
              signature = { from = \"header:x-sig-v3\", encoding = \"base64\" }\n\
              signed = \"{method}{url_decoded}{body}{header:x-time}\"\n\
              timestamp = { from = \"header:x-time\", unit = \"ms\", tolerance = \"5m\" }\n";
    let text = [v3, &digest("v2", "{secret}{method}{url}{body}"), &digest("v1", "{secret}{body}")].join("");
    let case = Case::new("verified", &text, "client-secret").target("/webhooks/acme?x=%2F");
    let v1 = case.clone().header("x-version", "v1");
    v1.header("x-sig", "388bb6e83c89e0168744fa6ed6ff6083b733881de531a08af5e0abff40e49430").proven(Trust::Verified);
    let v2 = case.clone().header("x-version", "v2");
    let v2 = v2.header("x-sig", "91a81c10e62549557b585ec33e354c3fc0737f0483c1893a406fcb4d8b48a741");
    v2.proven(Trust::Verified);
    let v3 = case.header("x-sig-v3", "40DDosR9X3kEw/goEA3RZ6KNFIEfg1zkIG7dukprres=").header("x-time", "1795367045678");
    v3.proven(Trust::Verified);
    // The stronger one is there and wrong: the weaker, right one doesn't count.
    let both = v2.header("x-sig-v3", "AAAAosR9X3kEw/goEA3RZ6KNFIEfg1zkIG7dukprres=").header("x-time", "1795367045678");
    assert_eq!(both.judged(), Err(Reason::SignatureMismatch));
    // A version that nobody knows, or two of them.
    assert_eq!(case_with_versions(&text, &["v4"]), Err(Reason::SignatureMissing));
    assert!(case_with_versions(&text, &["v1", "v1"]).is_err());
}

fn case_with_versions(text: &str, versions: &[&str]) -> Result<Trust, Reason> {
    let case = Case::new("verified", text, "client-secret");
    let case = case.header("x-sig", "388bb6e83c89e0168744fa6ed6ff6083b733881de531a08af5e0abff40e49430");
    versions.iter().fold(case, |case, version| case.header("x-version", version)).judged()
}

#[test]
fn every_form_of_a_signature_is_read() {
    let scheme = |signature: &str, rest: &str| {
        format!("[[provider.scheme]]\nid = \"v\"\nkind = \"hmac\"\nsignature = {{ {signature} }}\n{rest}\n")
    };
    let timed = "hash = \"sha256\"\nsigned = \"{signature:t}.{body}\"\n\
                 timestamp = { from = \"signature:t\", unit = \"s\", tolerance = \"5m\" }";
    let groups = "from = \"header:x-sig\", parse = \"groups\", key = \"v1\", encoding = \"hex\"";
    let tag = "ba480fb489f6d7ac49cd1ea07cd24cea7efc365300e034efa400de3f2f4c593f";
    let case = Case::new("verified", &scheme(groups, timed), "wbhsec_1234");
    let old = "t=1795360000,v1=00000fb489f6d7ac49cd1ea07cd24cea7efc365300e034efa400de3f2f4c593f";
    for text in [format!("t=1795367045,v1={tag}"), format!("{old} t=1795367045,v1={tag}")] {
        case.clone().header("x-sig", &text).proven(Trust::Verified);
    }
    let swapped = format!("t=1795360000,v1={tag} t=1795367045,v1={}", "00".repeat(32));
    assert!(case.header("x-sig", &swapped).judged().is_err(), "a time of another group");

    let positional = "from = \"header:x-sig\", parse = \"positional\", encoding = \"hex\"";
    let timed = timed.replace("signature:t", "signature:0");
    let tag = "6e284248640afa687712d3becb45ec3034867f775bc6aa222856b4fbaf0b754b";
    let case = Case::new("verified", &scheme(positional, &timed), "recurly-key");
    let text = format!("1795367045,{},{tag}", "00".repeat(32));
    case.clone().header("x-sig", &text).proven(Trust::Verified);
    assert!(case.header("x-sig", tag).judged().is_err());

    let list = "from = \"header:x-sig\", parse = \"list\", encoding = \"base64\"";
    let plain = "hash = \"sha256\"\nsigned = \"{body}\"";
    let case = Case::new("verified", &scheme(list, plain), "client-secret");
    let text = "AAAA/LyP2pl49st507VOnzT0Q8uz1y+jhibAW9ww0ss=, JG8B/LyP2pl49st507VOnzT0Q8uz1y+jhibAW9ww0ss=";
    case.clone().header("x-sig", text).proven(Trust::Verified);
    let flood = ["JG8B/LyP2pl49st507VOnzT0Q8uz1y+jhibAW9ww0ss="; 17].join(",");
    assert_eq!(case.clone().header("x-sig", &flood).judged(), Err(Reason::SignatureTooMany));
    assert_eq!(case.header("x-sig", "a,,b").judged(), Err(Reason::SignatureMissing));

    let numbered = "from = \"header:x-sig-{1..100}\", encoding = \"base64\"";
    let case = Case::new("verified", &scheme(numbered, plain), "docusign-key-2");
    let (wrong, right) =
        ("AAAAHQ21N17I29zhuBkbubCv2s5CyhzawtsFbmVWG6g=", "cYtoHQ21N17I29zhuBkbubCv2s5CyhzawtsFbmVWG6g=");
    case.clone().header("x-sig-1", wrong).header("x-sig-100", right).proven(Trust::Verified);
    assert_eq!(case.clone().header("x-sig-101", right).judged(), Err(Reason::SignatureMissing));
    assert_eq!(case.header("x-sig-1", right).header("x-sig-1", right).judged(), Err(Reason::SignatureDuplicated));

    let optional = "from = \"header:x-sig\", prefix = \"md5=\", prefix_optional = true, encoding = \"hex\"";
    let case = Case::new("verified", &scheme(optional, "hash = \"md5\"\nsigned = \"{body}\""), "12345678");
    for text in ["md5=9115b19569f085c4f5ff70b29d820f6d", "9115b19569f085c4f5ff70b29d820f6d"] {
        case.clone().header("x-sig", text).proven(Trust::Verified);
    }
}

#[test]
fn two_headers_may_hold_the_signature_and_others_must_say_how_it_was_made() {
    let text = "[[provider.scheme]]\nid = \"v1\"\nkind = \"hmac\"\nhash = \"sha256\"\n\
                signature = { from = [\"header:x-primary\", \"header:x-secondary\"], encoding = \"base64\" }\n\
                signed = \"{body}{header:x-time}\"\n\
                also = { \"header:x-version\" = \"1\", \"header:x-id\" = { one_of = \"ids\" } }\n";
    let case = Case::new("verified", text, "secondary-key").header("x-time", "2026-11-22T17:04:05-08:00");
    let case = case.header("x-primary", "AAAAdRz0bNU7A4z9zXJZrXu3tjXIbpZXBwdxaq5hprg=");
    let case = case.header("x-secondary", "uFMBdRz0bNU7A4z9zXJZrXu3tjXIbpZXBwdxaq5hprg=");
    for id in ["id-1", "id-2"] {
        case.clone().header("x-version", "1").header("x-id", id).proven(Trust::Verified);
    }
    for (version, id) in [("2", "id-1"), ("1", "id-3"), ("1", "id-1,"), ("1", "id-1, id-2"), ("1", "i")] {
        let judged = case.clone().header("x-version", version).header("x-id", id).judged();
        assert_eq!(judged, Err(Reason::ConditionFailed), "{version} {id}");
    }
    assert_eq!(case.judged(), Err(Reason::ConditionFailed));
}

#[test]
fn keys_are_made_in_odd_ways() {
    let scheme = |key: &str, encoding: &str, hash: &str| {
        format!(
            "[[provider.scheme]]\nid = \"v\"\nkind = \"hmac\"\nhash = \"{hash}\"\nkey = {key}\n\
             signature = {{ from = \"header:x-sig\", encoding = \"{encoding}\" }}\nsigned = \"{{body}}\"\n"
        )
    };
    let suffixed = scheme("{ form = \"utf8\", suffix = \"&\" }", "base64", "sha1");
    let case = Case::new("verified", &suffixed, "client-secret").header("x-sig", "3NSi4f7OXd6BqzEXFZqyCr3nLw0=");
    case.proven(Trust::Verified);
    let tag = "4a06ec154582f81d1f2598ba2c5596bb7638e0c81d6fdeadeb27953b0b71e964";
    let composed = "\u{fb01}ne-\u{e9}-secret";
    let case = Case::new("verified", &scheme("\"nfkd\"", "hex", "sha256"), composed).header("x-sig", tag);
    case.proven(Trust::Verified);

    let keyed = "[[provider.scheme]]\nid = \"v\"\nkind = \"hmac\"\nhash = \"sha1\"\nkey = \"sha1\"\n\
                 signature = { from = \"form:bt_signature\", parse = \"keyed\", value = \"public_key\", encoding = \"hex\" }\n\
                 signed = [\"{form:bt_payload}\", \"{form:bt_payload}\\\\n\"]\n";
    let case = Case::new("verified", keyed, "private_key");
    let signature = "pub_0%7C00&pub_1%7C1db3034082f82fde24b7eb4166810004cad09e14".replace('&', "%26");
    let form = |payload: &str| case.clone().form(&format!("bt_signature={signature}&bt_payload={payload}"));
    for payload in ["PG4vPg%3D%3D%0A", "PG4vPg%3D%3D"] {
        assert_eq!(form(payload).judged(), Ok(Trust::Verified), "{payload}");
    }
    assert_eq!(form("PG4vPw%3D%3D").judged(), Err(Reason::SignatureMismatch));
    let foreign = case.form("bt_signature=pub_2%7C1db3034082f82fde24b7eb4166810004cad09e14&bt_payload=PG4vPg%3D%3D");
    assert_eq!(foreign.judged(), Err(Reason::SignatureMissing), "signed by a key that isn't the integration's");
}

const EACH: &str = r#"
[[provider.scheme]]
id = "items"
each = "/notificationItems"
kind = "hmac"
hash = "sha256"
key = "hex"
signature = { from = "item:/i/additionalData/hmacSignature", encoding = "base64" }
signed = "{item:/i/pspReference?}:{item:/i/originalReference?}:{item:/i/account?}:{item:/i/merchantReference?}:{item:/i/amount/value?}:{item:/i/amount/currency?}:{item:/i/eventCode?}:{item:/i/success?}"
"#;

#[test]
fn every_element_of_an_array_must_be_signed() {
    let key = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";
    let one = r#"{"i":{"pspReference":"7914073381342284","account":"TestMerchant","merchantReference":"TestPayment-1407325143704","amount":{"value":1130,"currency":"EUR"},"eventCode":"AUTHORISATION","success":"true","additionalData":{"hmacSignature":"coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="}}}"#;
    let two = r#"{"i":{"pspReference":"p2","originalReference":null,"account":"TestMerchant","merchantReference":"r2","amount":{"value":5,"currency":"EUR"},"eventCode":"REFUND","success":"false","additionalData":{"hmacSignature":"10kBD7sxnTsl8AboDziOsecUWp3z3duLBzc54cP9IlA="}}}"#;
    let case = Case::new("authenticated", EACH, key);
    let items =
        |items: &[&str]| case.clone().body(&format!(r#"{{"notificationItems":[{}]}}"#, items.join(","))).judged();
    for good in [vec![one], vec![two], vec![one, two], vec![two, one, one]] {
        assert_eq!(items(&good), Ok(Trust::Authenticated));
    }
    let changed = |from: &str, to: &str| two.replace(from, to);
    for bad in [
        changed("\"value\":5", "\"value\":50"),
        changed("REFUND", "AUTHORISATION"),
        changed("\"p2\"", "[\"p2\"]"),
        changed("\"originalReference\":null", "\"originalReference\":{}"),
        changed("\"r2\"", "\"r2\",\"merchantReference\":\"r2\""),
        changed("\"r2\"", "\"r2:5\""),
        changed("hmacSignature", "hmac"),
        "null".to_owned(),
        "{}".to_owned(),
    ] {
        assert!(items(&[&bad]).is_err(), "{bad}");
        assert!(items(&[one, &bad]).is_err(), "{bad} after a good one");
    }
    assert_eq!(items(&[]), Err(Reason::SignatureMissing));
    for body in ["{}", "[]", "", r#"{"notificationItems":{}}"#, r#"{"notificationItems":[],"notificationItems":[]}"#] {
        assert!(case.clone().body(body).judged().is_err(), "{body}");
    }
}

#[test]
fn a_token_may_stand_in_every_element_or_be_a_user_and_password() {
    let each = "[[provider.scheme]]\nid = \"t\"\neach = \"/value\"\nkind = \"token\"\n\
                signature = { from = \"item:/clientState\" }\n";
    let case = Case::new("authenticated", each, "secretClientValue");
    let body = |body: &str| case.clone().body(body).judged();
    assert_eq!(body(r#"{"value":[{"clientState":"secretClientValue"}]}"#), Ok(Trust::Authenticated));
    let second = r#"{"value":[{"clientState":"secretClientValue"},{"clientState":"secretClientvalue"}]}"#;
    assert_eq!(body(second), Err(Reason::TokenMismatch));
    assert_eq!(body(r#"{"value":[{"clientState":"secretClientValue"},{}]}"#), Err(Reason::SignatureMissing));

    let case = Case::new("authenticated", "[[provider.scheme]]\nid = \"b\"\nkind = \"basic\"\n", "user:pass:word");
    let shown = |text: &str| case.clone().header("authorization", text).judged();
    assert_eq!(shown("Basic dXNlcjpwYXNzOndvcmQ="), Ok(Trust::Authenticated));
    for bad in [
        "Basic dXNlcjpwYXNzOndvcmR=",
        "Basic dXNlcjpwYXNz",
        "dXNlcjpwYXNzOndvcmQ=",
        "Basic ",
        "Bearer dXNlcjpwYXNzOndvcmQ=",
    ] {
        assert!(shown(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_checksum_that_anybody_can_hit_does_not_cover_the_body() {
    let crc = "[[provider.scheme]]\nid = \"v\"\nkind = \"hmac\"\nhash = \"sha256\"\n\
               signature = { from = \"header:x-sig\", encoding = \"hex\" }\n\
               signed = \"{header:x-id}|{header:x-time}|WH-1|{crc32dec:body}\"\n";
    let tag = "e68be13395353b239d5a4de7fa23899d0b496b7e6c13a41c5ac8dcf0dd0a3b23";
    let case = Case::new("authenticated", crc, "client-secret").header("x-id", "id").header("x-time", "t");
    let case = case.header("x-sig", tag);
    case.proven(Trust::Authenticated);
    assert_eq!(case.body("{}").judged(), Err(Reason::SignatureMismatch));
    // The sum of an alternate text counts as any other.
    let either = "[[provider.scheme]]\nid = \"v\"\nkind = \"digest\"\nhash = \"sha1\"\n\
                  signature = { from = \"header:x-sig\", encoding = \"hex\" }\n\
                  signed = [\"{body}{header:x-missing}{secret}\", \"{body}{header:x-time}{secret}\"]\n\
                  timestamp = { from = \"header:x-time\", unit = \"s\", tolerance = \"2h\" }\n";
    let case = Case::new("verified", &either.replace("x-missing}", "x-time}."), "api-secret");
    let case = case.header("x-time", "1795367045").header("x-sig", "1a98357f1dc17794cb3af35f41f8efa1eda8568a");
    case.proven(Trust::Verified);
    assert_eq!(case.judged_at(NOW.after(std::time::Duration::from_secs(7_201))), Err(Reason::TimestampStale));
}
