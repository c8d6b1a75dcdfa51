//! Every way to get a signature wrong, for each provider of the catalogue and one with another shape; beside each the
//! same request, genuine.

use std::collections::BTreeMap;

use bytes::Bytes;
use gatepost_config::{Catalogue, Provider, Secret, Timestamp, provider::Trust};
use gatepost_gateway::{Judge, RawRequest, Reason, verify};
use http::{HeaderName, HeaderValue, Method};
use proptest::prelude::{ProptestConfig, any, proptest};

use crate::{
    client::Ask,
    rig::{self, SECRET, WHSEC},
};

const NOW: Timestamp = Timestamp::from_millis(1_795_367_045_678);

/// A provider that signs the method, the URL and milliseconds with SHA-512, in base64url.
const GENERIC: &str = r#"
[gateway]
public_url = "https://hooks.example.com"

[[provider]]
name = "acme-pay"
title = "Acme Pay"
secret_scope = "connection"

[[provider.scheme]]
id = "s5"
kind = "hmac"
hash = "sha512"
signature = { from = "header:x-acme-signature", prefix = "s5:", encoding = "base64url" }
signed = "{method}\n{url}\n{header:x-acme-time}\n{body}"
timestamp = { from = "header:x-acme-time", unit = "ms", tolerance = "2m" }

[provider.event]
type = "json:/type"
id = "json:/id"

[[integration]]
id = "acme-pay"
provider = "acme-pay"
secrets = [{ env = "SECRET" }]
"#;

/// A genuine request with what it was signed by.
struct Case {
    provider: Provider,
    secret: Secret,
    signature: &'static str,
    request: RawRequest,
    public_url: url::Url,
}

impl Case {
    fn new(provider: &Provider, secret: &str, signature: &'static str) -> Self {
        let secret = Secret::new(secret.into(), "the test");
        let ask = Ask::post("/webhooks/x?a=%2F&b", r#"{"type":"a.b","id":"1","text":"grün"}"#);
        let ask = rig::sign(provider, &secret, ask.header("content-type", "application/json"), NOW);
        let name = |name: &str| name.parse::<HeaderName>().expect("a name");
        let headers = ask.headers.iter().map(|(n, v)| (name(n), v.parse::<HeaderValue>().expect("a value")));
        let request = RawRequest {
            method: Method::POST,
            target: ask.target.clone(),
            headers: headers.collect(),
            body: ask.body.into(),
            connection: None,
        };
        let public_url = "https://hooks.example.com".parse().expect("a URL");
        Self { provider: provider.clone(), secret, signature, request, public_url }
    }

    fn judged_by(&self, secrets: &[Secret], request: &RawRequest, now: Timestamp) -> Result<Trust, Reason> {
        let values = BTreeMap::new();
        let judge = Judge {
            provider: &self.provider,
            secrets,
            values: &values,
            public_url: Some(&self.public_url),
            unverified: false,
        };
        verify(&judge, request, now).map(|passed| passed.trust)
    }

    fn judged(&self, request: &RawRequest) -> Result<Trust, Reason> {
        self.judged_by(std::slice::from_ref(&self.secret), request, NOW)
    }

    /// The request with its signature's header changed.
    fn with(&self, values: &[&[u8]]) -> RawRequest {
        self.with_header(self.signature, values)
    }

    fn with_header(&self, name: &'static str, values: &[&[u8]]) -> RawRequest {
        let mut request = self.request.clone();
        request.headers.remove(name);
        for value in values {
            let value = HeaderValue::from_bytes(value).expect("a value");
            request.headers.append(HeaderName::from_static(name), value);
        }
        request
    }

    fn signature(&self) -> &str {
        self.request.headers[self.signature].to_str().expect("text")
    }

    /// What stands before the signature's text, and the text.
    fn halves(&self) -> (&str, &str) {
        let text = self.signature();
        let at = ["v1=", "v1,", "sha256=", "v0=", "s5:"].iter().find_map(|mark| Some(text.rfind(mark)? + mark.len()));
        text.split_at(at.expect("a mark"))
    }
}

/// The providers of the catalogue and the other one.
pub(crate) fn providers() -> Vec<Provider> {
    let built_in = ["github", "slack", "stripe", "standard-webhooks"];
    let catalogue = Catalogue::builtin();
    let generic = rig::config(GENERIC).integrations.remove(0).provider;
    built_in
        .iter()
        .map(|name| &catalogue.0[*name])
        .chain([&generic])
        .map(|provider| provider.as_ref().clone())
        .collect()
}

fn cases() -> Vec<Case> {
    let secrets = [SECRET, SECRET, WHSEC, WHSEC, SECRET];
    let headers =
        ["x-hub-signature-256", "x-slack-signature", "stripe-signature", "webhook-signature", "x-acme-signature"];
    let signed = providers().into_iter().zip(secrets).zip(headers);
    signed.map(|((provider, secret), header)| Case::new(&provider, secret, header)).collect()
}

/// The headers that are signed, but for the signature, by provider.
fn signed_headers(case: &Case) -> &'static [&'static str] {
    match case.signature {
        "x-slack-signature" => &["x-slack-request-timestamp"],
        "webhook-signature" => &["webhook-id", "webhook-timestamp"],
        "x-acme-signature" => &["x-acme-time"],
        _ => &[],
    }
}

#[test]
fn a_genuine_request_is_verified_and_the_body_is_covered() {
    for case in cases() {
        assert_eq!(case.judged(&case.request), Ok(Trust::Verified), "{}", case.provider.name);
    }
}

#[test]
fn a_signature_that_is_absent_doubled_cut_or_mislabelled_is_refused() {
    let (mut bad, mut good) = (0, 0);
    for case in cases() {
        let (mark, text) = case.halves();
        let whole = case.signature();
        let of = |text: &str| case.judged(&case.with(&[format!("{mark}{text}").as_bytes()]));
        let name = &case.provider.name;

        let mut wrong: Vec<(String, Result<Trust, Reason>)> = vec![
            ("absent".into(), case.judged(&case.with(&[]))),
            ("empty".into(), case.judged(&case.with(&[b""]))),
            ("twice".into(), case.judged(&case.with(&[whole.as_bytes(), whole.as_bytes()]))),
            ("good, then bad".into(), case.judged(&case.with(&[whole.as_bytes(), b"x"]))),
            ("bad, then good".into(), case.judged(&case.with(&[b"x", whole.as_bytes()]))),
            ("not text".into(), case.judged(&case.with(&[b"\xff\xfe"]))),
        ];
        for joined in [format!("{whole}, {whole}"), format!("{whole},{whole}"), format!("{mark}x, {whole}")] {
            wrong.push((format!("joined {joined:?}"), case.judged(&case.with(&[joined.as_bytes()]))));
        }
        for length in 0..text.len() {
            let kept = text.trim_end_matches('=').len();
            if length != kept {
                wrong.push((format!("cut to {length}"), of(&text[..length])));
            }
        }
        for label in ["", "sha1=", "md5=", "sha512=", "v2=", "v0,", "v2,", "V1=", "s5=", "SHA256=", "sha256 "] {
            if !mark.ends_with(label) || label.is_empty() {
                wrong.push((
                    format!("label {label:?}"),
                    case.judged(&case.with(&[format!("{label}{text}").as_bytes()])),
                ));
            }
        }
        for longer in ["0", "00", "=", "A", " ", "\t", "%00"] {
            wrong.push((format!("longer by {longer:?}"), of(&format!("{text}{longer}"))));
        }
        for (what, judged) in wrong {
            // A trailing space or tab is no part of a header's value; hyper takes it away before us.
            assert!(judged.is_err(), "{name}: {what} gave {judged:?}");
            bad += 1;
        }
        assert_eq!(case.judged(&case.request), Ok(Trust::Verified), "{name}: the positive control");
        good += 1;
    }
    println!("SIG: {bad} bad tried, 0 accepted; {good} good tried, {good} accepted");
}

#[test]
fn every_other_spelling_of_the_signature_than_the_listed_ones_is_refused() {
    for case in cases() {
        let (mark, text) = case.halves();
        let of = |text: &str| case.judged(&case.with(&[format!("{mark}{text}").as_bytes()]));
        let name = case.provider.name.as_str();
        let is_hex = matches!(name, "github" | "slack" | "stripe");
        if is_hex {
            assert_eq!(of(&text.to_uppercase()), Ok(Trust::Verified), "{name}: hex of either case");
        } else {
            assert_eq!(of(text.trim_end_matches('=')), Ok(Trust::Verified), "{name}: base64 without its padding");
            assert!(of(&text.to_uppercase()).is_err(), "{name}: case matters in base64");
            let other = |c: char| match c {
                '+' => '-',
                '/' => '_',
                '-' => '+',
                '_' => '/',
                c => c,
            };
            let swapped: String = text.chars().map(other).collect();
            assert!(swapped == text || of(&swapped).is_err(), "{name}: the other alphabet");
        }
        let middle = text.len() / 2;
        for inner in [" ", "\u{a0}", "%20", "=", "-"] {
            let spaced = format!("{}{inner}{}", &text[..middle], &text[middle..]);
            assert!(of(&spaced).is_err(), "{name}: {inner:?} inside");
        }
        assert!(
            of(&text.chars().map(|c| if c == '0' { '０' } else { c }).collect::<String>()).is_err()
                || !text.contains('0')
        );
    }
}

#[test]
fn what_is_signed_may_not_be_absent_doubled_or_changed() {
    for case in cases() {
        for header in signed_headers(&case) {
            let value = case.request.headers[*header].as_bytes().to_vec();
            let longer = [&value[..], b"1"].concat();
            for (what, values) in [
                ("absent", vec![]),
                ("empty", vec![&b""[..]]),
                ("twice", vec![&value[..], &value[..]]),
                ("longer", vec![&longer[..]]),
                ("a sign before it", vec![&b"+1795367045"[..]]),
                ("with a dot", vec![&b"msg.1"[..]]),
            ] {
                let judged = case.judged(&case.with_header(header, &values));
                assert!(judged.is_err(), "{}: {header} {what} gave {judged:?}", case.provider.name);
            }
        }
        let mut other_target = case.request.clone();
        other_target.target = "/webhooks/x?b&a=%2F".into();
        let signs_url = case.signature == "x-acme-signature";
        assert_eq!(case.judged(&other_target).is_err(), signs_url, "{}", case.provider.name);
    }
}

#[test]
fn the_body_is_judged_as_it_was_sent_and_not_as_json() {
    for case in cases() {
        for body in [
            &br#"{"id":"1","type":"a.b","text":"gr\u00fcn"}"#[..],
            "{\"type\":\"a.b\",\"id\":\"1\",\"text\":\"grün\"}\n".as_bytes(),
            "\u{feff}{\"type\":\"a.b\",\"id\":\"1\",\"text\":\"grün\"}".as_bytes(),
            "{\"type\": \"a.b\",\"id\":\"1\",\"text\":\"grün\"}".as_bytes(),
            b"",
        ] {
            let changed = RawRequest { body: Bytes::copy_from_slice(body), ..case.request.clone() };
            assert_eq!(case.judged(&changed), Err(Reason::SignatureMismatch), "{}", case.provider.name);
        }
    }
}

#[test]
fn only_an_active_secret_of_its_own_proves_a_request() {
    for case in cases() {
        let name = &case.provider.name;
        let by = |secrets: &[Secret]| case.judged_by(secrets, &case.request, NOW);
        let base64 = case.signature == "webhook-signature";
        let foreign = || {
            Secret::new(if base64 { "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" } else { "another secret" }.into(), "x")
        };
        let own = || case.secret.clone();
        assert_eq!(by(&[]), Err(Reason::SecretAbsent), "{name}");
        assert_eq!(by(&[foreign()]), Err(Reason::SignatureMismatch), "{name}");
        assert_eq!(by(&[foreign(), own()]), Ok(Trust::Verified), "{name}: rotation");
        assert_eq!(by(&[own(), foreign()]), Ok(Trust::Verified), "{name}: rotation");
        let until = |at: i64| own().expiring(Timestamp::from_millis(NOW.millis() + at));
        assert_eq!(by(&[until(1)]), Ok(Trust::Verified), "{name}: until just after now");
        assert_eq!(by(&[until(0)]), Err(Reason::SecretAbsent), "{name}: until now");
        assert_eq!(by(&[until(0), foreign()]), Err(Reason::SignatureMismatch), "{name}: the old one is gone");
        let empty = Secret::new(vec![], "x");
        assert_eq!(by(&[empty]), Err(Reason::SecretMalformed), "{name}: an empty secret is no key");
    }
}

#[test]
fn a_time_too_far_from_now_is_refused_both_ways() {
    for (case, tolerance) in cases().into_iter().zip([None, Some(300), Some(300), Some(300), Some(120)]) {
        let name = case.provider.name.clone();
        let at = |seconds: i64| {
            let now = Timestamp::from_millis(NOW.millis() + seconds * 1_000);
            case.judged_by(std::slice::from_ref(&case.secret), &case.request, now)
        };
        let Some(tolerance) = tolerance else {
            assert_eq!(at(10_000_000), Ok(Trust::Verified), "{name} signs no time");
            continue;
        };
        assert_eq!(at(tolerance), Ok(Trust::Verified), "{name}");
        assert_eq!(at(-tolerance), Ok(Trust::Verified), "{name}");
        assert_eq!(at(tolerance + 1), Err(Reason::TimestampStale), "{name}");
        assert_eq!(at(-tolerance - 1), Err(Reason::TimestampFuture), "{name}");
    }
}

#[test]
fn sixteen_candidates_are_considered_and_not_one_more() {
    let case = &cases()[2];
    let (mark, text) = case.halves();
    let time = mark.trim_end_matches("v1=");
    let with = |count: usize| {
        let others = format!("v1={},", "0".repeat(64)).repeat(count - 1);
        case.judged(&case.with(&[format!("{time}{others}v1={text}").as_bytes()]))
    };
    assert_eq!(with(2), Ok(Trust::Verified));
    assert_eq!(with(16), Ok(Trust::Verified));
    assert_eq!(with(17), Err(Reason::SignatureTooMany));
    assert_eq!(with(1_000), Err(Reason::SignatureTooLong));
    let v0 = format!("{},v0={}", case.signature(), "0".repeat(64));
    assert_eq!(case.judged(&case.with(&[v0.as_bytes()])), Ok(Trust::Verified), "v0 is not looked at");
    let two_times = format!("t=1,{}", case.signature());
    assert_eq!(case.judged(&case.with(&[two_times.as_bytes()])), Err(Reason::SignatureDuplicated));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_single_bit_can_be_changed(at in any::<usize>(), bit in 0_u8..8, which in 0_usize..5) {
        let case = cases().swap_remove(which);
        let mut body = case.request.body.to_vec();
        let place = at % body.len();
        body[place] ^= 1 << bit;
        let changed = RawRequest { body: body.into(), ..case.request.clone() };
        assert_eq!(case.judged(&changed), Err(Reason::SignatureMismatch));

        let mut secret = case.secret.expose().to_vec();
        let place = at % secret.len();
        secret[place] ^= 1 << bit;
        let judged = case.judged_by(&[Secret::new(secret, "x")], &case.request, NOW);
        // The key is what stands after `whsec_`; a change before it is a change of the prefix, which then isn't one.
        assert!(judged.is_err());

        let mut signature = case.signature().as_bytes().to_vec();
        let place = at % signature.len();
        signature[place] ^= 1 << bit;
        let same_hex = signature.eq_ignore_ascii_case(case.signature().as_bytes());
        if HeaderValue::from_bytes(&signature).is_ok() && !same_hex {
            assert!(case.judged(&case.with(&[&signature])).is_err());
        }
        assert_eq!(case.judged(&case.request), Ok(Trust::Verified));
    }
}
