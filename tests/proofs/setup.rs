//! Gateways and routers as processes of their own on one store, that can be killed and started again.

use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
};

use gatepost_config::{Options, load, std_env};
use gatepost_event::Store;
use gatepost_tests::{
    backend::Backend,
    gatepost::{Gatepost, Home},
    nats_server::NatsServer,
};

/// GitHub's webhook secret.
pub(crate) const SECRET: &str = "it's a secret to everybody";
/// Connections of the drill.
pub(crate) const CONNECTIONS: usize = 10;

/// A gateway's address, which changes when it is started again.
pub(crate) type Address = Arc<RwLock<String>>;

/// A store, a backend, and the processes between them.
pub(crate) struct Site {
    /// The backend that every event is owed to.
    pub(crate) backend: Backend,
    /// The NATS server, unless the store is embedded.
    pub(crate) nats: Option<NatsServer>,
    home: Home,
    running: BTreeMap<&'static str, Gatepost>,
    addresses: BTreeMap<&'static str, Address>,
}

impl Site {
    /// On SQLite, or on a NATS server of its own.
    pub(crate) async fn new(nats: Option<NatsServer>) -> Self {
        let backend = Backend::start().await;
        let url = backend.url();
        Self { backend, ..Self::with_destinations(nats, &[("backend", &url)]).await }
    }

    /// As [`Self::new`], with these destinations; the route goes to the one called `backend`.
    pub(crate) async fn with_destinations(nats: Option<NatsServer>, destinations: &[(&str, &str)]) -> Self {
        let store = match &nats {
            None => "engine = \"embedded\"\npath = \"data\"".to_owned(),
            Some(server) => format!(
                "engine = \"nats\"\nurl = \"{}\"\nreplicas = 1\ndurability = \"replicated\"\npartitions = 4\nshards = 4",
                server.url()
            ),
        };
        let connections: String = (0..CONNECTIONS)
            .map(|n| format!("[[connection]]\nintegration = \"github\"\nid = \"c{n}\"\naccount = \"{n}\"\n\n"))
            .collect();
        let destinations: String = destinations
            .iter()
            .map(|(id, url)| {
                format!(
                    "[[destination]]\nid = \"{id}\"\nurl = \"{url}\"\nprivate = true\n\
                     secrets = [{{ file = \"signing\" }}]\n\
                     schedule = [\"0s\", \"500ms\", \"1s\", \"2s\", \"5s\", \"5s\", \"5s\", \"5s\"]\n\n"
                )
            })
            .collect();
        let config = format!(
            "[gateway]\nlisten = \"127.0.0.1:0\"\n\n[ops]\nlisten = \"127.0.0.1:0\"\n\n[store]\n{store}\n\n\
             [[integration]]\nid = \"github\"\nprovider = \"github\"\nsecrets = [{{ file = \"github\" }}]\n\n{connections}\
             {destinations}[[route]]\nid = \"all\"\nforward = [\"backend\"]\n"
        );
        let signing = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwmuf8Yd4zsY4=";
        let home = Home::new(&config, &[("github", SECRET), ("signing", signing)]);
        if nats.is_some() {
            home.init_store();
        }
        let backend = Backend::start().await;
        Self { backend, nats, home, running: BTreeMap::new(), addresses: BTreeMap::new() }
    }

    /// Changes the configuration; processes that are started later have it.
    pub(crate) fn change(&self, change: impl FnOnce(String) -> String) {
        let file = std::fs::read_to_string(self.path("gatepost.toml")).expect("there");
        self.home.write("gatepost.toml", &change(file));
    }

    /// A file's place beside the configuration.
    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path(name)
    }

    /// A running process.
    pub(crate) fn process(&self, name: &str) -> &Gatepost {
        &self.running[name]
    }

    /// Starts a process under a name, with roles (all when none), and waits until it is ready.
    pub(crate) async fn start(&mut self, name: &'static str, roles: &[&str]) {
        let gatepost = self.home.run(roles).await;
        if roles.is_empty() || roles.contains(&"gateway") {
            let address = gatepost.gateway().await;
            *self.address(name).write().unwrap() = address;
        }
        self.running.insert(name, gatepost);
    }

    /// Where a gateway is found; kept up to date over restarts.
    pub(crate) fn address(&mut self, name: &'static str) -> Address {
        self.addresses.entry(name).or_default().clone()
    }

    /// Kills a process at once.
    pub(crate) async fn kill(&mut self, name: &str) {
        self.running.remove(name).expect("running").kill().await;
    }

    /// Asks a process to stop, and waits until it has.
    pub(crate) async fn stop(&mut self, name: &str) -> Vec<String> {
        self.running.remove(name).expect("running").stop().await
    }

    /// Stops every process.
    pub(crate) async fn stop_all(&mut self) {
        for (_, gatepost) in std::mem::take(&mut self.running) {
            gatepost.stop().await;
        }
    }

    /// Opens the store as a role does; the embedded one belongs to one process: stop it first.
    pub(crate) async fn store(&self) -> Store {
        let path = self.home.path("gatepost.toml");
        let loaded = load(&path, &std_env, Options::default()).expect("a good configuration");
        Store::open(&loaded.config.store, &loaded.config.retention).await.expect("the store opens")
    }
}
