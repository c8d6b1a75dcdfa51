//! A running Gatepost with GitHub on one side and a recording backend on the other, on each engine.

use std::{collections::BTreeSet, time::Duration};

use gatepost_config::{Options, load, std_env};
use gatepost_event::{Event, Store};
use gatepost_tests::{
    backend::Backend,
    gatepost::{Gatepost, Home},
    nats_server::{NatsCluster, NatsServer},
};

/// GitHub's webhook secret.
pub(crate) const SECRET: &str = "it's a secret to everybody";
/// The destination's signing secret.
pub(crate) const SIGNING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwmuf8Yd4zsY4=";
/// The master key, by which refused requests are kept.
const MASTER: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";
/// Longest wait for deliveries.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where events are stored.
pub(crate) enum Engine {
    /// SQLite in the test's folder.
    Embedded,
    /// A nats-server of the test's own.
    Nats(NatsServer),
    /// Three of them.
    Cluster(NatsCluster),
}

impl Engine {
    /// The `[store]` section.
    pub(crate) fn section(&self) -> String {
        match self {
            Self::Embedded => "engine = \"embedded\"\npath = \"data\"".to_owned(),
            Self::Nats(server) => Self::nats(&[server.url()], 1),
            Self::Cluster(cluster) => Self::nats(&cluster.urls(), 3),
        }
    }

    fn nats(urls: &[String], replicas: usize) -> String {
        format!(
            "engine = \"nats\"\nurl = {}\nreplicas = {replicas}\ndurability = \"replicated\"\npartitions = 4\nshards = 4",
            serde_json::to_string(&urls.join(",")).expect("text")
        )
    }

    pub(crate) const fn is_embedded(&self) -> bool {
        matches!(self, Self::Embedded)
    }
}

/// What a test sets up.
pub(crate) struct Journey {
    /// The engine, and its servers.
    pub(crate) engine: Engine,
    /// The folder of the configuration.
    pub(crate) home: Home,
    /// The customer's backend.
    pub(crate) backend: Backend,
}

impl Journey {
    /// GitHub with `unmatched` as given, a connection per installation, one operator's destination, one route.
    pub(crate) async fn new(engine: Engine, unmatched: &str, installations: &BTreeSet<u64>) -> Self {
        let backend = Backend::start().await;
        let home = home(&engine.section(), unmatched, installations, &backend);
        let journey = Self { engine, home, backend };
        if !journey.engine.is_embedded() {
            journey.home.init_store();
        }
        journey
    }

    /// Starts every role in one process.
    pub(crate) async fn run(&self) -> Gatepost {
        self.home.run(&[]).await
    }

    /// Opens the store as a role does. The embedded one belongs to one process: stop it first.
    pub(crate) async fn store(&self) -> Store {
        open(&self.home).await
    }
}

/// Opens the store that a folder's configuration names.
pub(crate) async fn open(home: &Home) -> Store {
    let loaded = load(&home.path("gatepost.toml"), &std_env, Options::default()).expect("a good configuration");
    Store::open(&loaded.config.store, &loaded.config.retention).await.expect("the store opens")
}

/// A configuration with this `[store]` section and all else as [`Journey::new`] says.
pub(crate) fn home(section: &str, unmatched: &str, installations: &BTreeSet<u64>, backend: &Backend) -> Home {
    let connections: String = installations
        .iter()
        .map(|id| {
            format!(
                "[[connection]]\nintegration = \"github\"\nid = \"c{id}\"\naccount = \"{id}\"\ntenant = \"t{id}\"\n\n"
            )
        })
        .collect();
    let config = format!(
        "[gateway]\nlisten = \"127.0.0.1:0\"\n\n[ops]\nlisten = \"127.0.0.1:0\"\n\n[store]\n{}\n\n\
         [secrets]\nmaster_keys = [{{ file = \"master\" }}]\n\n\
         [[integration]]\nid = \"github\"\nprovider = \"github\"\nsecrets = [{{ file = \"github\" }}]\n\
         unmatched = \"{unmatched}\"\n\n\
         [[integration]]\nid = \"other\"\nprovider = \"github\"\nsecrets = [{{ file = \"other\" }}]\n\n\
         {connections}\
         [[destination]]\nid = \"backend\"\nurl = \"{}\"\nprivate = true\nsecrets = [{{ file = \"signing\" }}]\n\
         schedule = [\"0s\", \"200ms\", \"1s\", \"1s\", \"2s\", \"2s\", \"2s\", \"2s\", \"2s\", \"2s\"]\n\n\
         [[route]]\nid = \"all\"\nforward = [\"backend\"]\n",
        section,
        backend.url(),
    );
    let files =
        [("github", SECRET), ("other", "another integration's secret"), ("signing", SIGNING), ("master", MASTER)];
    Home::new(&config, &files)
}

/// Everything parked.
pub(crate) async fn unmatched(store: &Store) -> Vec<Event> {
    let mut all: Vec<Event> = Vec::new();
    let mut after = 0;
    loop {
        let page = store.unmatched(None, None, after, 100).await.expect("readable");
        let Some(last) = page.last() else { return all };
        after = last.position;
        all.extend(page.into_iter().map(|parked| parked.event));
    }
}

/// One test per engine of a body `async fn(Engine)`.
macro_rules! each_engine {
    ($(#[$meta:meta])* $name:ident) => {
        mod $name {
            use super::$name as body;
            use crate::setup::Engine;
            use gatepost_tests::nats_server::{NatsCluster, NatsServer};

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread")]
            async fn embedded() {
                body(Engine::Embedded).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn nats() {
                body(Engine::Nats(NatsServer::start().await)).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn nats_r3() {
                body(Engine::Cluster(NatsCluster::start(3).await)).await;
            }
        }
    };
}
pub(crate) use each_engine;
