//! What a provider's file must satisfy as a whole.

mod announce;
mod body;
mod keys;
mod scheme;

use std::collections::BTreeSet;

pub(crate) use self::announce::check as check_announce;
use super::{
    Compute, Echo, Encoding, Handshake, Identity, Location, Method, Parse, Provider, Respond, Scheme, SchemeKind,
    Source, Template, Trust,
};
use crate::read::{Spot, Table, near};

/// Notes what doesn't fit together in a provider.
pub(super) fn check(table: &Table<'_>, provider: &Provider) {
    name(table, provider);
    if provider.title.is_empty() {
        table.at("title").error("is empty", "write how people call the provider");
    }
    if provider.methods.is_empty() {
        table.at("methods").error("is an empty list", "write [\"POST\"], or leave it out");
    }
    schemes(table, provider);
    keys::check(table, provider);
    trust(table, provider);
    event(table, provider);
    identity(table, provider);
    announce::check(&table.at("announce"), provider, &provider.announce);
    body::check(table, provider);
    handshakes(table, provider);
    responses(table, provider);
    samples(table, provider);
    vectors(table, provider);
}

fn name(table: &Table<'_>, provider: &Provider) {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let name = provider.name.as_str();
    if !name.chars().all(allowed) {
        let remedy = "use a-z 0-9 and - only: the name starts the type of every event";
        table.at("name").error(format!("is {name:?}, which can't start a type"), remedy);
    }
}

fn schemes(table: &Table<'_>, provider: &Provider) {
    let mut ids = BTreeSet::new();
    let mut unconditional = None;
    for (n, scheme) in provider.schemes.iter().enumerate() {
        let spot = table.at_item("scheme", n);
        if scheme.id.is_empty() || !ids.insert(scheme.id.as_str()) {
            let message = format!("has the id {:?}, which is empty or taken", scheme.id);
            spot.error(message, "give each scheme an id of its own");
        }
        if let Some(earlier) = unconditional {
            let message = format!("never applies, because {earlier:?} before it has no `when`");
            spot.error(message, "put the one without `when` last");
        }
        if scheme.when.is_empty() {
            unconditional = Some(scheme.id.as_str());
        }
        scheme::check(&spot, provider, scheme);
    }
}

fn trust(table: &Table<'_>, provider: &Provider) {
    let worth = |scheme: &Scheme| match scheme.kind {
        SchemeKind::Jwt(_) if scheme.covers_body(None) => Trust::Verified,
        SchemeKind::Token { .. } | SchemeKind::Jwt(_) => Trust::Authenticated,
        SchemeKind::Hmac { .. } | SchemeKind::Digest { .. } | SchemeKind::PublicKey { .. } => Trust::Verified,
        SchemeKind::None => Trust::Unverified,
    };
    let weakest = provider.schemes.iter().map(worth).max_by_key(|trust| rank(*trust)).unwrap_or(Trust::Unverified);
    if rank(weakest) > rank(provider.trust) {
        let word = match weakest {
            Trust::Unverified => "unverified",
            Trust::Verified | Trust::Authenticated => "authenticated",
        };
        let message = format!("promises more than the schemes check, which is {word:?}");
        table
            .at("trust")
            .error(message, format!("write trust = {word:?}, or declare a [[scheme]] that covers the body"));
    }
}

/// The less a check is worth, the higher.
fn rank(trust: Trust) -> u8 {
    match trust {
        Trust::Verified => 0,
        Trust::Authenticated => 1,
        Trust::Unverified => 2,
    }
}

fn event(table: &Table<'_>, provider: &Provider) {
    let rule = &provider.event;
    let spot = table.at("event");
    if rule.kind.is_empty() || rule.kind.iter().any(Vec::is_empty) {
        spot.error("has an empty type", "name the places that make the type, such as \"json:/type\"");
    }
    let times = rule.occurred_at.iter().map(|at| &at.from);
    let named = rule.id.iter().flat_map(Identity::places);
    let all = rule.kind.iter().flatten().chain(named).chain(&rule.account).chain(times);
    for place in all {
        if matches!(place.source, Source::Item(_)) && provider.batch.is_none() {
            spot.error(format!("uses {place}, but there are no items"), "declare [batch], or use json:");
        }
        if matches!(place.source, Source::Claim(_)) && !provider.schemes.iter().all(has_claims) {
            spot.error(format!("uses {place}, but not every scheme is a token"), "use header: or json:");
        }
        if let Source::Value(name) = &place.source {
            value(&spot, provider, name);
        }
    }
}

/// What names an event must be of that event: what all items of a request share names none of them.
fn identity(table: &Table<'_>, provider: &Provider) {
    for id in &provider.event.id {
        let of_item = id.places().iter().any(|place| matches!(place.source, Source::Item(_)));
        if matches!(id, Identity::Together(_)) && provider.batch.is_some() && !of_item {
            let message = format!("names an event by {id}, which all items of a request share");
            table.at("event").error(message, "add an item: place");
        }
    }
}

fn has_claims(scheme: &Scheme) -> bool {
    matches!(&scheme.kind, SchemeKind::Jwt(jwt) if !jwt.detached)
}

fn handshakes(table: &Table<'_>, provider: &Provider) {
    for (n, handshake) in provider.handshakes.iter().enumerate() {
        let spot = table.at_item("handshake", n);
        if !provider.methods.contains(&handshake.method) {
            let method = word(handshake.method);
            spot.error(format!("answers {method}, which is not among methods"), format!("add {method:?} to methods"));
        }
        for (place, expect) in &handshake.when {
            if let Some(name) = expect.value() {
                value(&spot, provider, name);
            }
            not_an_item(&spot, place);
        }
        answer(&spot, provider, &handshake.respond);
        keys::visit(&spot, handshake);
        capture(&spot, handshake);
    }
}

/// A secret that is given must be given openly, in a place of its own.
fn capture(spot: &Spot<'_>, handshake: &Handshake) {
    let Some(place) = &handshake.capture else { return };
    if handshake.verified {
        spot.error("is verified by the secret that it gives", "write verified = false, or leave out capture");
    }
    if !matches!(place.source, Source::Header(_) | Source::Json(_)) {
        spot.error(format!("captures {place}"), "name a header: or json: place, which no log of addresses shows");
    }
}

/// What an answer to an event shows of the request.
fn responses(table: &Table<'_>, provider: &Provider) {
    let spot = table.at("responses");
    for (name, template) in &provider.responses.accepted_headers {
        let is_plain = |place: &&Location| matches!(place.source, Source::Header(_) | Source::Query(_));
        if template.has_secret() || template.has_computed() || !template.places().iter().all(is_plain) {
            let remedy = "name only header: and query: places";
            spot.error(format!("has the header {name}, which isn't made of the request's head alone"), remedy);
        }
    }
}

/// A named value may stand in a header, which some providers look for (Vercel's `x-vercel-verify`), but not in the body.
fn answer(spot: &Spot<'_>, provider: &Provider, respond: &Respond) {
    let is_public = |name: &&str| provider.schemes.iter().any(|scheme| public_value(scheme) == Some(name));
    for name in respond.body.places().into_iter().filter_map(|place| value_of(&place.source)) {
        if is_public(&name) {
            continue;
        }
        spot.error(format!("answers with the value {name:?}, which may be secret"), "take it out of the body");
    }
    let others = respond.templates().skip(1).flat_map(Template::places);
    for name in others.filter_map(|place| value_of(&place.source)) {
        value(spot, provider, name);
    }
    for template in respond.answers() {
        if template.has_computed() && respond.compute.is_none() {
            spot.error("answers with {computed}, but computes nothing", "add compute = { hash, encoding, text }");
        }
    }
    for template in respond.templates() {
        template.places().into_iter().for_each(|place| not_an_item(spot, place));
        if template.has_secret() {
            spot.error("answers with the secret", "take {secret} out of the answer");
        }
    }
    let is_odd = |compute: &Compute| compute.text.has_computed() || compute.encoding == Encoding::Plain;
    if respond.compute.as_ref().is_some_and(is_odd) {
        let remedy = "leave {computed} out of its text, and write a hash as \"hex\" or \"base64\"";
        spot.error("can't be computed", remedy);
    }
    if respond.echo == Echo::Text && !respond.content_type.starts_with("text/plain") {
        spot.error(
            "echoes text that is only fit for plain text",
            "leave out echo, or set content_type = \"text/plain\"",
        );
    }
}

/// The value that names a public key, which every request shows.
fn public_value(scheme: &Scheme) -> Option<&str> {
    match scheme.kind.signature().map(|signature| &signature.parse) {
        Some(Parse::Keyed { value, .. }) => Some(value),
        _ => None,
    }
}

fn value_of(source: &Source) -> Option<&str> {
    match source {
        Source::Value(name) => Some(name),
        _ => None,
    }
}

fn not_an_item(spot: &Spot<'_>, place: &Location) {
    if matches!(place.source, Source::Item(_) | Source::Signature(_) | Source::Claim(_)) {
        spot.error(format!("uses {place}, which a handshake doesn't have"), "use header:, query:, form: or json:");
    }
}

fn word(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Options => "OPTIONS",
        Method::Post => "POST",
        Method::Put => "PUT",
    }
}

fn value(spot: &Spot<'_>, provider: &Provider, name: &str) {
    if !provider.values.contains_key(name) {
        let known: Vec<&str> = provider.values.keys().map(String::as_str).collect();
        let remedy = format!("declare it under [values]; {}", near(name, &known));
        spot.error(format!("uses the value {name:?}, which is not declared"), remedy);
    }
}

fn samples(table: &Table<'_>, provider: &Provider) {
    let mut events = BTreeSet::new();
    for (n, sample) in provider.samples.iter().enumerate() {
        if !events.insert(sample.event.as_str()) {
            let message = format!("is a second sample named {:?}", sample.event);
            table.at_item("sample", n).error(message, "give each sample a name of its own");
        }
    }
}

fn vectors(table: &Table<'_>, provider: &Provider) {
    for (n, vector) in provider.vectors.iter().enumerate() {
        let spot = table.at_item("vector", n);
        if !provider.methods.contains(&vector.method) {
            let method = word(vector.method);
            spot.error(
                format!("is sent by {method}, which is not among methods"),
                format!("add {method:?} to methods"),
            );
        }
        for name in vector.values.keys() {
            value(&spot, provider, name);
        }
        if !vector.keys.is_empty() && provider.keys.is_none() {
            spot.error("has keys, which the provider doesn't publish", "add [keys], or write secret instead");
        }
        if vector.answer.is_some() && !vector.expect.as_ref().is_some_and(Vec::is_empty) {
            spot.error("has an answer, which only a handshake has", "add expect = [], or leave out answer");
        }
    }
}
