//! Tokens that bring their certificates along. The certificates and tokens are made by Python's `cryptography`; that Apple's
//! own library takes the genuine one, and no other root's, was tried with it.

use std::{collections::BTreeMap, time::Duration};

use gatepost_config::provider::Trust;
use gatepost_gateway::Reason;

use crate::forms::{Case, NOW};

const SCHEME: &str = "[[provider.scheme]]\nid = \"jws\"\nkind = \"jwt\"\nalgorithms = [\"ES256\"]\nrequired = []\n\
                      signature = { from = \"json:/signedPayload\" }\n\
                      chain = { leaf = \"1.2.840.113635.100.6.11.1\", issuer = \"1.2.840.113635.100.6.2.1\" }\n";

fn made() -> BTreeMap<String, String> {
    serde_json::from_str(include_str!("chains.json")).expect("texts by name")
}

fn shown(secret: &str, token: &str) -> Case {
    Case::new("authenticated", SCHEME, secret).body(&format!("{{\"signedPayload\":\"{token}\"}}"))
}

#[test]
fn a_token_counts_whose_certificates_lead_to_the_pinned_root() {
    let made = made();
    let root = made["ROOT"].as_str();
    for name in ["GENUINE", "WITHOUT_ROOT"] {
        assert_eq!(shown(root, &made[name]).judged(), Ok(Trust::Authenticated), "{name}");
    }
    assert_eq!(shown(&root.replace('\n', "\\n"), &made["GENUINE"]).judged(), Ok(Trust::Authenticated), "on one line");
}

#[test]
fn certificates_that_lead_elsewhere_or_are_for_something_else_are_refused() {
    let made = made();
    for (name, reason) in [
        ("OTHER_ROOT", Reason::KeyUnknown),
        ("LEAF_UNMARKED", Reason::KeyUnknown),
        ("ISSUER_UNMARKED", Reason::KeyUnknown),
        ("SELF_ISSUED", Reason::KeyUnknown),
        ("LEAF_ALONE", Reason::SignatureMalformed),
        ("FOUR", Reason::SignatureMalformed),
        ("NO_CHAIN", Reason::SignatureMalformed),
        ("OTHER_KEY", Reason::SignatureMismatch),
    ] {
        assert_eq!(shown(&made["ROOT"], &made[name]).judged(), Err(reason), "{name}");
    }
    for (secret, reason) in [("not a certificate", Reason::SecretMalformed), ("", Reason::SecretMalformed)] {
        assert_eq!(shown(secret, &made["GENUINE"]).judged(), Err(reason), "{secret:?}");
    }
}

#[test]
fn every_changed_character_of_a_token_with_certificates_is_refused() {
    let made = made();
    let genuine = &made["GENUINE"];
    assert_eq!(shown(&made["ROOT"], genuine).judged(), Ok(Trust::Authenticated), "the control");
    for at in 0..genuine.len() {
        let other = if genuine.as_bytes()[at] == b'A' { "B" } else { "A" };
        let changed = [&genuine[..at], other, &genuine[at + 1..]].concat();
        assert!(shown(&made["ROOT"], &changed).judged().is_err(), "a change at {at}");
    }
}

#[test]
fn certificates_count_while_they_are_valid() {
    let made = made();
    let case = shown(&made["ROOT"], &made["GENUINE"]);
    let days = |n: u64| Duration::from_secs(n * 86_400);
    assert_eq!(case.judged_at(NOW.after(days(3_650))), Ok(Trust::Authenticated));
    assert_eq!(case.judged_at(NOW.after(days(36_500))), Err(Reason::KeyUnknown));
    assert_eq!(case.judged_at(NOW.before(days(400))), Err(Reason::KeyUnknown));
}
