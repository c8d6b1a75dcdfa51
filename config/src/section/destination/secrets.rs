//! `secrets = [..]` of a destination.

use crate::{
    Secret,
    read::{Node, Read, all},
    signing::SigningKey,
};

/// Signing keys, decoded. Whether they are of the kind that the format signs with is checked with the format.
pub(in crate::section) fn keys(node: &Node<'_>) -> Option<Vec<SigningKey>> {
    let nodes = node.items()?;
    if nodes.is_empty() {
        node.error("is an empty list", "add a secret, so that the backend can tell deliveries from forgeries");
        return None;
    }
    all(nodes.iter().map(key))
}

fn key(node: &Node<'_>) -> Option<SigningKey> {
    let secret = Secret::read(node)?;
    if node.spot.sheet.is_without_secrets() {
        return Some(SigningKey::text(secret));
    }
    let source = secret.source().to_owned();
    match SigningKey::parse(secret) {
        Ok(key) => Some(key),
        Err(wrong) => {
            let message = format!("is no signing secret in {source}: it {wrong}");
            node.error(message, "make one with `gatepost secret new`");
            None
        }
    }
}
