//! Secrets: always from elsewhere, never empty.

use std::path::Path;

use toml::de::DeValue;

use super::{Node, Read, reference::Reference};
use crate::{Secret, Timestamp};

/// Shorter secrets are refused: a guess would do, and an empty key verifies what anybody signs.
const SECRET_BYTES_MIN: usize = 8;
/// Shorter secrets are warned of.
const SECRET_BYTES_GOOD: usize = 16;

/// Length of what stands for a secret that is not resolved.
const PLACEHOLDER_BYTES: usize = 32;

impl Read for Secret {
    fn read(node: &Node<'_>) -> Option<Self> {
        let remedy = "write { env = \"NAME\" } or { file = \"path\" }, and replace the secret if this file was shared";
        if matches!(node.value, DeValue::String(_)) {
            node.error("is a secret written out in the file", remedy);
            return None;
        }
        let (reference, until) = node.reference(true)?;
        let source = reference.to_string();
        let secret = if node.spot.sheet.around.options.without_secrets {
            placeholder(&source)?
        } else {
            Self::new(resolve(node, &reference)?, &source)
        };
        Some(match until {
            Some(until) => secret.expiring(until),
            None => secret,
        })
    }
}

/// Random bytes, so that a configuration read without secrets could never accept a signature.
fn placeholder(source: &str) -> Option<Secret> {
    let random = ring::rand::generate::<[u8; PLACEHOLDER_BYTES]>(&ring::rand::SystemRandom::new()).ok()?;
    Some(Secret::new(random.expose().to_vec(), source))
}

fn resolve(node: &Node<'_>, reference: &Reference) -> Option<Vec<u8>> {
    let bytes = node.fetch(reference)?;
    if let Reference::File { written, path } = reference {
        warn_of_open_file(node, written, path);
    }
    let remedy = "make one with `gatepost secret new`, or copy all of the provider's";
    match bytes.len() {
        0 => node.error(format!("is empty in {reference}"), remedy),
        n if n < SECRET_BYTES_MIN => {
            node.error(format!("has only {n} bytes in {reference}; at least {SECRET_BYTES_MIN} are needed"), remedy);
        }
        n if n < SECRET_BYTES_GOOD => {
            let message = format!("has only {n} bytes in {reference}; {SECRET_BYTES_GOOD} or more are hard to guess");
            node.spot.warning(message, "take a longer one where you can choose");
            return Some(bytes);
        }
        _ => return Some(bytes),
    }
    None
}

#[cfg(unix)]
fn warn_of_open_file(node: &Node<'_>, written: &str, path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map_or(0, |meta| meta.permissions().mode());
    if mode & 0o004 != 0 {
        node.spot
            .warning(format!("comes from file {written}, which everybody can read"), format!("chmod 600 {written}"));
    }
}

#[cfg(not(unix))]
fn warn_of_open_file(_: &Node<'_>, _: &str, _: &Path) {}

impl Read for Timestamp {
    fn read(node: &Node<'_>) -> Option<Self> {
        let parsed = match node.value {
            DeValue::Datetime(time) => time.to_string().parse().ok(),
            DeValue::String(text) => text.parse().ok(),
            _ => None,
        };
        if parsed.is_none() {
            node.error("is no point in time", "write for example 2026-12-01T00:00:00Z");
        }
        parsed
    }
}
