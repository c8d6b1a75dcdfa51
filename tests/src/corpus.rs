//! Real GitHub payloads: npm `@octokit/webhooks-examples`, signed by npm `@octokit/webhooks-methods`.

use std::process::Command;

use futures::{StreamExt as _, stream};
use serde::Deserialize;

use crate::{github::Webhook, judge, post::Answer};

/// Payloads under way together.
const AT_ONCE: usize = 16;

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

/// Posts all to an integration, some at once, and gives the answers in the payloads' order.
///
/// # Panics
/// When one is not answered.
pub async fn post_all(payloads: &[Payload], address: &str, integration: &str) -> Vec<Answer> {
    let posts = payloads.iter().map(|payload| payload.webhook.post(address, integration));
    let answers: Vec<_> = stream::iter(posts).buffered(AT_ONCE).collect().await;
    answers.into_iter().map(|answer| answer.expect("an answer")).collect()
}

fn payload(line: Line) -> Payload {
    let Line { event, delivery, installation, body, signature } = line;
    Payload { webhook: Webhook { event, delivery, body: body.into(), signature }, installation }
}
