//! Real nats-servers on loopback, alone or three together, that can be killed, paused and started again.
//!
//! Each has its own folder and port, and is known by its name before it is used: what answers on a port is not
//! necessarily what was started.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    judge::{folder, tool},
    wait::eventually,
};

/// How long a server may take to start, stop or elect.
const SOON: Duration = Duration::from_secs(20);

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Syncs before it confirms.
    pub sync_always: bool,
    /// A configuration file of its own; `sync_always` is then the file's affair.
    pub config: Option<PathBuf>,
    /// What the file's variables stand for.
    pub env: Vec<(String, String)>,
    /// `user:password@` for its URL.
    pub login: String,
    /// `user:password@` between the servers of a cluster.
    pub cluster_login: String,
    /// A server of another version.
    pub binary: Option<PathBuf>,
}

/// The password of every user of the deployed configuration in tests.
pub const DEPLOYED_PASSWORD: &str = "correct-horse";

impl Options {
    /// A file of `deploy/nats`, as it stands.
    pub fn deployed(file: &str) -> Self {
        let config = folder().join("../deploy/nats").join(file);
        let users = ["SYS", "GATEWAY", "ROUTER", "ADMIN", "SETUP", "CLUSTER"];
        let mut env: Vec<_> = users
            .map(|user| (format!("GATEPOST_NATS_{user}_PASSWORD"), DEPLOYED_PASSWORD.to_owned()))
            .into_iter()
            .collect();
        // The harness says the name and the routes itself.
        env.extend((1..=3).map(|n| (format!("GATEPOST_NATS_ROUTE_{n}"), format!("nats://127.0.0.1:{n}"))));
        env.push(("GATEPOST_NATS_NAME".to_owned(), "named-by-the-harness".to_owned()));
        Self { config: Some(config), env, cluster_login: format!("cluster:{DEPLOYED_PASSWORD}@"), ..Self::default() }
    }
}

/// One nats-server with JetStream.
#[derive(Debug)]
pub struct NatsServer {
    name: String,
    port: u16,
    monitor_port: u16,
    login: String,
    command: Vec<String>,
    env: Vec<(String, String)>,
    binary: PathBuf,
    child: Option<Child>,
    folder: TempDir,
}

/// Three nats-servers that replicate.
#[derive(Debug)]
pub struct NatsCluster {
    /// The servers.
    pub servers: Vec<NatsServer>,
}

impl NatsServer {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// Starts one in another way.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub async fn start_with(options: Options) -> Self {
        let mut server = Self::prepared(options, &[]);
        server.restart().await;
        server
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("nats://{}127.0.0.1:{}", self.login, self.port)
    }

    /// The same with another login, `user:password`.
    pub fn url_as(&self, login: &str) -> String {
        format!("nats://{login}@127.0.0.1:{}", self.port)
    }

    /// Its monitoring page.
    pub fn monitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor_port)
    }

    /// The name it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its folder: store, log and all.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it again where it was, on what it had stored; stops it first if it runs.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub async fn restart(&mut self) {
        self.launch();
        self.up().await.unwrap_or_else(|why| panic!("{why}"));
    }

    /// Kills it, as a crash does.
    ///
    /// # Panics
    /// When it can't be killed.
    pub async fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("our own child is killed");
            child.wait().expect("our own child is reaped");
        }
    }

    /// Stops it in the middle of everything, as a machine without time does; back when it stands still.
    ///
    /// # Panics
    /// When it doesn't.
    pub async fn pause(&self) {
        self.signal("-STOP");
        let stat = PathBuf::from(format!("/proc/{}/stat", self.pid()));
        eventually("a server that stands still", SOON, || async {
            let stat = std::fs::read_to_string(&stat).expect("our own child has a status");
            let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
            (state == Some('T')).then_some(())
        })
        .await;
    }

    /// Goes on after [`Self::pause`].
    ///
    /// # Panics
    /// When it can't be told.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn prepared(options: Options, more: &[String]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let name = format!("gatepost-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let [port, monitor_port] = free_ports();
        let config = options.config.clone().unwrap_or_else(|| {
            let sync = if options.sync_always { "always" } else { "\"2m\"" };
            let path = folder.path().join("server.conf");
            std::fs::write(&path, format!("jetstream {{ sync_interval: {sync} }}\n")).expect("it is written");
            path
        });
        let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        let mut command: Vec<String> = ["-a", "127.0.0.1", "-js"].map(str::to_owned).into();
        for (flag, value) in [
            ("-c", text(&config)),
            ("-p", port.to_string()),
            ("-m", monitor_port.to_string()),
            ("-l", text(&folder.path().join("server.log"))),
            ("--server_name", name.clone()),
        ] {
            command.extend([flag.to_owned(), value]);
        }
        // A file may say it itself, by a variable.
        let mut env = options.env;
        let store = text(&folder.path().join("store"));
        match std::fs::read_to_string(&config).expect("it is read").contains("store_dir:") {
            true => env.push(("GATEPOST_NATS_DATA".to_owned(), store)),
            false => command.extend(["-sd".to_owned(), store]),
        }
        command.extend_from_slice(more);
        let login = if options.login.is_empty() { String::new() } else { format!("{}@", options.login) };
        let binary = options.binary.unwrap_or_else(|| tool("python/bin/nats-server"));
        Self { name, port, monitor_port, login, command, env, binary, child: None, folder }
    }

    fn launch(&mut self) {
        self.stop();
        let child = Command::new(&self.binary)
            .args(&self.command)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.folder.path().join("stderr")).expect("it is made"))
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; run tests/install first", self.binary.display()));
        self.child = Some(child);
    }

    /// Waits until the monitoring page of this very server says that JetStream is ready; says why it doesn't.
    async fn up(&mut self) -> Result<(), String> {
        let until = Instant::now() + SOON;
        loop {
            let status = self.child.as_mut().map(|child| child.try_wait().expect("our own child"));
            if status != Some(None) {
                return Err(format!("{} ended: {}", self.name, self.log()));
            }
            if let Some(page) = self.page("varz").await
                && let Some(health) = self.page("healthz").await
            {
                if page["server_name"] != self.name.as_str() {
                    return Err(format!("another server answers on the port of {}", self.name));
                }
                if health["status"] == "ok" {
                    return Ok(());
                }
            }
            if Instant::now() > until {
                return Err(format!("{} is not up: {}", self.name, self.log()));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A monitoring page; `None` while it doesn't answer.
    ///
    /// # Panics
    /// When what answers is not HTTP.
    pub async fn page(&self, path: &str) -> Option<Value> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.monitor_port)).await.ok()?;
        let request = format!("GET /{path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        tokio::time::timeout(SOON, stream.read_to_string(&mut answer)).await.ok()?.ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    fn log(&self) -> String {
        let read = |file: &str| std::fs::read_to_string(self.folder.path().join(file)).unwrap_or_default();
        read("stderr") + &read("server.log")
    }

    fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid().to_string()]).status().expect("kill runs");
        assert!(status.success(), "kill {signal} of {}", self.name);
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl NatsCluster {
    /// Starts `count` servers that know each other, and waits until they have elected.
    ///
    /// # Panics
    /// When they don't come up.
    pub async fn start(count: usize) -> Self {
        Self::start_with(&vec![Options::default(); count]).await
    }

    /// Starts servers in other ways, one for each.
    ///
    /// # Panics
    /// When they don't come up.
    pub async fn start_with(options: &[Options]) -> Self {
        let mut tries = 1;
        loop {
            match Self::start_once(options).await {
                Ok(cluster) => return cluster,
                // A port was taken meanwhile, or they did not find each other.
                Err(_) if tries < 3 => tries += 1,
                Err(why) => panic!("{why}"),
            }
        }
    }

    async fn start_once(options: &[Options]) -> Result<Self, String> {
        let ports: Vec<u16> = options.iter().map(|_| free_ports()[0]).collect();
        let login = options.first().map_or("", |options| options.cluster_login.as_str());
        let routes: Vec<String> = ports.iter().map(|port| format!("nats://{login}127.0.0.1:{port}")).collect();
        let each = options.iter().zip(&ports).map(|(options, port)| {
            let cluster = [
                ["--cluster_name", "gatepost-test"].map(str::to_owned),
                ["--cluster".to_owned(), format!("nats://{login}127.0.0.1:{port}")],
                ["--routes".to_owned(), routes.join(",")],
            ];
            NatsServer::prepared(options.clone(), cluster.as_flattened())
        });
        let mut servers: Vec<_> = each.collect();
        servers.iter_mut().for_each(NatsServer::launch);
        for server in &mut servers {
            server.up().await?;
        }
        Ok(Self { servers })
    }

    /// Where clients connect: all of them.
    pub fn urls(&self) -> Vec<String> {
        self.servers.iter().map(NatsServer::url).collect()
    }
}

/// Two ports that nobody listens on, and that the system gives to nobody by itself: a server that is started again needs
/// the one that it had. (Linux gives those from 32768 on.)
fn free_ports() -> [u16; 2] {
    let picked = || 20_000 + u16::try_from(RandomState::new().hash_one(()) % 12_000).expect("few");
    let listener = || std::iter::repeat_with(picked).find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    let listeners = [(); 2].map(|()| listener().expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}
