//! Providers as lists and objects.

use gatepost_config::{Catalogue, Provider, provider::HealBy, units::format_span};
use serde_json::{Value, json};

use super::{page, words};
use crate::style::{self, BOLD};

/// Prints every provider.
pub(super) fn list(catalogue: &Catalogue, json: bool) {
    if json {
        let all: Vec<Value> = catalogue.0.values().map(|provider| summary(provider)).collect();
        return style::line(&Value::from(all).to_string());
    }
    let width = catalogue.0.keys().map(|name| name.as_str().len()).max().unwrap_or_default();
    for provider in catalogue.0.values() {
        let name = style::paint(BOLD, &format!("{:width$}", provider.name.as_str()));
        let kinds = words::kinds(provider).join(" ");
        let (trust, known) = (words::trust(provider.trust), words::confidence(provider.confidence));
        style::line(&format!("{name}  {kinds:<14}  {trust:<13}  {known:<12}  {}", provider.title));
    }
    style::line(&format!("{} providers", catalogue.0.len()));
}

/// Prints one.
pub(super) fn show(provider: &Provider, json: bool) {
    match json {
        true => style::line(&whole(provider).to_string()),
        false => style::line(page::page(provider).trim_end()),
    }
}

fn summary(provider: &Provider) -> Value {
    json!({
        "name": provider.name.as_str(),
        "title": provider.title,
        "category": provider.category,
        "kinds": words::kinds(provider),
        "trust": words::trust(provider.trust),
        "confidence": words::confidence(provider.confidence),
        "samples": provider.samples.iter().map(|sample| sample.event.as_str()).collect::<Vec<_>>(),
        "vectors": provider.vectors.len(),
        "docs": provider.docs,
    })
}

fn whole(provider: &Provider) -> Value {
    let schemes: Vec<Value> = provider
        .schemes
        .iter()
        .map(|scheme| json!({ "id": scheme.id, "kind": words::kind(scheme), "words": words::signature(scheme) }))
        .collect();
    let places =
        |places: &[gatepost_config::provider::Location]| places.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut object = summary(provider);
    let more = json!({
        "setup": provider.setup,
        "retries": provider.retries,
        "retried_for": provider.retried_for.map(format_span),
        "heal": provider.heal.map(HealBy::word),
        "methods": provider.methods.iter().map(|method| words::method(*method)).collect::<Vec<_>>(),
        "body_bytes_max": provider.body_max.0,
        "deadline": provider.deadline.map(format_span),
        "secret_scope": words::scope(provider.secret_scope),
        "schemes": schemes,
        "values": provider.values,
        "send": words::sending(provider),
        "type": provider.event.kind.iter().map(|part| places(part)).collect::<Vec<_>>(),
        "id": provider.event.id.iter().map(|id| id.to_string().replace('`', "")).collect::<Vec<_>>(),
        "account": places(&provider.event.account),
        "batch": provider.batch.is_some(),
        "handshakes": provider.handshakes.iter().map(|handshake| words::method(handshake.method)).collect::<Vec<_>>(),
        "headers": provider.headers,
    });
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}
