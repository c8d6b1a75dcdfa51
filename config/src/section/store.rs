//! `[store]`

mod nats;

use std::{path::PathBuf, time::Duration};

pub use nats::{Durability, NatsStore};

use super::{
    declare::{Absent, Field, section},
    value,
};
use crate::read::{Read, Table};

section! {
    /// Where events are kept.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Store {
        /// Time in which an event id is stored once. Absent: 24 h embedded, 2 min on NATS.
        pub dedupe_window: Option<Duration> = optional("24h") by value::maybe_span,
        /// Which engine: "embedded" (one machine, no other process) or "nats" (JetStream, many gateways and routers).
        pub engine: Engine = computed("embedded") by engine,
    }
}

/// `engine = "embedded"` or `engine = "nats"`
#[derive(Debug, Clone, PartialEq)]
pub enum Engine {
    /// One machine, no other process: a folder.
    Embedded {
        /// The folder.
        path: PathBuf,
    },
    /// NATS JetStream.
    Nats(NatsStore),
}

/// Settings of the embedded engine, for the default file.
pub(crate) const EMBEDDED_FIELDS: &[Field] = &[Field {
    name: "path",
    docs: &[" The folder; a relative path starts at this file."],
    value: "\"data\"",
    absent: Absent::Default,
}];

impl Store {
    /// The dedupe window of the embedded engine when none is configured.
    pub const WINDOW_EMBEDDED: Duration = Duration::from_hours(24);
    /// That of NATS.
    pub const WINDOW_NATS: Duration = Duration::from_secs(120);

    /// Time in which an event id is stored once.
    pub fn window(&self) -> Duration {
        self.dedupe_window.unwrap_or(match self.engine {
            Engine::Embedded { .. } => Self::WINDOW_EMBEDDED,
            Engine::Nats(_) => Self::WINDOW_NATS,
        })
    }
}

fn engine(table: &Table<'_>) -> Option<Engine> {
    let nats = match table.get("engine") {
        Some(node) => node.one_of(&[("embedded", false), ("nats", true)]),
        None => Some(false),
    };
    let Some(nats) = nats else {
        // Which settings belong here depends on the engine.
        EMBEDDED_FIELDS.iter().chain(NatsStore::FIELDS).for_each(|field| table.know(&[field.name]));
        return None;
    };
    let (foreign, other) = if nats { (EMBEDDED_FIELDS, "embedded") } else { (NatsStore::FIELDS, "nats") };
    for field in foreign {
        if let Some(node) = table.get(field.name) {
            let remedy = format!("remove it, or write engine = {other:?}");
            node.error(format!("belongs to the engine {other:?}"), remedy);
        }
    }
    if nats {
        NatsStore::read(table).map(Engine::Nats)
    } else {
        let path = table.default("path", "\"data\"", PathBuf::read)?;
        Some(Engine::Embedded { path: table.spot.sheet.path(path) })
    }
}
