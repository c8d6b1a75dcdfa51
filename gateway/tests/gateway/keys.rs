//! Signatures by private keys, and tokens: what OpenSSL signed is accepted, and every change of it refused.

use std::time::Duration;

use gatepost_config::provider::Trust;
use gatepost_gateway::Reason;

use crate::{
    fixtures as f,
    forms::{Case, NOW},
};

fn asymmetric(kind: &str, encoding: &str, signed: &str) -> String {
    format!(
        "[[provider.scheme]]\nid = \"v\"\nkind = {kind}\n\
         signature = {{ from = \"header:x-sig\", encoding = \"{encoding}\" }}\nsigned = \"{signed}\"\n"
    )
}

#[test]
fn a_public_key_is_read_in_every_form_that_providers_show() {
    let ed = asymmetric("\"ed25519\"", "hex", "{header:x-time}{body}");
    let jwk = |from: &str| format!("{{{}}}", f::JWKS.split(['{', '}']).find(|key| key.contains(from)).expect("a key"));
    for key in [f::ED_HEX, f::ED_B64, f::ED_SPKI, f::ED_PEM, f::JWKS, &jwk("Ed25519"), &f::ED_PEM.replace('\n', "\\n")]
    {
        let case = Case::new("verified", &ed, key).header("x-time", "1795367045");
        case.header("x-sig", f::ED_SIG).proven(Trust::Verified);
    }
    let der = asymmetric("\"ecdsa\"", "base64", "{header:x-time}{body}");
    for key in [f::EC_SPKI, f::EC_HEX_POINT, f::EC_PEM, f::JWKS, &jwk("P-256")] {
        let case = Case::new("verified", &der, key).header("x-time", "1795367045");
        case.clone().header("x-sig", f::EC_SIG).proven(Trust::Verified);
        assert!(case.header("x-sig", f::EC_RAW_SIG).judged().is_err(), "in the other form");
    }
    let raw = asymmetric("\"ecdsa\"\nraw = true", "base64", "{header:x-time}{body}");
    let case = Case::new("verified", &raw, f::EC_PEM).header("x-time", "1795367045");
    case.header("x-sig", f::EC_RAW_SIG).proven(Trust::Verified);
    let wrapped = {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(f::RSA_PEM)
    };
    for (hash, signature) in [("sha1", f::RSA_SHA1), ("sha256", f::RSA_SHA256), ("sha512", f::RSA_SHA512)] {
        let rsa = asymmetric(&format!("\"rsa\"\nhash = \"{hash}\""), "base64", "{body}");
        for key in [f::RSA_PEM, f::RSA1_PEM, f::RSA_SPKI, f::CERTIFICATE, f::JWKS, &wrapped, &jwk("RS256")] {
            let case = Case::new("verified", &rsa, key).header("x-sig", signature);
            case.proven(Trust::Verified);
        }
    }
}

#[test]
fn a_key_of_another_kind_or_none_proves_nothing() {
    let rsa = asymmetric("\"rsa\"\nhash = \"sha256\"", "base64", "{body}");
    let judged = |key: &str| Case::new("verified", &rsa, key).header("x-sig", f::RSA_SHA256).judged();
    assert_eq!(judged(f::RSA_PEM), Ok(Trust::Verified), "the control");
    for key in [f::EC_PEM, f::ED_PEM, f::ED_HEX] {
        assert_eq!(judged(key), Err(Reason::SignatureMismatch));
    }
    let cut = f::RSA_SPKI.split_at(f::RSA_SPKI.len() - 8).0;
    let twice = format!("{}{}", f::RSA_SPKI.trim_end_matches('='), "AAAA");
    let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----";
    for key in ["not a key", cut, &twice, private, "{}", "{\"keys\":[]}", "-----BEGIN PUBLIC KEY-----"] {
        assert_eq!(judged(key), Err(Reason::SecretMalformed), "{key}");
    }
}

#[test]
fn a_certificate_counts_while_it_is_valid() {
    let rsa = asymmetric("\"rsa\"\nhash = \"sha256\"", "base64", "{body}");
    let case = Case::new("verified", &rsa, f::CERTIFICATE).header("x-sig", f::RSA_SHA256);
    assert_eq!(case.judged(), Ok(Trust::Verified));
    let days = |n: u64| Duration::from_secs(n * 86_400);
    assert_eq!(case.judged_at(NOW.after(days(60))), Err(Reason::SecretMalformed));
    assert_eq!(case.judged_at(NOW.before(days(400))), Err(Reason::SecretMalformed));
}

fn token(algorithms: &str, more: &str) -> String {
    format!(
        "[[provider.scheme]]\nid = \"jwt\"\nkind = \"jwt\"\nalgorithms = {algorithms}\n{more}\n\
         signature = {{ from = \"header:authorization\", prefix = \"Bearer \" }}\n\
         also = {{ \"claim:/iss\" = \"acme\", \"claim:/aud\" = {{ text = \"{{url}}\" }}, \
         \"claim:/body\" = {{ text = \"{{sha256hex:body}}\" }} }}\n"
    )
}

fn shown(scheme: &str, key: &str, token: &str) -> Case {
    Case::new("verified", scheme, key).header("authorization", &format!("Bearer {token}"))
}

#[test]
fn a_token_is_accepted_by_its_own_algorithm_and_binds_the_body() {
    shown(&token("[\"HS256\"]", ""), f::SHARED, f::HS).proven(Trust::Verified);
    for key in [f::JWKS, f::RSA_PEM] {
        shown(&token("[\"RS256\", \"ES256\"]", ""), key, f::RS).proven(Trust::Verified);
    }
    for key in [f::JWKS, f::EC_PEM] {
        shown(&token("[\"RS256\", \"ES256\"]", ""), key, f::ES).proven(Trust::Verified);
    }
}

#[test]
fn a_token_that_is_not_wholly_right_is_refused() {
    let (hs, rs) = (token("[\"HS256\"]", ""), token("[\"RS256\", \"ES256\"]", ""));
    for (key, text, reason) in [
        (f::RSA_PEM, f::NONE, Reason::SignatureMalformed),
        (f::RSA_PEM, f::CONFUSED, Reason::AlgorithmRefused),
        (f::JWKS, f::WRONG_KID, Reason::KeyUnknown),
        (f::JWKS, f::CRIT, Reason::SignatureMalformed),
        (f::JWKS, f::B64, Reason::SignatureMalformed),
        (f::JWKS, f::TWICE, Reason::SignatureMalformed),
        (f::JWKS, f::HS, Reason::AlgorithmRefused),
        (f::JWKS, "a.b", Reason::SignatureMalformed),
        (f::JWKS, "a.b.c.d", Reason::SignatureMalformed),
        (f::JWKS, "..", Reason::SignatureMalformed),
        (f::JWKS, &format!("{}=", f::RS), Reason::SignatureMalformed),
        (f::JWKS, &f::RS.replacen('.', " .", 1), Reason::SignatureMalformed),
    ] {
        let judged = shown(&rs, key, text).judged();
        assert!(judged.is_err(), "{text}");
        if text != f::NONE {
            assert_eq!(judged, Err(reason), "{text}");
        }
    }
    assert_eq!(shown(&hs, f::SHARED, f::RS).judged(), Err(Reason::AlgorithmRefused));
    assert_eq!(shown(&hs, "another secret, of another", f::HS).judged(), Err(Reason::SignatureMismatch));
    assert_eq!(
        Case::new("verified", &hs, f::SHARED).header("authorization", f::HS).judged(),
        Err(Reason::SignatureMalformed)
    );
    assert_eq!(Case::new("verified", &hs, f::SHARED).judged(), Err(Reason::SignatureMissing));
    // Every part of a token counts, and none of it may be changed.
    let mut changed = 0;
    for (at, _) in f::HS.match_indices(|c: char| c.is_ascii_alphanumeric()).step_by(7) {
        let other = if f::HS.as_bytes()[at] == b'Q' { "g" } else { "Q" };
        let text = format!("{}{other}{}", &f::HS[..at], &f::HS[at + 1..]);
        assert!(shown(&hs, f::SHARED, &text).judged().is_err(), "at {at}");
        changed += 1;
    }
    assert!(changed > 40, "{changed}");
}

#[test]
fn what_a_token_says_is_checked() {
    let plain = token("[\"HS256\"]", "");
    let aged = token("[\"HS256\"]", "required = []\nmax_age = \"5m\"");
    for good in [f::HS_NBF_PAST, f::HS_AUD_ONE, f::HS_IAT_NONE, f::HS_IAT_OLD, f::HS_EXP_FRACTION] {
        assert_eq!(shown(&plain, f::SHARED, good).judged(), Ok(Trust::Verified), "{good}");
    }
    for (bad, reason) in [
        (f::HS_EXP_PAST, Reason::TimestampStale),
        (f::HS_EXP_TEXT, Reason::TokenMalformed),
        (f::HS_EXP_NONE, Reason::TimestampMissing),
        (f::HS_EXP_BIG, Reason::TokenMalformed),
        (f::HS_NBF_FUTURE, Reason::TimestampFuture),
        (f::HS_IAT_FUTURE, Reason::TimestampFuture),
        (f::HS_ISS, Reason::ConditionFailed),
        (f::HS_AUD, Reason::ConditionFailed),
        (f::HS_AUD_NONE, Reason::ConditionFailed),
        (f::HS_HASH, Reason::ConditionFailed),
        (f::HS_HASH_NONE, Reason::ConditionFailed),
    ] {
        assert_eq!(shown(&plain, f::SHARED, bad).judged(), Err(reason), "{bad}");
    }
    assert_eq!(shown(&aged, f::SHARED, f::HS_EXP_NONE).judged(), Ok(Trust::Verified));
    assert_eq!(shown(&aged, f::SHARED, f::HS_IAT_OLD).judged(), Err(Reason::TimestampStale));
    assert_eq!(shown(&aged, f::SHARED, f::HS_IAT_NONE).judged(), Err(Reason::TimestampMissing));
}

#[test]
fn a_detached_token_signs_the_body_itself() {
    let scheme = "[[provider.scheme]]\nid = \"jws\"\nkind = \"jwt\"\nalgorithms = [\"RS512\"]\ndetached = true\n\
                  signature = { from = \"header:x-sig\" }\n";
    let case = Case::new("verified", scheme, f::JWKS);
    case.clone().header("x-sig", f::DETACHED).proven(Trust::Verified);
    assert!(case.header("x-sig", &f::DETACHED.replace("..", ".e30.")).judged().is_err());
}
