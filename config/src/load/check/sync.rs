//! Sync engines: what each kind needs.

use crate::{Engine, Store, SyncEngine, SyncKind, load::document::Entry, read::Table};

use super::destination;

/// Notes what is missing of an engine's kind, and warns of what is for another one.
pub(in crate::load) fn sync_engines(store: &Store, engines: &[Entry<'_, SyncEngine>]) {
    for entry in engines {
        if let Some(engine) = &entry.value {
            check(&entry.table, engine, store);
        }
    }
}

fn check(table: &Table<'_>, engine: &SyncEngine, store: &Store) {
    match engine.kind {
        SyncKind::Nango => {
            needs(table, "api_key", "{ env = \"NANGO_KEY\" }");
            not_of(table, engine.kind, &["secrets", "subject", "body"]);
        }
        SyncKind::Http => {
            needs(table, "url", "\"https://api.example.com/syncs\"");
            needs(table, "secrets", "[{ env = \"SYNC_SIGNING_SECRET\" }]");
            not_of(table, engine.kind, &["api_key", "subject", "poll"]);
            destination::standard_keys(table, &engine.secrets);
        }
        SyncKind::Nats => {
            needs(table, "subject", "\"contacts\"");
            not_of(table, engine.kind, &["url", "private", "api_key", "secrets", "body", "poll"]);
            if matches!(store.engine, Engine::Embedded { .. }) {
                let remedy = "write store.engine = \"nats\", or kind = \"http\"";
                table.at("kind").error("is \"nats\", and the store is not on NATS", remedy);
            }
        }
    }
    if let Some(url) = &engine.url {
        destination::url(table, url, engine.private);
    }
}

fn needs(table: &Table<'_>, name: &'static str, example: &str) {
    if table.get(name).is_none() {
        table.at(name).error("is missing", format!("add for example {name} = {example}"));
    }
}

fn not_of(table: &Table<'_>, kind: SyncKind, names: &[&'static str]) {
    for name in names.iter().filter(|name| table.get(name).is_some()) {
        table.at(name).warning(format!("means nothing for kind = {:?}", kind.word()), "remove it");
    }
}
