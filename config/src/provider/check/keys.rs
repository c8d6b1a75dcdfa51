//! What published keys must satisfy for their provider.

use url::Url;

use super::value;
use crate::{
    provider::{Handshake, Keys, Location, Provider, Scheme, SchemeKind, Segment, Source},
    read::{Spot, Table},
};

/// Notes what doesn't fit together in where a provider publishes its keys.
pub(super) fn check(table: &Table<'_>, provider: &Provider) {
    let Some(keys) = &provider.keys else { return };
    let spot = table.at("keys");
    keys.values().for_each(|name| value(&spot, provider, name));
    url(&spot, keys);
    if !provider.schemes.iter().all(takes_public_keys) {
        let remedy = "use ed25519, ecdsa, rsa, or jwt without HS256: what is published must prove nothing by itself";
        spot.error("are published, but not every scheme takes public keys", remedy);
    }
    if !keys.path_prefix.starts_with('/') {
        spot.error(format!("has the path_prefix {:?}", keys.path_prefix), "start it with /");
    }
    if keys.certificate.as_ref().is_some_and(|rule| rule.names.is_empty()) {
        spot.error("takes certificates of no name", "name whom they are issued to");
    }
}

fn takes_public_keys(scheme: &Scheme) -> bool {
    match scheme.kind {
        SchemeKind::PublicKey { .. } | SchemeKind::Jwt(_) => scheme.kind.key().is_none(),
        _ => false,
    }
}

fn url(spot: &Spot<'_>, keys: &Keys) {
    let is_text = |segment: &Segment| {
        matches!(
            segment,
            Segment::Literal(_)
                | Segment::Place { location: Location { source: Source::Value(_), within: None }, optional: false, .. }
        )
    };
    if keys.is_named_by_request() {
        if !matches!(keys.url.0.as_slice(), [Segment::Place { optional: false, .. }]) {
            spot.error("have a URL of which the request names a part", "let the request name all of it, or nothing");
        }
        if keys.hosts.is_empty() {
            spot.error("have a URL that the request names, whatever it is", "list the provider's own hosts");
        }
    } else if !keys.url.0.iter().all(is_text) {
        spot.error("have a URL that can't be made", "write text with {value:name} in it, or one place of the request");
    } else if let [Segment::Literal(text)] = keys.url.0.as_slice()
        && !text.parse::<Url>().is_ok_and(|url| url.scheme() == "https" && url.as_str() == text)
    {
        spot.error(format!("have the URL {text:?}"), "write an https URL as a browser shows it");
    }
}

/// Only what is verified may make us ask anybody.
pub(super) fn visit(spot: &Spot<'_>, handshake: &Handshake) {
    let Some(visit) = &handshake.visit else { return };
    if !handshake.verified {
        spot.error("visits a URL that anybody may have sent", "set verified = true, or take out visit");
    }
    if visit.hosts.is_empty() {
        spot.error("visits any host that the request names", "list the provider's own hosts");
    }
    super::not_an_item(spot, &visit.url);
}
