//! What a provider's file says of bodies must fit together.

use crate::{
    provider::{BatchForm, Gzip, Identity, Location, Provider, Source},
    read::Table,
};

/// Notes what doesn't fit together in what is said of bodies.
pub(super) fn check(table: &Table<'_>, provider: &Provider) {
    batch(table, provider);
    gzip(table, provider);
    redact(table, provider);
}

fn batch(table: &Table<'_>, provider: &Provider) {
    let Some(batch) = &provider.batch else { return };
    let spot = table.at("batch");
    match batch.form {
        BatchForm::Lines if batch.items.iter().any(|place| !place.0.is_empty()) => {
            spot.error("has lines inside a body", "write items = \"\": every line of the body is an item");
        }
        BatchForm::Elements if batch.items.iter().any(|place| place.0.is_empty()) => {
            spot.error("has elements without a name", "name them from the root on, such as \"/feed/entry\"");
        }
        _ => {}
    }
}

/// Nothing is read of a body before it is verified but what verifies it; of a compressed one that can't be anything.
fn gzip(table: &Table<'_>, provider: &Provider) {
    if provider.gzip != Some(Gzip::Wire) {
        return;
    }
    if !provider.redact.is_empty() {
        let message = "is signed as it was sent, while a secret in it is overwritten, which may not be readable then";
        table.at("gzip").error(message, "write gzip = \"decoded\", or leave out redact");
    }
    let inside = |place: &&Location| {
        matches!(place.source, Source::Json(_) | Source::Xml(_) | Source::Form(_) | Source::Item(_))
    };
    let mut places = provider.schemes.iter().flat_map(|scheme| scheme.places());
    if let Some(place) = places.find(inside) {
        let message = format!("is signed as it was sent, while the check reads {place} inside it");
        table.at("gzip").error(message, "write gzip = \"decoded\", or check what stands outside the body");
    }
}

fn redact(table: &Table<'_>, provider: &Provider) {
    let spot = table.at("redact");
    let rule = &provider.event;
    let discriminator = provider.batch.iter().flat_map(|batch| &batch.discriminator);
    let named: Vec<_> = rule
        .kind
        .iter()
        .flatten()
        .chain(rule.id.iter().flat_map(Identity::places))
        .chain(&rule.account)
        .chain(discriminator)
        .collect();
    for place in &provider.redact {
        let attribute = |pointer: &crate::provider::Pointer| pointer.0.last().is_some_and(|name| name.starts_with('@'));
        match &place.source {
            _ if place.within.is_some() => {
                spot.error(format!("names {place}, which is inside a text"), "name the text itself");
            }
            Source::Item(_) if provider.batch.is_none() => {
                spot.error(format!("uses {place}, but there are no items"), "declare [batch], or use json:");
            }
            Source::Xml(pointer) | Source::Item(pointer) if attribute(pointer) => {
                spot.error(format!("names {place}, an attribute"), "name an element");
            }
            Source::Json(_) | Source::Xml(_) | Source::Item(_) => {}
            _ => spot.error(format!("names {place}, which is not in the body"), "use json:, item: or xml:"),
        }
        if named.contains(&place) {
            spot.error(format!("overwrites {place}, which names the event"), "take it out of event and batch");
        }
    }
}
