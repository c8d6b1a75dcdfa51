//! A gateway under test: the real one, on the real embedded store in a folder of its own.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use gatepost_config::{Config, Options, Timestamp};
use gatepost_event::{
    Event, Keyring, Refusal, Store,
    store::{Lease, LeaseKey},
    subject::integration_token,
};
use http::Method;
use prometheus::Registry;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::client::{self, Answer, Ask, PATIENCE};

/// The secret of every integration in these tests that has one.
pub(crate) const SECRET: &str = "it's a secret to everybody";
/// The Standard Webhooks secret.
pub(crate) const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub(crate) struct Rig {
    pub(crate) address: SocketAddr,
    pub(crate) store: Store,
    pub(crate) publish: watch::Sender<Arc<Config>>,
    pub(crate) config: Config,
    pub(crate) running: JoinHandle<()>,
    pub(crate) stop: CancellationToken,
    registry: Registry,
    lease: tokio::sync::OnceCell<Lease>,
    _folder: tempfile::TempDir,
}

/// A configuration from the text of a file; `env` names are their own values but for the two secrets.
pub(crate) fn config(text: &str) -> Config {
    let env = |name: &str| {
        Some(match name {
            "SECRET" => SECRET.to_owned(),
            "WHSEC" => WHSEC.to_owned(),
            other => format!("the value of {other}"),
        })
    };
    let loaded = gatepost_config::parse(text, Path::new("gatepost.toml"), &env, Options::default());
    loaded.unwrap_or_else(|problems| panic!("{problems}")).config
}

impl Rig {
    pub(crate) async fn start(text: &str) -> Self {
        Self::start_with(config(text)).await
    }

    pub(crate) async fn start_with(mut config: Config) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        config.store.engine = gatepost_config::Engine::Embedded { path: folder.path().to_owned() };
        let store = Store::open(&config.store, &config.retention).await.expect("the store opens");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (publish, live) = watch::channel(Arc::new(config.clone()));
        let (registry, stop) = (Registry::new(), CancellationToken::new());
        let running = {
            let (store, registry, stop) = (store.clone(), registry.clone(), stop.clone());
            tokio::spawn(async move {
                gatepost_gateway::run(live, store, listener, &registry, stop).await.expect("it runs");
            })
        };
        let lease = tokio::sync::OnceCell::new();
        Self { address, store, publish, config, running, stop, registry, lease, _folder: folder }
    }

    pub(crate) async fn ask(&self, ask: &Ask) -> Answer {
        client::ask(self.address, ask).await
    }

    /// The events in the log, in their order.
    pub(crate) async fn logged(&self) -> Vec<Event> {
        let lease = || async {
            let lease = self.store.acquire(LeaseKey::Partition(0), "test").await.expect("the store answers");
            lease.expect("nobody else has it")
        };
        let lease = self.lease.get_or_init(lease).await;
        let count = usize::try_from(self.store.census().await.expect("a census").unrouted_yet).expect("a count");
        let mut log = self.store.log(lease, 0).await.expect("the log opens");
        let mut events = Vec::new();
        while events.len() < count {
            let next = timeout(PATIENCE, log.next(1_000)).await.expect("in time").expect("events");
            events.extend(next.into_iter().map(|stored| stored.event.expect("an event")));
        }
        events
    }

    /// The parked events, in their order.
    pub(crate) async fn parked(&self) -> Vec<Event> {
        let parked = self.store.unmatched(None, None, 0, 10_000).await.expect("the store answers");
        parked.into_iter().map(|parked| parked.event).collect()
    }

    /// How many events are stored in all.
    pub(crate) async fn stored(&self) -> u64 {
        let census = self.store.census().await.expect("a census");
        census.waiting() + census.unmatched
    }

    /// Refused requests of an integration, newest first, once there are so many.
    pub(crate) async fn quarantined(&self, integration: &str, count: usize) -> Vec<Refusal> {
        let integration = integration_token(&integration.parse().expect("an id"));
        let keys = Keyring::load(&self.config).expect("the store's own key");
        let wait = async {
            loop {
                let mut kept = self.store.quarantined(None).await.expect("the store answers");
                kept.retain(|key| key.integration == integration);
                if kept.len() >= count {
                    let mut opened = Vec::new();
                    for key in kept.iter().rev() {
                        // One may be forgotten meanwhile.
                        let sealed = self.store.refusal(key).await.expect("the store answers");
                        opened.extend(sealed.map(|sealed| keys.open_refusal(&sealed).expect("it opens")));
                    }
                    return opened;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, wait).await.expect("in time")
    }

    /// A counter's value; 0 when it was never counted.
    pub(crate) fn counted(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name);
        let metrics = family.map(|family| family.get_metric()).unwrap_or_default();
        let found = metrics.iter().find(|metric| {
            labels.iter().all(|(name, value)| {
                metric.get_label().iter().any(|label| label.name() == *name && label.value() == *value)
            })
        });
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counters hold whole numbers")]
        found.map_or(0, |metric| (metric.get_counter().get_value() + metric.get_gauge().get_value()) as u64)
    }

    /// Signs a request as an integration's provider would.
    pub(crate) fn signed(&self, ask: Ask, now: Timestamp) -> Ask {
        let id = ask.target.split(['/', '?']).nth(2).expect("an integration").to_owned();
        let integration = self.config.integrations.iter().find(|i| i.id.as_str() == id).expect("an integration");
        sign(&integration.provider, &integration.secrets[0], ask, now)
    }

    /// Stops the gateway, in time.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.running).await.expect("it stops in time").expect("without a panic");
        self.store.close().await;
    }
}

/// Signs a request with a secret.
pub(crate) fn sign(
    provider: &gatepost_config::Provider,
    secret: &gatepost_config::Secret,
    mut ask: Ask,
    now: Timestamp,
) -> Ask {
    let url = format!("https://hooks.example.com{}", ask.target).parse().expect("a URL");
    let method: Method = ask.method.parse().expect("a method");
    let values = std::collections::BTreeMap::new();
    let unsigned =
        gatepost_gateway::sign::Unsigned { method: &method, url: &url, headers: &ask.headers, body: &ask.body };
    let added = gatepost_gateway::sign::sign_as(provider, secret, &values, &unsigned, now).expect("it signs");
    ask.headers.extend(added);
    ask
}

/// A GitHub webhook of an installation, not signed.
pub(crate) fn github(delivery: &str, body: &str) -> Ask {
    Ask::post("/webhooks/github", body)
        .header("content-type", "application/json")
        .header("x-github-event", "push")
        .header("x-github-delivery", delivery)
}

/// One GitHub integration with two connections, `acme` (12345678) and `bolt` (87654321).
pub(crate) const GITHUB: &str = r#"
[[integration]]
id = "github"
provider = "github"
secrets = [{ env = "SECRET" }]

[[connection]]
integration = "github"
id = "acme"
account = "12345678"
tenant = "acme-inc"

[[connection]]
integration = "github"
id = "bolt"
account = "87654321"
"#;
