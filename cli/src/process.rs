//! The roles of one process on one store: started together, drained together. `run` and `dev` share this path.

use std::{future::Future, net::SocketAddr, sync::Arc};

use gatepost_config::{Config, Retentions};
use gatepost_event::Store;
use prometheus::Registry;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    exit::Exit,
    http,
    ops::{self, Ops, Readiness},
};

/// Everything the roles need, bound and opened.
pub(crate) struct Process {
    /// The configuration in force; changes reach every role.
    pub(crate) config: watch::Receiver<Arc<Config>>,
    /// The store.
    pub(crate) store: Store,
    /// Where the gateway listens, when this process has that role.
    pub(crate) gateway: Option<TcpListener>,
    /// Whether this process has the router's role.
    pub(crate) router: bool,
    /// Where the API listens, when this process has that role.
    pub(crate) admin: Option<TcpListener>,
    /// Where metrics and health are served.
    pub(crate) ops: Option<TcpListener>,
    /// Cancelled when the process is to stop.
    pub(crate) shutdown: CancellationToken,
}

impl Process {
    /// Runs until `shutdown` is cancelled and everything has drained, or a role fails.
    ///
    /// # Errors
    /// When a role ends that should not have.
    pub(crate) async fn run(self) -> Result<(), Exit> {
        let Self { config, store, gateway, router, admin, ops, shutdown } = self;
        tokio::spawn(keep_own(config.clone(), store.clone(), shutdown.clone()));
        let registry = Registry::new();
        let readiness = Readiness::default();
        let scraped = CancellationToken::new();
        if let Some(listener) = ops {
            let ops = Ops { registry: registry.clone(), readiness: readiness.clone(), store: store.clone() };
            tokio::spawn(http::serve(listener, ops::router(ops), scraped.clone()));
        }

        let mut roles = Roles { set: JoinSet::new(), shutdown: shutdown.clone() };
        if let Some(listener) = gateway {
            let (config, store, registry, stop) = (config.clone(), store.clone(), registry.clone(), shutdown.clone());
            roles.spawn("gateway", async move {
                gatepost_gateway::run(config, store, listener, &registry, stop).await.map_err(|error| error.to_string())
            });
        }
        if router {
            let (config, store, registry, stop) = (config.clone(), store.clone(), registry.clone(), shutdown.clone());
            roles.spawn("router", async move {
                gatepost_router::run(config, store, &registry, stop).await.map_err(|error| error.to_string())
            });
        }
        if let Some(listener) = admin {
            let (config, store, registry, stop) = (config.clone(), store.clone(), registry.clone(), shutdown.clone());
            roles.spawn("admin", async move {
                gatepost_admin::run(config, store, listener, &registry, stop).await.map_err(|error| error.to_string())
            });
        }
        readiness.serving();
        shutdown.cancelled().await;
        readiness.draining();
        let ended = roles.drain().await;
        store.close().await;
        scraped.cancel();
        ended
    }
}

/// Tells the store how long integrations keep what is their own, whenever the configuration changes.
async fn keep_own(mut config: watch::Receiver<Arc<Config>>, store: Store, shutdown: CancellationToken) {
    while let Some(Ok(())) = shutdown.run_until_cancelled(config.changed()).await {
        let retentions = Retentions::from(&**config.borrow_and_update());
        store.keep_own(retentions);
    }
}

/// The running roles.
struct Roles {
    set: JoinSet<(&'static str, Result<(), String>)>,
    shutdown: CancellationToken,
}

impl Roles {
    /// Starts a role; its end, for whatever reason, stops the process.
    fn spawn(&mut self, name: &'static str, role: impl Future<Output = Result<(), String>> + Send + 'static) {
        let stop = self.shutdown.clone().drop_guard();
        self.set.spawn(async move {
            let ended = role.await;
            drop(stop);
            (name, ended)
        });
    }

    async fn drain(mut self) -> Result<(), Exit> {
        let mut failed = Vec::new();
        while let Some(joined) = self.set.join_next().await {
            match joined {
                Ok((name, Ok(()))) => tracing::info!(role = name, "stopped"),
                Ok((name, Err(error))) => failed.push(format!("the {name} failed: {error}")),
                Err(error) => failed.push(format!("a role crashed: {error}")),
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(Exit::failed(failed.join("; "))) }
    }
}

/// Binds a listener.
///
/// # Errors
/// With the key of the configuration that names the address.
pub(crate) async fn bind(address: SocketAddr, key: &str) -> Result<TcpListener, Exit> {
    let refused = |error| Exit::failed(format!("{key}: can't listen on {address}: {error}"));
    TcpListener::bind(address).await.map_err(refused)
}

/// The address a listener got, for messages.
pub(crate) fn bound(listener: &TcpListener) -> String {
    listener.local_addr().map_or_else(|_| "an unknown address".to_owned(), |address| address.to_string())
}
