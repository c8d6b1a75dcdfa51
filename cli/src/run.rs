//! `gatepost run`: starts in a fixed order and fails before doing anything.

use std::path::Path;

use clap::ValueEnum;
use gatepost_config::Config;
use gatepost_event::Store;

use crate::{
    exit::Exit,
    files, load,
    logging::{self, LogArgs},
    process::{self, Process},
    reload, signals,
};

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Which roles; all when none is named
    pub(crate) roles: Vec<Role>,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Receive, verify, store
    Gateway,
    /// Route, deliver, retry, replay
    Router,
    /// Serve the API
    Admin,
}

/// Runs the roles until asked to stop.
pub(crate) async fn run(path: &Path, args: RunArgs) -> Result<(), Exit> {
    logging::start(&args.log)?;
    let shutdown = signals::shutdown()?;
    let loaded = load::read(path, load::options())?;
    for warning in loaded.warnings.iter() {
        tracing::warn!("{warning}");
    }
    let config = &loaded.config;
    let has = |role| args.roles.is_empty() || args.roles.contains(&role);
    files::raise_limit(config, has);

    let ops = process::bind(config.ops.listen, "ops.listen").await?;
    let gateway = match has(Role::Gateway) {
        true => Some(process::bind(config.gateway.listen, "gateway.listen").await?),
        false => None,
    };
    let admin = match has_admin(&args.roles, config) {
        true => Some(process::bind(config.admin.listen, "admin.listen").await?),
        false => None,
    };
    let store = open(config).await?;
    tracing::info!(ops = process::bound(&ops), "metrics and health");
    if let Some(listener) = &gateway {
        tracing::info!(gateway = process::bound(listener), "receiving webhooks");
    }
    if let Some(listener) = &admin {
        tracing::info!(admin = process::bound(listener), "serving the API");
    } else if args.roles.is_empty() {
        tracing::info!("the API is left out: there is no key in admin.api_keys");
    }

    let config = reload::follow(path, loaded, shutdown.clone())?;
    Process { config, store, gateway, router: has(Role::Router), admin, ops: Some(ops), shutdown }.run().await?;
    tracing::info!("stopped");
    Ok(())
}

/// Whether this process serves the API: when it is asked to, or has every role and there is a key to be let in with.
fn has_admin(roles: &[Role], config: &Config) -> bool {
    roles.contains(&Role::Admin) || (roles.is_empty() && !config.admin.api_keys.is_empty())
}

/// Opens the store and says what it promises.
async fn open(config: &Config) -> Result<Store, Exit> {
    let store = Store::open(&config.store, config).await.map_err(|error| Exit::failed(error.to_string()))?;
    let promises = store.promises();
    tracing::info!(
        engine = promises.engine,
        acknowledged_means = promises.durability,
        dedupe_window = gatepost_config::units::format_span(promises.dedupe_window),
        "store opened"
    );
    for warning in promises.warnings {
        tracing::warn!("{warning}");
    }
    Ok(store)
}
