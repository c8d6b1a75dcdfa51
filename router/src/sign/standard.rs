//! Signatures of Standard Webhooks.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use base64::{Engine, engine::general_purpose::STANDARD};
use gatepost_config::{KeyKind, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::Ed25519KeyPair;
use sha2::Sha256;

use crate::envelope::Envelope;

/// What a key signs of a delivery: its id, the second it is sent in, and the body.
pub(super) fn signature(key: &SigningKey, id: &str, seconds: i64, body: &Envelope) -> Option<String> {
    let head = format!("{id}.{seconds}.");
    match key.kind() {
        KeyKind::Ed25519 => {
            // Ed25519 goes over its message twice, so it must be in one piece.
            let message = [head.as_bytes()].into_iter().chain(body.pieces().iter().map(|piece| &**piece));
            let message: Vec<u8> = message.collect::<Vec<_>>().concat();
            let pair = Ed25519KeyPair::from_seed_unchecked(key.expose()).ok()?;
            Some(format!("v1a,{}", STANDARD.encode(pair.sign(&message))))
        }
        KeyKind::Hmac => {
            let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).ok()?;
            mac.update(head.as_bytes());
            body.pieces().iter().for_each(|piece| mac.update(piece));
            Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
        }
        // Refused when the configuration is loaded.
        KeyKind::Text => None,
    }
}
