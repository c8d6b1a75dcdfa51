//! Gatepost's configuration: its types, how a file becomes them, and the provider catalogue.
//!
//! Nothing here opens a socket or keeps state; the rest of Gatepost gets a checked [`Config`] and
//! never reads the environment or a file of its own.

mod default_file;
pub mod id;
pub mod load;
mod problem;
pub mod provider;
mod read;
pub mod reload;
pub mod secret;
pub mod section;
pub mod signing;
pub mod time;
pub mod units;

pub use default_file::default_file;
pub use id::{
    ConnectionId, DestinationId, ID_PATTERN, IntegrationId, ProviderName, RouteId, SyncEngineId, SyncName, TenantId,
};
pub use load::{FilterCheck, Loaded, Options, PublicKeyCheck, destination, load, parse, std_env};
pub use problem::{Place, Problem, Problems, Severity};
pub use provider::{Catalogue, Provider};
pub use reload::{Live, Reload, Reloader, watch};
pub use secret::Secret;
pub use section::{
    Admin, Announced, Auth, BACKSTOP_KEPT_MIN, CatalogueFolder, ClientCertificate, Config, Connection, DeliveryFormat,
    Destination, Durability, EgressProxy, Engine, Forward, Gateway, Header, Heal, HealFrom, HookOwner, Integration,
    NatsStore, Ops, OwnRetention, Quarantine, Rate, Retention, Retentions, Route, RouteSync, Router, Secrets,
    SharedAccounts, Store, SyncEngine, SyncKind, Unmatched,
};
pub use signing::{KeyKind, SigningKey};
pub use time::Timestamp;
pub use units::ByteSize;
