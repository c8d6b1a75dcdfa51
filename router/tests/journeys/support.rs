//! A router under test, and what stands around it.

pub(crate) mod nats;
pub(crate) mod receiver;
pub(crate) mod stored;

use std::{
    future::Future,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use gatepost_config::{Config, Options, parse};
use gatepost_event::{
    Attempt, DeadLetter, Ending, Event, Store,
    store::{Appended, Census, Item, Place},
};
use prometheus::Registry;
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Bytes of the signing secret that the test configurations use.
pub(crate) const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

/// How long a test waits for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running router on a store of its own.
pub(crate) struct Rig {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) config: watch::Sender<Arc<Config>>,
    router: Option<JoinHandle<()>>,
    shutdown: CancellationToken,
    _folder: Option<TempDir>,
}

/// A configuration from the sections that matter to a test: an integration `github` and a connection `acme` of tenant
/// `acme-inc` are there already.
pub(crate) fn config(sections: &str) -> Config {
    let whole = format!(
        r#"
        [[integration]]
        id = "github"
        provider = "github"
        secrets = [{{ env = "SECRET" }}]

        [[connection]]
        integration = "github"
        id = "acme"
        account = "1"
        tenant = "acme-inc"
        {sections}
        "#
    );
    let env = |name: &str| match name {
        "SECRET" => Some("an-ingest-secret-of-a-test".to_owned()),
        "SIGNING" => Some(format!("whsec_{}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, KEY))),
        _ => None,
    };
    match parse(&whole, Path::new("test.toml"), &env, Options::default()) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{problems}"),
    }
}

/// A destination of the operator's own on loopback.
pub(crate) fn destination(id: &str, url: &str, more: &str) -> String {
    format!(
        "\n[[destination]]\nid = \"{id}\"\nurl = \"{url}\"\nprivate = true\nsecrets = [{{ env = \"SIGNING\" }}]\n{more}\n"
    )
}

/// A route of everything.
pub(crate) fn route(id: &str, to: &[&str]) -> String {
    format!("\n[[route]]\nid = \"{id}\"\nforward = {to:?}\n")
}

impl Rig {
    /// A store with a router that runs.
    pub(crate) async fn start(config: Config) -> Self {
        let mut rig = Self::stopped(config).await;
        rig.run();
        rig
    }

    /// A store, and a router that does not run yet.
    pub(crate) async fn stopped(config: Config) -> Self {
        let folder = TempDir::new().expect("a folder");
        let settings = gatepost_config::Store {
            engine: gatepost_config::Engine::Embedded { path: folder.path().join("data") },
            ..config.store.clone()
        };
        let store = Store::open(&settings, &config.retention).await.expect("a store");
        Self { _folder: Some(folder), ..Self::over(store, config) }
    }

    /// A router that does not run yet, over a store that is open.
    pub(crate) fn over(store: Store, config: Config) -> Self {
        let (config, _) = watch::channel(Arc::new(config));
        let (registry, shutdown) = (Registry::new(), CancellationToken::new());
        Self { store, registry, config, router: None, shutdown, _folder: None }
    }

    /// Starts a router (again).
    pub(crate) fn run(&mut self) {
        self.registry = Registry::new();
        self.shutdown = CancellationToken::new();
        let (config, store, registry, shutdown) =
            (self.config.subscribe(), self.store.clone(), self.registry.clone(), self.shutdown.clone());
        self.router = Some(tokio::spawn(async move {
            gatepost_router::run(config, store, &registry, shutdown).await.expect("the router starts");
        }));
    }

    /// Stops the router as a process would, and says how long that took.
    pub(crate) async fn stop(&mut self) -> Duration {
        let began = Instant::now();
        self.shutdown.cancel();
        self.router.take().expect("a router runs").await.expect("the router ends well");
        began.elapsed()
    }

    /// Kills the router: nothing of it goes on.
    pub(crate) async fn kill(&mut self) {
        let router = self.router.take().expect("a router runs");
        router.abort();
        assert!(router.await.is_err_and(|error| error.is_cancelled()));
    }

    /// Stores events.
    pub(crate) async fn append(&self, events: Vec<Event>) {
        let count = events.len();
        let items = events.into_iter().map(|event| Item { event, place: Place::Log }).collect();
        let appended = self.store.append(items, Instant::now() + PATIENCE).await.expect("stored");
        assert_eq!(appended, vec![Appended::Stored; count]);
    }

    /// Waits until the store's count is as wanted.
    pub(crate) async fn census(&self, wanted: impl Fn(&Census) -> bool) -> Census {
        let began = Instant::now();
        loop {
            let census = self.store.census().await.expect("a census");
            if wanted(&census) {
                return census;
            }
            assert!(began.elapsed() < PATIENCE, "it stayed at {census:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until so many deliveries or events ended in a way.
    pub(crate) async fn ended(&self, ending: Ending, count: u64) -> Census {
        self.census(|census| census.ended.get(&ending).copied().unwrap_or(0) == count).await
    }

    /// Waits until so many ended in a way and nothing waits.
    pub(crate) async fn settled(&self, ending: Ending, count: u64) -> Census {
        self.census(|census| census.waiting() == 0 && census.ended.get(&ending) == Some(&count)).await
    }

    /// All attempt records.
    pub(crate) async fn attempts(&self) -> Vec<Attempt> {
        self.store.attempts(0, 1000).await.expect("attempts").into_iter().map(|(_, attempt)| attempt).collect()
    }

    /// All dead letters.
    pub(crate) async fn dead_letters(&self) -> Vec<DeadLetter> {
        self.store.dead_letters(0, 1000).await.expect("dead letters").into_iter().map(|(_, letter)| letter).collect()
    }

    /// The value of a metric with these labels, or 0.
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name);
        let metrics = family.map(|family| family.get_metric()).unwrap_or_default();
        let found = metrics.iter().find(|metric| {
            labels.iter().all(|(name, value)| {
                metric.get_label().iter().any(|label| label.name() == *name && label.value() == *value)
            })
        });
        found.map_or(0.0, |metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
    }
}

/// Waits until something holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "it never came true that {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
