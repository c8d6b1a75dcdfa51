//! `gatepost explain` names the right reason for requests that were broken in one way each, and the genuine request beside
//! each is valid.

mod broken;
mod capture;
mod refused;
mod tokens;
mod url;

use std::collections::BTreeSet;

use capture::{Bench, Capture};
pub(crate) use capture::{hex, hmac_sha256};

/// A request broken in one way: its provider, the reason it must be given, what was done, and the doing.
type Row = (&'static str, &'static str, &'static str, fn(&mut Capture));

#[test]
fn every_broken_request_is_given_its_reason_and_the_genuine_one_is_valid() {
    let bench = Bench::new();
    let mut providers = BTreeSet::new();
    let mut wrong = Vec::new();
    for (provider, reason, what, breaking) in broken::ROWS.iter().chain(tokens::ROWS) {
        providers.insert(*provider);
        let genuine = Capture::of(provider);
        let (code, report) = bench.explain(&genuine);
        if code != Some(0) || report["valid"] != true || !report["reason"].is_null() {
            wrong.push(format!("{provider}: the genuine one: {report}"));
        }
        let mut broken = genuine.clone();
        breaking(&mut broken);
        assert_ne!(broken, genuine, "{provider}: {what} changes nothing");
        let (code, report) = bench.explain(&broken);
        if code != Some(1) || report["valid"] != false || report["reason"] != *reason {
            wrong.push(format!("{provider}: {what}: not {reason} but {report}"));
        }
        for said in ["detail", "remedy"] {
            assert!(
                report[said].as_str().is_some_and(|text| text.len() > 10),
                "{provider}: {what}: no {said}: {report}"
            );
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} rows:\n{}",
        wrong.len(),
        broken::ROWS.len() + tokens::ROWS.len(),
        wrong.join("\n")
    );
    assert!(broken::ROWS.len() >= 40, "{} rows", broken::ROWS.len());
    assert!(providers.len() >= 15, "{} providers", providers.len());
}

#[test]
fn the_signed_text_is_printed_exactly_and_the_secret_never() {
    let bench = Bench::new();
    let genuine = Capture::of("slack");
    let (_, report) = bench.explain(&genuine);
    let signed = format!("v0:1795367045:{}", String::from_utf8(genuine.body.clone()).expect("text"));
    assert_eq!(report["signed"], signed);
    assert_eq!(report["scheme"], "v0");
    assert_eq!(report["trust"], "verified");

    let mut changed = genuine.clone();
    changed.body.push(b'\n');
    let (_, report) = bench.explain(&changed);
    assert_eq!(report["signed"], format!("{signed}\n"), "what was received");
    assert_eq!(report["provider_signed"], signed, "what was signed");
    let said = bench.text(&changed);
    assert!(said.contains("body_trailing_newline") && said.contains("v0:1795367045:"), "{said}");
    assert!(!said.contains(&genuine.secret) && !report.to_string().contains(&genuine.secret));
}

#[test]
fn a_stale_request_is_told_by_how_much() {
    let bench = Bench::new();
    let mut late = Capture::of("stripe");
    late.at = "2026-11-22T18:09:06Z".to_owned();
    let (_, report) = bench.explain(&late);
    assert_eq!(report["reason"], "timestamp_stale");
    let detail = report["detail"].as_str().expect("words");
    assert!(detail.contains("about 1h") || detail.contains("is 1h"), "one hour beyond the five minutes: {detail}");
    assert!(detail.contains("5m"), "{detail}");
}

#[test]
fn the_secret_of_another_configured_integration_is_named() {
    let config = "[[integration]]\nid = \"gh-other\"\nprovider = \"github\"\nsecrets = [{ file = \"other\" }]\n";
    let genuine = Capture::of("github");
    let bench = Bench::with(config, &[("other", &genuine.secret)]);
    let mut mixed = genuine.clone();
    mixed.secret = "quite another secret".to_owned();
    let (code, report) = bench.explain(&mixed);
    assert_eq!((code, report["reason"].as_str()), (Some(1), Some("secret_of_other_integration")), "{report}");
    assert!(report["detail"].as_str().is_some_and(|detail| detail.contains("gh-other")), "{report}");
    assert_eq!(bench.explain(&genuine).0, Some(0));
}

#[test]
fn a_request_that_was_posted_to_another_integration_s_url_is_told_whose_it_is() {
    let config = "[[integration]]\nid = \"pay\"\nprovider = \"stripe\"\nsecrets = [{ file = \"stripe\" }]\n";
    let genuine = Capture::of("stripe");
    let strayed = Capture { provider: "github".into(), secret: "GitHub's own secret".into(), ..genuine.clone() };
    let bench = Bench::with(config, &[("stripe", &genuine.secret)]);
    let (code, report) = bench.explain(&strayed);
    assert_eq!((code, report["reason"].as_str()), (Some(1), Some("integration_other")), "{report}");
    assert!(report["detail"].as_str().is_some_and(|detail| detail.contains("integration pay")), "{report}");

    let (_, report) = Bench::new().explain(&strayed);
    assert_eq!(report["reason"], "signature_missing", "nothing is known of other integrations");
    assert!(report["detail"].as_str().is_some_and(|detail| detail.contains("as Stripe sends")), "{report}");
}

#[test]
fn a_shell_without_the_secrets_still_has_the_public_url() {
    let config = "[gateway]\npublic_url = \"https://hooks.example.com\"\n[[integration]]\nid = \"crm\"\nprovider = \"hubspot\"\n\
                  secrets = [{ env = \"NOBODY_SETS_THIS\" }]\n";
    let bench = Bench::with(config, &[]);
    let genuine = Capture { public_url: None, ..Capture::of("hubspot") };
    assert_eq!(bench.explain(&genuine).0, Some(0), "by --secret-file and the file's public_url");
    let said = bench.text(&genuine);
    assert!(said.contains("can't be read here") && !said.contains("is bad"), "{said}");
}

#[test]
fn a_capture_with_bare_line_feeds_and_on_standard_input_is_read_the_same() {
    let bench = Bench::new();
    let genuine = Capture::of("github");
    for ends in ["\r\n", "\n"] {
        assert_eq!(bench.explain_bytes(&genuine, &genuine.raw(ends)).0, Some(0), "{ends:?}");
    }
    let output = bench.explain_stdin(&genuine);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(bench.explain_bytes(&genuine, b"no request at all").0, Some(1));
}

#[test]
fn what_isn_t_known_is_refused_with_what_is() {
    let bench = Bench::new();
    let mut unknown = Capture::of("github");
    unknown.provider = "git-hub".to_owned();
    let said = bench.text(&unknown);
    assert!(said.contains("did you mean github"), "{said}");
}

#[test]
fn a_signature_over_sorted_keys_is_found_although_the_body_came_in_another_order() {
    let bench = Bench::new();
    let mut capture = Capture::of("github");
    capture.body = br#"{"action":"opened","zoo":{"a":1,"b":2.50}}"#.to_vec();
    let tag = hex(&hmac_sha256(capture.secret.as_bytes(), &capture.body));
    capture.set("x-hub-signature-256", &format!("sha256={tag}"));
    assert_eq!(bench.explain(&capture).0, Some(0));
    capture.body = br#"{"zoo": {"b": 2.50, "a": 1}, "action": "opened"}"#.to_vec();
    let (_, report) = bench.explain(&capture);
    assert_eq!(report["reason"], "body_reserialized", "{report}");
    assert!(report["detail"].as_str().is_some_and(|detail| detail.contains("alphabetical")), "{report}");
}

#[test]
fn what_a_token_says_and_what_it_must_are_told_but_no_value_is() {
    let bench = Bench::new();
    let mut refused = Capture::of("monday");
    tokens::ROWS.iter().find(|row| row.2 == "another audience").expect("a row").3(&mut refused);
    let (_, report) = bench.explain(&refused);
    let detail = report["detail"].as_str().expect("words");
    assert!(detail.contains("claim:/aud is \"https://elsewhere.example.org/x\""), "{detail}");
    assert!(detail.contains("https://hooks.example.com"), "{detail}");
    let mut confused = Capture::of("plaid");
    tokens::ROWS.iter().find(|row| row.2 == "HS256 by the public key").expect("a row").3(&mut confused);
    let (_, report) = bench.explain(&confused);
    assert!(report["detail"].as_str().is_some_and(|d| d.contains("HS256") && d.contains("ES256 alone")), "{report}");
    let mut unknown = Capture::of("braintree");
    unknown.values.clear();
    let (_, report) = bench.explain(&unknown);
    assert!(report["detail"].as_str().is_some_and(|d| d.contains("public_key")), "{report}");
    assert_eq!(bench.explain(&Capture::of("braintree")).0, Some(0));
}
