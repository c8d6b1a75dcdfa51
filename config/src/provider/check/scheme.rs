//! What a scheme must satisfy for its provider.

use super::value;
use crate::{
    provider::{
        Algorithm, Encoding, Hash, JwtAlgorithm, Location, Parse, Provider, Scheme, SchemeKind, Source, Template, Trust,
    },
    read::Spot,
};

/// Notes what doesn't fit together in a scheme.
pub(super) fn check(spot: &Spot<'_>, provider: &Provider, scheme: &Scheme) {
    places(spot, provider, scheme);
    secret(spot, scheme);
    timestamp(spot, provider, scheme);
    body(spot, provider, scheme);
    signature(spot, scheme);
}

/// What a scheme takes from the request must be something that it has there.
fn places(spot: &Spot<'_>, provider: &Provider, scheme: &Scheme) {
    let parse = scheme.kind.signature().map(|signature| &signature.parse);
    for place in scheme.places() {
        match &place.source {
            Source::Signature(_) if !parse.is_some_and(Parse::has_fields) => {
                spot.error(format!("uses {place}, but its signature has no fields"), "set parse = \"pairs\"");
            }
            Source::Item(_) if scheme.each.is_none() => {
                let remedy = "set each = \"/the/array\" to check every element, or use json:";
                spot.error(format!("uses {place}, but looks at no items"), remedy);
            }
            Source::Claim(_) if !super::has_claims(scheme) => {
                spot.error(format!("uses {place}, but is no token"), "set kind = \"jwt\", or use header: or json:");
            }
            Source::Value(name) => value(spot, provider, name),
            _ => {}
        }
    }
    if scheme.when.iter().any(|(place, _)| matches!(place.source, Source::Claim(_))) {
        spot.error("applies by what a token says that nobody has checked yet", "put the claim into `also`");
    }
    if let Some(Parse::Keyed { value: name, .. }) = parse {
        value(spot, provider, name);
    }
    for name in scheme.when.iter().chain(&scheme.also).filter_map(|(_, expect)| expect.value()) {
        value(spot, provider, name);
    }
}

/// A plain hash proves nothing unless the secret is hashed too; a keyed one must not have it twice.
fn secret(spot: &Spot<'_>, scheme: &Scheme) {
    let has = |text: &Template| text.has_secret();
    match &scheme.kind {
        SchemeKind::Digest { signed, .. } if !signed.iter().all(has) => {
            spot.error("hashes a text without the secret, as anybody could", "put {secret} in `signed`");
        }
        SchemeKind::Hmac { signed, .. } | SchemeKind::PublicKey { signed, .. } if signed.iter().any(has) => {
            spot.error("has {secret} in `signed`, where the key is the secret already", "take it out");
        }
        _ => {}
    }
}

fn timestamp(spot: &Spot<'_>, provider: &Provider, scheme: &Scheme) {
    let Some(rule) = scheme.kind.timestamp() else { return };
    let signed = scheme.kind.signed();
    if provider.trust == Trust::Verified && !signed.iter().all(|text| is_signed(provider, text, &rule.from)) {
        let message = format!("checks a timestamp at {} that is not part of `signed`", rule.from);
        spot.error(message, "sign it, or leave out the timestamp: anybody could write a fresh one");
    }
}

/// Whether a place is part of what is signed, by itself or as a part of the body.
fn is_signed(provider: &Provider, signed: &Template, place: &Location) -> bool {
    let in_body =
        matches!(place.source, Source::Json(_) | Source::Xml(_) | Source::Item(_) | Source::Form(_) | Source::Body);
    let covers = signed.covers_body(provider.form_payload.as_deref());
    signed.places().contains(&place) || in_body && covers
}

fn body(spot: &Spot<'_>, provider: &Provider, scheme: &Scheme) {
    let signs = !scheme.kind.signed().is_empty();
    if signs && provider.trust == Trust::Verified && !scheme.covers_body(provider.form_payload.as_deref()) {
        let remedy = "put {body} in it, or set trust = \"authenticated\"";
        spot.error("signs a text without the body, while trust is \"verified\"", remedy);
    }
}

fn signature(spot: &Spot<'_>, scheme: &Scheme) {
    let Some(signature) = scheme.kind.signature() else { return };
    let is_plain_text = matches!(scheme.kind, SchemeKind::Token { .. } | SchemeKind::Jwt(_));
    if !is_plain_text && signature.encoding == Encoding::Plain {
        spot.error("has a signature whose encoding is \"plain\"", "write \"hex\", \"base64\" or \"base64url\"");
    }
    match &scheme.kind {
        SchemeKind::PublicKey { algorithm: Algorithm::Rsa(Hash::Md5), .. } => {
            spot.error("signs with RSA over MD5, which anybody can forge", "write another hash");
        }
        SchemeKind::Jwt(jwt) if jwt.algorithms.is_empty() => {
            spot.error("accepts a token of no algorithm", "list those that the provider signs with");
        }
        SchemeKind::Jwt(jwt) if jwt.chain.is_some() && jwt.algorithms.contains(&JwtAlgorithm::Hs256) => {
            spot.error("brings certificates along, but may be signed by a shared secret", "take HS256 out");
        }
        // One key for both would let whoever knows the public one make tokens with it.
        SchemeKind::Jwt(jwt) if jwt.algorithms.contains(&JwtAlgorithm::Hs256) && jwt.algorithms.len() > 1 => {
            spot.error("accepts tokens by a shared secret and by a public key", "declare a scheme for each");
        }
        _ => {}
    }
}
