//! The commented default file, made from the declarations of the sections.

use std::fmt::Write;

use crate::section::{
    Admin, CatalogueFolder, Connection, Destination, EMBEDDED_FIELDS, Gateway, Integration, NatsStore, Ops, Quarantine,
    Retention, Route, Router, Secrets, Store, SyncEngine,
    declare::{Absent, Field},
};

const HEAD: &str = "\
# Gatepost's configuration.
#
# Settings stand here commented out without a space (#listen = ...): with their default, or where it says so an example.
# Any text may be written { env = \"NAME\" } or { file = \"path\" }, and every secret must be; paths start at this file.
# Spans are written \"500ms\", \"2s\", \"5m\", \"10h\" or \"14d\", sizes \"512KiB\" or \"25MiB\". Unknown settings are errors.
# `gatepost check` says all that is wrong; a running Gatepost takes up changes by itself.

# Environments served under /webhook/{environment}/{integration}.
# Not set unless you do, for example:
#nango_environments = [\"prod\"]
";

/// The default `gatepost.toml`: every setting with its documentation, and its default or an example commented out.
pub fn default_file() -> String {
    let mut file = HEAD.to_owned();
    section(&mut file, "[gateway]", Gateway::ABOUT, &[Gateway::FIELDS]);
    section(&mut file, "[router]", Router::ABOUT, &[Router::FIELDS]);
    section(&mut file, "[store]", Store::ABOUT, &[Store::FIELDS]);
    fields(&mut file, &[" With engine = \"embedded\":"], EMBEDDED_FIELDS);
    fields(&mut file, NatsStore::ABOUT, NatsStore::FIELDS);
    section(&mut file, "[retention]", Retention::ABOUT, &[Retention::FIELDS]);
    section(&mut file, "[quarantine]", Quarantine::ABOUT, &[Quarantine::FIELDS]);
    section(&mut file, "[secrets]", Secrets::ABOUT, &[Secrets::FIELDS]);
    section(&mut file, "[catalogue]", CatalogueFolder::ABOUT, &[CatalogueFolder::FIELDS]);
    section(&mut file, "[admin]", Admin::ABOUT, &[Admin::FIELDS]);
    section(&mut file, "[ops]", Ops::ABOUT, &[Ops::FIELDS]);
    section(&mut file, "#[[integration]]", Integration::ABOUT, &[Integration::FIELDS]);
    section(&mut file, "#[[connection]]", Connection::ABOUT, &[Connection::FIELDS]);
    section(&mut file, "#[[destination]]", Destination::ABOUT, &[Destination::FIELDS]);
    section(&mut file, "#[[sync_engine]]", SyncEngine::ABOUT, &[SyncEngine::FIELDS]);
    section(&mut file, "#[[route]]", Route::ABOUT, &[Route::FIELDS]);
    file
}

fn section(file: &mut String, header: &str, about: &[&str], groups: &[&[Field]]) {
    file.push('\n');
    comment(file, about);
    line(file, header);
    for group in groups {
        group.iter().for_each(|field| setting(file, field));
    }
}

fn fields(file: &mut String, about: &[&str], fields: &[Field]) {
    file.push('\n');
    comment(file, about);
    fields.iter().for_each(|field| setting(file, field));
}

fn setting(file: &mut String, field: &Field) {
    file.push('\n');
    comment(file, field.docs);
    match field.absent {
        Absent::Refused => line(file, "# Required, for example:"),
        Absent::Unset => line(file, "# Not set unless you do, for example:"),
        Absent::Default => {}
    }
    line(file, &format!("#{} = {}", field.name, field.value));
}

fn comment(file: &mut String, lines: &[&str]) {
    for text in lines {
        line(file, &format!("#{text}"));
    }
}

fn line(file: &mut String, text: &str) {
    // Writing to a String can't fail.
    let _ = writeln!(file, "{text}");
}
