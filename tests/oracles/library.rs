//! What the vendors' libraries say.

use std::{collections::BTreeMap, process::Command};

use gatepost_tests::judge;
use serde::Deserialize;

/// A request, and what a vendor's library says of it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Asked {
    /// The provider's name.
    pub(crate) provider: String,
    /// The secret, as an integration would have it.
    pub(crate) secret: String,
    /// The integration's named values.
    pub(crate) values: BTreeMap<String, String>,
    /// What stands at which address, where the library fetches certificates.
    #[serde(default)]
    pub(crate) certificates: BTreeMap<String, String>,
    /// The method.
    pub(crate) method: String,
    /// The URL as the provider called it.
    pub(crate) url: String,
    /// Headers, by lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body.
    pub(crate) body_base64: String,
    /// The time that the library was shown, in milliseconds.
    pub(crate) at: i64,
    /// Whether it accepts the request.
    pub(crate) verdict: bool,
    /// What the request is.
    pub(crate) what: String,
}

/// Asks every library about all its requests.
///
/// # Panics
/// When node can't run.
pub(crate) fn ask_all() -> Vec<Asked> {
    let mut node = Command::new("node");
    node.arg(judge::folder().join("node/oracles.mjs"));
    let output = node.output().expect("run tests/install first");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("JSON lines");
    text.lines().map(|line| serde_json::from_str(line).expect("a line")).collect()
}
