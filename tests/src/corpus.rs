//! Real GitHub payloads: npm `@octokit/webhooks-examples`, signed by npm `@octokit/webhooks-methods`.

use std::process::Command;

use serde::Deserialize;

use crate::{github::Webhook, judge};

/// A payload and the installation it names, if any.
#[derive(Debug, Clone)]
pub struct Payload {
    /// As GitHub would post it.
    pub webhook: Webhook,
    /// `installation.id`
    pub installation: Option<u64>,
}

#[derive(Deserialize)]
struct Line {
    event: String,
    delivery: String,
    installation: Option<u64>,
    body: String,
    signature: String,
}

/// All 329 payloads, signed with the secret by GitHub's own library.
///
/// # Panics
/// When node can't run, or the corpus is not the pinned one.
pub fn github(secret: &str) -> Vec<Payload> {
    let mut node = Command::new("node");
    node.arg(judge::folder().join("node/corpus.mjs")).arg(secret);
    let output = node.output().expect("run tests/install first");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("JSON lines");
    let payloads: Vec<_> = text.lines().map(|line| payload(serde_json::from_str(line).expect("a line"))).collect();
    assert_eq!(payloads.len(), 329, "the pinned corpus");
    assert_eq!(payloads.iter().filter(|payload| payload.installation.is_some()).count(), 133, "the pinned corpus");
    payloads
}

fn payload(line: Line) -> Payload {
    let Line { event, delivery, installation, body, signature } = line;
    Payload { webhook: Webhook { event, delivery, body: body.into(), signature }, installation }
}
