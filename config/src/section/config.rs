//! The whole file.

use super::{
    Admin, CatalogueFolder, Connection, Destination, Gateway, Integration, Ops, Quarantine, Retention, Route, Router,
    Secrets, Store, SyncEngine,
};
use crate::Catalogue;

/// A whole, checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the gateway listens on and its limits.
    pub gateway: Gateway,
    /// How routers work.
    pub router: Router,
    /// Where events are kept.
    pub store: Store,
    /// How long what is finished is kept.
    pub retention: Retention,
    /// How many refused requests are kept.
    pub quarantine: Quarantine,
    /// Keys for secrets at rest.
    pub secrets: Secrets,
    /// The API's listener.
    pub admin: Admin,
    /// The metrics and health listener.
    pub ops: Ops,
    /// Environments served under `/webhook/{environment}/{integration}`.
    pub nango_environments: Vec<String>,
    /// Where providers of the operator's own are.
    pub catalogue_folder: CatalogueFolder,
    /// Providers: the built-in catalogue, those of the folder and those declared in the file.
    pub catalogue: Catalogue,
    /// Providers the operator configured.
    pub integrations: Vec<Integration>,
    /// Connections declared in the file.
    pub connections: Vec<Connection>,
    /// Destinations declared in the file.
    pub destinations: Vec<Destination>,
    /// What runs syncs.
    pub sync_engines: Vec<SyncEngine>,
    /// Rules, in file order.
    pub routes: Vec<Route>,
}
