//! The true binary, run as an operator runs it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStderr, Command as AsyncCommand},
};

use crate::{post, wait::eventually};

/// Longest time a process may take to start or stop.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The binary under test.
#[expect(clippy::disallowed_methods, reason = "the harness's own setting")]
pub fn binary() -> PathBuf {
    if let Ok(path) = std::env::var("GATEPOST_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a test runs from a file");
    let profile = test.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>");
    let binary = profile.join("gatepost");
    assert!(binary.exists(), "{} is missing: run `cargo build -p gatepost-cli` first", binary.display());
    binary
}

/// A folder with a configuration and its secrets.
pub struct Home {
    folder: TempDir,
}

impl Home {
    /// Writes `gatepost.toml`; `files` are written beside it, readable by this user only.
    pub fn new(config: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("gatepost-test-").tempdir().expect("a temporary folder");
        let home = Self { folder };
        for (name, text) in files {
            home.write(name, text);
        }
        home.write("gatepost.toml", config);
        home
    }

    /// Writes a file into the folder.
    pub fn write(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("in the folder")).expect("writable");
        fs::write(&path, text).expect("writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("own file");
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command to its end.
    pub fn command(&self, args: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.arg("--config").arg(self.path("gatepost.toml")).args(args).current_dir(self.folder.path());
        command.stdin(Stdio::null()).output().expect("the binary runs")
    }

    /// Runs `gatepost store init`.
    pub fn init_store(&self) {
        let output = self.command(&["store", "init"]);
        assert!(output.status.success(), "store init: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts `gatepost run` with roles and waits until it is ready.
    pub async fn run(&self, roles: &[&str]) -> Gatepost {
        let gatepost = self.start(roles);
        gatepost.ready().await;
        gatepost
    }

    /// Starts `gatepost run` with roles, without waiting for readiness.
    pub fn start(&self, roles: &[&str]) -> Gatepost {
        self.start_after(":", roles)
    }

    /// As [`Self::start`], in a shell that did something first: `ulimit -n 600`, `export NAME=value`.
    pub fn start_after(&self, first: &str, roles: &[&str]) -> Gatepost {
        let mut command = AsyncCommand::new("/bin/sh");
        command.arg("-c").arg(format!("{first}; exec \"$0\" \"$@\"")).arg(binary());
        command.arg("--config").arg(self.path("gatepost.toml")).arg("run").args(roles);
        command.args(["--log", "json"]).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the binary runs");
        let log = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(collect(child.stderr.take().expect("piped"), log.clone()));
        Gatepost { child, log }
    }
}

/// A running process; killed when dropped.
pub struct Gatepost {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Gatepost {
    /// The address that a log line names under a field (`gateway`, `ops`), once it is printed.
    pub async fn address(&self, field: &str) -> String {
        let mark = format!("\"{field}\":\"");
        let what = format!("the {field}'s address");
        let found = eventually(&what, PATIENCE, async || {
            let log = self.log.lock().unwrap();
            let line = log.iter().find_map(|line| line.split_once(&mark).map(|(_, rest)| rest.to_owned()));
            line.and_then(|rest| rest.split('"').next().map(str::to_owned))
        });
        found.await
    }

    /// Where webhooks are posted.
    pub async fn gateway(&self) -> String {
        self.address("gateway").await
    }

    /// Waits until `/readyz` is green.
    pub async fn ready(&self) {
        let ops = self.address("ops").await;
        eventually("readiness", PATIENCE, async || {
            let answer = post::request(http::Method::GET, &ops, "/readyz", &[], bytes::Bytes::new()).await;
            answer.ok().filter(|answer| answer.status.is_success())
        })
        .await;
    }

    /// One sum over all series of a metric whose line contains `label`; zero when there is none yet.
    pub async fn metric(&self, name: &str, label: &str) -> f64 {
        let ops = self.address("ops").await;
        let answer = post::request(http::Method::GET, &ops, "/metrics", &[], bytes::Bytes::new()).await;
        let text = String::from_utf8(answer.expect("metrics").body.to_vec()).expect("text");
        let series = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// What it logged so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("running")
    }

    /// Sends a signal (`TERM`, `HUP`, `KILL`).
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(sent.expect("kill runs").success(), "signalled");
    }

    /// Asks it to stop, as a supervisor does, and waits for a good end.
    ///
    /// # Panics
    /// When it doesn't end with 0 in time.
    pub async fn stop(mut self) -> Vec<String> {
        self.signal("TERM");
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it stops in time");
        let log = self.log();
        assert!(ended.expect("waited").success(), "a good end; it said\n{}", log.join("\n"));
        log
    }

    /// Kills it at once.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("killed");
    }
}

async fn collect(stderr: ChildStderr, log: Arc<Mutex<Vec<String>>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        log.lock().unwrap().push(line);
    }
}
