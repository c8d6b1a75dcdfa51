//! Third-party libraries that judge deliveries.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::backend::Delivery;

/// Asks npm `standardwebhooks` and PyPI `standardwebhooks` about each delivery.
///
/// # Panics
/// When either refuses one, or can't be run.
pub fn accept_all(secret: &str, deliveries: &[Delivery]) {
    let lines: String = deliveries.iter().map(|delivery| line(secret, delivery)).collect();
    for (judge, command) in judges() {
        let verdicts = ask(command, &lines);
        let refused: Vec<_> = verdicts.iter().enumerate().filter(|(_, verdict)| *verdict != "ok").collect();
        assert_eq!(verdicts.len(), deliveries.len(), "{judge} judged each delivery");
        assert!(refused.is_empty(), "{judge} refused {} of {}: {refused:?}", refused.len(), deliveries.len());
    }
}

/// Asserts that both refuse it: the judges' own control.
///
/// # Panics
/// When either accepts it, or can't be run.
pub fn refuse(secret: &str, delivery: &Delivery) {
    for (judge, command) in judges() {
        let verdicts = ask(command, &line(secret, delivery));
        assert_eq!(verdicts.len(), 1, "{judge} judged the delivery");
        assert_ne!(verdicts[0], "ok", "{judge} accepted what it should refuse");
    }
}

fn line(secret: &str, delivery: &Delivery) -> String {
    let header = |name: &str| delivery.header(name);
    let headers = json!({
        "webhook-id": header("webhook-id"),
        "webhook-timestamp": header("webhook-timestamp"),
        "webhook-signature": header("webhook-signature"),
    });
    format!("{}\n", json!({"secret": secret, "headers": headers, "body_base64": STANDARD.encode(&delivery.body)}))
}

fn judges() -> [(&'static str, Command); 2] {
    let mut node = Command::new("node");
    node.arg(folder().join("node/verify.mjs"));
    let mut python = Command::new(tool("python/bin/python"));
    python.arg(folder().join("python/verify.py"));
    [("npm standardwebhooks", node), ("PyPI standardwebhooks", python)]
}

fn ask(mut command: Command, lines: &str) -> Vec<String> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("run tests/install first");
    let mut input = child.stdin.take().expect("piped");
    let lines = lines.to_owned();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("the judge ends");
    writer.join().expect("no panic").expect("the judge reads everything");
    assert!(output.status.success(), "the judge failed: {output:?}");
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

/// The folder of this crate.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A tool that `tests/install` installed.
#[expect(clippy::disallowed_methods, reason = "the harness's own setting")]
pub fn tool(path: &str) -> PathBuf {
    let tools = std::env::var("GATEPOST_TOOLS").map_or_else(|_| folder().join("../target/tools"), PathBuf::from);
    tools.join(path)
}
