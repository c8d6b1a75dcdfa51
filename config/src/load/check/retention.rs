//! How long integrations keep what is their own, against what holds for all.

use crate::{Integration, Retention, Store, load::document::Entry, units::format_span};

/// Nothing is kept for longer than `[retention]` says, and no event for less than its id is looked for.
pub(in crate::load) fn retention(store: &Store, all: &Retention, integrations: &[Entry<'_, Integration>]) {
    let window = store.window().min(all.events);
    for entry in integrations {
        let Some(integration) = &entry.value else { continue };
        let Some(table) = entry.table.get("retention").and_then(|node| node.table()) else { continue };
        for (name, own, most) in integration.retention.beside(all) {
            let Some(own) = own else { continue };
            if own > most {
                let (own, most) = (format_span(own), format_span(most));
                let message = format!("is {own}, longer than the {most} of retention.{name}");
                table.at(name).error(message, format!("give at most {most:?}, or raise retention.{name}"));
            } else if name == "events" && own < window {
                let (own, window) = (format_span(own), format_span(window));
                let message = format!("is {own}, less than the {window} in which an event's id is stored once");
                table
                    .at(name)
                    .error(message, format!("give at least {window:?}, or write store.dedupe_window = {own:?}"));
            }
        }
    }
}
