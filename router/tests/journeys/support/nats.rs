//! A real nats-server with JetStream.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Instant,
};

use gatepost_config::{Config, Durability, Engine, NatsStore};
use gatepost_event::{Store, store::nats};
use tempfile::TempDir;

use super::PATIENCE;

/// The server; it goes away with the value.
pub(crate) struct Nats {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Nats {
    /// Starts one on a free port.
    pub(crate) fn start() -> Self {
        let mut nats = Self { folder: TempDir::new().expect("a folder"), port: free_port(), child: None };
        nats.restart();
        nats
    }

    /// Starts it again where it was.
    pub(crate) fn restart(&mut self) {
        let ports = TempDir::new().expect("a folder");
        let tools = option_env!("GATEPOST_TOOLS").unwrap_or(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools"));
        let child = Command::new(PathBuf::from(tools).join("python/bin/nats-server"))
            .args(["-js", "-a", "127.0.0.1", "-p", &self.port.to_string()])
            .arg("-sd")
            .arg(self.folder.path())
            .arg("--ports_file_dir")
            .arg(ports.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server starts (tests/install gets it)");
        let file = ports.path().join(format!("nats-server_{}.ports", child.id()));
        self.child = Some(child);
        let began = Instant::now();
        // The file is there before all of it is.
        let is_up = |text: &str| {
            let ports = serde_json::from_str::<serde_json::Value>(text);
            ports.is_ok_and(|ports| ports["nats"][0].is_string())
        };
        while !is_up(&std::fs::read_to_string(&file).unwrap_or_default()) {
            assert!(began.elapsed() < PATIENCE, "nats-server does not come up");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The configuration with this server as its store.
    pub(crate) fn in_config(&self, config: Config) -> Config {
        let settings = NatsStore {
            urls: vec![format!("nats://127.0.0.1:{}", self.port)],
            credentials: None,
            prefix: "gatepost".to_owned(),
            replicas: 1,
            durability: Durability::Replicated,
            monitor_url: None,
            partitions: 2,
            shards: 4,
        };
        let store = gatepost_config::Store { engine: Engine::Nats(settings), ..config.store };
        Config { store, ..config }
    }

    /// Makes the streams and opens a store.
    pub(crate) async fn open(&self, config: &Config) -> Store {
        let Engine::Nats(settings) = &config.store.engine else { panic!("a NATS store") };
        nats::init(settings, &config.store, &config.retention).await.expect("the streams are made");
        Store::open(&config.store, &config.retention).await.expect("a store")
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody listens on, and that the system gives to nobody by itself: a server that is started again needs the
/// one that it had. (Linux gives those from 32768 on.)
fn free_port() -> u16 {
    let picked = || 20_000 + u16::try_from(RandomState::new().hash_one(()) % 12_000).expect("few");
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(picked).find(is_free).expect("a free port")
}
