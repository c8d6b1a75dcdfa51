//! The vendors' own libraries judge the gateway's verifier, both ways: what they sign or accept it accepts, and what
//! they refuse it refuses.

mod differences;
mod library;
mod verdict;

use std::collections::BTreeMap;

use gatepost_config::provider::Catalogue;

use crate::library::Asked;

/// Providers whose files must be there and agree with their vendor's library.
const COVERED: &[&str] = &[
    "adyen",
    "aws-sns",
    "box",
    "braintree",
    "contentful",
    "discord",
    "github",
    "hubspot",
    "line",
    "linear",
    "livekit",
    "mercado-pago",
    "paddle",
    "sanity",
    "sendgrid",
    "shopify",
    "slack",
    "square",
    "standard-webhooks",
    "stripe",
    "svix",
    "telnyx",
    "twilio",
    "upstash-qstash",
    "workos",
];

#[test]
fn the_verifier_agrees_with_the_vendors_own_libraries() {
    let catalogue = Catalogue::builtin();
    let mut by_provider: BTreeMap<String, Vec<Asked>> = BTreeMap::new();
    for asked in library::ask_all() {
        by_provider.entry(asked.provider.clone()).or_default().push(asked);
    }

    let (mut disagreements, mut covered) = (Vec::new(), Vec::new());
    for (name, all) in &by_provider {
        let Some(provider) = catalogue.0.values().find(|provider| provider.name.as_str() == name) else {
            println!("{name:18} not yet in the catalogue");
            continue;
        };
        let mut tally = Tally::default();
        for asked in all {
            let ours = verdict::ours(provider, asked);
            match (asked.verdict, &ours) {
                (true, Ok(_)) => tally.accepted += 1,
                (false, Err(_)) => tally.refused += 1,
                (false, Ok(_)) if differences::same_signature(asked) => tally.unpadded += 1,
                (true, Err(reason)) if differences::stricter(asked, *reason) => tally.stricter += 1,
                (theirs, ours) => disagreements.push(format!(
                    "{name}: {}: the library {}, Gatepost {}",
                    asked.what,
                    if theirs { "accepts" } else { "refuses" },
                    ours.as_ref().map_or_else(|reason| format!("says {reason}"), |_| "accepts".to_owned()),
                )),
            }
        }
        println!("{name:18} {tally}");
        assert!(tally.accepted > 0 && tally.refused > 50, "{name} was asked too little: {tally}");
        covered.push(name.as_str());
    }
    assert!(disagreements.is_empty(), "{} disagreements:\n{}", disagreements.len(), disagreements.join("\n"));
    let missing: Vec<_> = COVERED.iter().filter(|name| !covered.contains(name)).collect();
    assert!(missing.is_empty(), "these must be judged: {missing:?}");
    println!("{} of {} libraries have judged", covered.len(), by_provider.len());
}

/// What came of a provider's requests.
#[derive(Default)]
struct Tally {
    accepted: usize,
    refused: usize,
    stricter: usize,
    unpadded: usize,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { accepted, refused, stricter, unpadded } = self;
        write!(f, "agrees: {accepted} accepted, {refused} refused; stricter than the library on {stricter}")?;
        if *unpadded > 0 {
            write!(f, "; takes base64 without its padding on {unpadded}")?;
        }
        Ok(())
    }
}
