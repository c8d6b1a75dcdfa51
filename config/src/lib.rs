//! Gatepost's configuration: its types, how a file becomes them, and the provider catalogue.
//!
//! Nothing here opens a socket or keeps state; the rest of Gatepost gets a checked [`Config`] and
//! never reads the environment or a file of its own.

pub mod id;
pub mod provider;
pub mod secret;
pub mod section;
pub mod time;
pub mod units;

pub use id::{ConnectionId, DestinationId, IntegrationId, ProviderName, RouteId, TenantId};
pub use provider::{Catalogue, Provider};
pub use secret::Secret;
pub use section::{
    Admin, Config, Connection, DeliveryFormat, Destination, Durability, Engine, Forward, Gateway, Integration,
    NatsStore, Ops, Retention, Route, Router, Secrets, Store, Unmatched,
};
pub use time::Timestamp;
pub use units::ByteSize;
