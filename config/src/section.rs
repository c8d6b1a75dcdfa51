//! The sections of `gatepost.toml`, one type each.

mod admin;
mod catalogue;
mod config;
mod connection;
pub(crate) mod declare;
mod destination;
mod egress;
mod gateway;
mod heal;
mod integration;
mod ops;
mod quarantine;
mod retention;
mod route;
mod router;
mod secrets;
mod store;
mod sync;
mod value;

pub use admin::Admin;
pub use catalogue::CatalogueFolder;
pub use config::Config;
pub use connection::Connection;
pub use destination::{Auth, ClientCertificate, DeliveryFormat, Destination, Header, PUBLIC_PORTS, Rate};
pub use egress::EgressProxy;
pub use gateway::Gateway;
pub use heal::{Heal, HealFrom, HookOwner};
pub use integration::{Announced, Integration, SharedAccounts, Unmatched};
pub use ops::Ops;
pub use quarantine::Quarantine;
pub use retention::{OwnRetention, Retention, Retentions};
pub use route::{Forward, Route};
pub use router::Router;
pub use secrets::Secrets;
pub use store::{Durability, Engine, NatsStore, Store};
pub use sync::{BACKSTOP_KEPT_MIN, RouteSync, SyncEngine, SyncKind};

pub(crate) use store::EMBEDDED_FIELDS;
pub(crate) use value::maybe_span;
