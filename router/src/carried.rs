//! An event that deliveries carry, with what its body turned out to be.

use std::{ops::Deref, sync::OnceLock};

use gatepost_event::{Event, EventId, EventRef, store::StoredEvent};

use crate::envelope;

/// Every delivery of the event asks the same of its body: it is looked at once, by whoever reads the event ahead of its turn
/// or by the first who wants to know.
#[derive(Debug, Clone)]
pub(crate) struct Carried {
    event: Event,
    is_json: OnceLock<bool>,
}

impl Carried {
    /// An event of the log, if it can be read.
    pub(crate) fn of(stored: StoredEvent) -> Option<(EventRef, Self)> {
        Some((stored.at, stored.event.ok()?.into()))
    }

    /// Whether the body is exactly one JSON text that may be spliced into another.
    pub(crate) fn is_json(&self) -> bool {
        *self.is_json.get_or_init(|| envelope::is_one_json_text(&self.event.body))
    }

    /// The same event under another id.
    pub(crate) fn with_id(mut self, id: EventId) -> Self {
        self.event.meta.id = id;
        self
    }

    /// The event.
    pub(crate) fn into_event(self) -> Event {
        self.event
    }
}

impl From<Event> for Carried {
    fn from(event: Event) -> Self {
        Self { event, is_json: OnceLock::new() }
    }
}

impl Deref for Carried {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.event
    }
}

#[cfg(test)]
mod tests {
    use gatepost_config::DeliveryFormat;

    use super::*;
    use crate::route::fixture::event;

    #[test]
    fn a_body_is_looked_at_for_the_formats_that_splice_it_and_for_no_other() {
        let formats = [DeliveryFormat::Json, DeliveryFormat::CloudEvents, DeliveryFormat::Nango, DeliveryFormat::Raw];
        for (body, is_json) in [("{\"a\":1}", true), ("a=1", false)] {
            for format in formats {
                let carried = Carried::from(event("github.push", body));
                drop(envelope::write(&carried, format));
                let found = carried.is_json.get().copied();
                assert_eq!(found, envelope::splices(format).then_some(is_json), "{format:?}");
                let id = EventId::of("github-app", "acme", "another", None);
                assert_eq!(carried.clone().with_id(id).is_json.get().copied(), found);
            }
        }
    }
}
