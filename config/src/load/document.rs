//! The whole document: every section, then what must hold between them.

use toml::de::DeTable;

use super::check;
use crate::{
    Admin, Catalogue, CatalogueFolder, Config, Connection, Destination, Gateway, Integration, Ops, Provider,
    Quarantine, Retention, Route, Router, Secrets, Store, SyncEngine,
    provider::overlay,
    read::{Node, Sheet, Table, all},
};

/// A table of the file with what was read from it, `None` when something in it is wrong.
pub(super) struct Entry<'a, T> {
    pub(super) table: Table<'a>,
    pub(super) value: Option<T>,
}

/// Every `[[table]]` of the file.
pub(super) struct Entries<'a> {
    pub(super) integrations: Vec<Entry<'a, Integration>>,
    pub(super) connections: Vec<Entry<'a, Connection>>,
    pub(super) destinations: Vec<Entry<'a, Destination>>,
    pub(super) sync_engines: Vec<Entry<'a, SyncEngine>>,
    pub(super) routes: Vec<Entry<'a, Route>>,
}

/// Reads a text; `None` when something is wrong, which is then noted on the sheet.
pub(super) fn read(sheet: &Sheet<'_>, text: &str) -> Option<Config> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What follows from a broken syntax would only confuse.
        sheet.note_syntax(errors);
        return None;
    }
    read_document(sheet, document.get_ref())
}

fn read_document<'a>(sheet: &'a Sheet<'a>, document: &'a DeTable<'a>) -> Option<Config> {
    let root = Table::root(sheet, document);
    let catalogue_folder = section(&root, "catalogue", CatalogueFolder::read);
    let catalogue = catalogue(&root, catalogue_folder.as_ref());
    let _ = sheet.catalogue.set(catalogue.clone());
    let gateway = section(&root, "gateway", Gateway::read);
    let router = section(&root, "router", Router::read);
    let store = section(&root, "store", Store::read);
    let retention = section(&root, "retention", Retention::read);
    let quarantine = section(&root, "quarantine", Quarantine::read);
    let secrets = section(&root, "secrets", Secrets::read);
    let admin = section(&root, "admin", Admin::read);
    let ops = section(&root, "ops", Ops::read);
    let nango_environments = root.optional("nango_environments", environments);
    let entries = Entries {
        integrations: entries(&root, "integration", Integration::read),
        connections: entries(&root, "connection", Connection::read),
        destinations: entries(&root, "destination", Destination::read),
        sync_engines: entries(&root, "sync_engine", SyncEngine::read),
        routes: entries(&root, "route", Route::read),
    };
    root.finish();
    check::entries(&entries);
    if let (Some(gateway), Some(admin), Some(ops)) = (&gateway, &admin, &ops) {
        check::listeners(&root, [("gateway", gateway.listen), ("admin", admin.listen), ("ops", ops.listen)]);
        check::gateway(&root, gateway, &entries.integrations);
    }
    if let (Some(store), Some(secrets)) = (&store, &secrets) {
        check::master_keys(&root, store, secrets, &entries.integrations);
    }
    if let (Some(store), Some(retention)) = (&store, &retention) {
        check::retention(store, retention, &entries.integrations);
    }
    if let Some(store) = &store {
        check::sync_engines(store, &entries.sync_engines);
    }
    Some(Config {
        gateway: gateway?,
        router: router?,
        store: store?,
        retention: retention?,
        quarantine: quarantine?,
        secrets: secrets?,
        admin: admin?,
        ops: ops?,
        nango_environments: nango_environments?,
        catalogue_folder: catalogue_folder?,
        catalogue,
        integrations: values(entries.integrations)?,
        connections: values(entries.connections)?,
        destinations: values(entries.destinations)?,
        sync_engines: values(entries.sync_engines)?,
        routes: values(entries.routes)?,
    })
}

fn values<T>(entries: Vec<Entry<'_, T>>) -> Option<Vec<T>> {
    all(entries.into_iter().map(|entry| entry.value))
}

/// A section; when it is absent, all of its defaults.
fn section<'a, T>(root: &Table<'a>, name: &'static str, read: impl Fn(&Table<'_>) -> Option<T>) -> Option<T> {
    match root.get(name) {
        Some(node) => {
            let table = node.table()?;
            let value = read(&table);
            table.finish();
            value
        }
        None => root.default(name, "{}", |node: &Node<'_>| read(&node.table()?)),
    }
}

/// Names that are one segment of a path.
fn environments(node: &Node<'_>) -> Option<Vec<String>> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '-');
    all(node.items()?.iter().map(|node| {
        node.parsed("one segment of a path, such as \"prod\"", |text| match text {
            _ if !text.is_empty() && text.chars().all(allowed) => Ok(text.to_owned()),
            _ => Err(format!("is {text:?}, which is no segment of a path; use A-Z a-z 0-9 . _ ~ -")),
        })
    }))
}

/// The tables of a `[[name]]`.
fn entries<'a, T>(root: &Table<'a>, name: &'static str, read: impl Fn(&Table<'a>) -> Option<T>) -> Vec<Entry<'a, T>> {
    let Some(list) = root.get(name) else { return Vec::new() };
    if list.is_table() {
        list.error("is one table but should be a list of them", format!("write [[{name}]] instead of [{name}]"));
        return Vec::new();
    }
    let nodes = list.items().unwrap_or_default();
    let entry = |node: &Node<'a>| {
        let table = node.table()?;
        let value = read(&table);
        table.finish();
        Some(Entry { table, value })
    };
    nodes.iter().filter_map(entry).collect()
}

/// The built-in catalogue, the folder's and the file's own providers.
fn catalogue(root: &Table<'_>, folder: Option<&CatalogueFolder>) -> Catalogue {
    let mut catalogue = Catalogue::builtin();
    if let Some(path) = folder.and_then(|folder| folder.path.as_ref()) {
        let refused = overlay::add(&mut catalogue, path, &root.at("catalogue").under("path"));
        let _ = root.spot.sheet.refused.set(refused);
    }
    for entry in entries(root, "provider", |table| Provider::read(table, None)) {
        let Some(provider) = entry.value else {
            root.spot.sheet.catalogue_is_complete.set(false);
            continue;
        };
        if catalogue.0.contains_key(&provider.name) {
            let name = entry.table.at("name");
            name.error(format!("is {:?}, which the catalogue already has", provider.name), "choose another name");
            root.spot.sheet.catalogue_is_complete.set(false);
            continue;
        }
        catalogue.0.insert(provider.name.clone(), provider.into());
    }
    catalogue
}
