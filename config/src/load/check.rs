//! What must hold between the tables of a file.

mod destination;
mod gateway;
mod integration;
mod reference;
mod retention;
mod sync;

pub(super) use gateway::{gateway, listeners};
pub(super) use integration::master_keys;
pub(super) use retention::retention;
pub(super) use sync::sync_engines;

use super::document::Entries;
use crate::{Destination, read::Table};

/// Notes what doesn't fit together in a destination.
pub(super) fn destination(table: &Table<'_>, read: &Destination) {
    destination::check(table, read);
}

/// Notes what doesn't fit together.
pub(super) fn entries(entries: &Entries<'_>) {
    reference::check(entries);
    for entry in &entries.integrations {
        if let Some(integration) = &entry.value {
            integration::check(&entry.table, integration, &entries.connections);
        }
    }
    for entry in &entries.connections {
        if let Some(connection) = &entry.value {
            integration::check_connection(&entry.table, connection, &entries.integrations);
        }
    }
    for entry in &entries.destinations {
        if let Some(destination) = &entry.value {
            destination::check(&entry.table, destination);
        }
    }
}
