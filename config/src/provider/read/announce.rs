//! `[announce]`: how it is read, in a provider's file and in an integration.

use super::{condition, in_table, some};
use crate::{
    provider::{Announce, Conditions, Location, OwnAnnounce},
    read::{Node, Table, all},
};

/// A provider's.
pub(super) fn read(table: &Table<'_>) -> Option<Announce> {
    own(table).map(|own| own.over(&Announce::default()))
}

/// An integration's.
pub(crate) fn of_integration(node: &Node<'_>) -> Option<OwnAnnounce> {
    in_table(node, own)
}

fn own(table: &Table<'_>) -> Option<OwnAnnounce> {
    let begins = table.optional("begins", |node| alternatives(node).map(Some));
    let ends = table.optional("ends", |node| alternatives(node).map(Some));
    let connection = table.optional("connection", |node| some::<Location>(node).map(Some));
    let tenant = table.optional("tenant", |node| some::<Location>(node).map(Some));
    Some(OwnAnnounce { begins: begins?, ends: ends?, connection: connection?, tenant: tenant? })
}

/// Conditions, or a list of them.
fn alternatives(node: &Node<'_>) -> Option<Vec<Conditions>> {
    all(node.one_or_more()?.iter().map(condition::conditions))
}
