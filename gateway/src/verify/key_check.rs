//! Whether a secret is the public key that a check needs, asked when a configuration is loaded.

use gatepost_config::{
    Secret, Timestamp,
    provider::{Algorithm, JwtAlgorithm, SchemeKind},
};

use super::{certificate::Chain, public_key::PublicKey};

/// Whether a secret holds a public key that a check of this kind takes. A certificate counts even when it is out of date:
/// its requests are refused, but nothing else is.
///
/// # Errors
/// In words that go on after "it".
pub fn check_public_key(kind: &SchemeKind, secret: &Secret, now: Timestamp) -> Result<(), String> {
    let wanted: Vec<&str> = match kind {
        SchemeKind::PublicKey { algorithm, .. } => vec![key_kind(*algorithm)],
        SchemeKind::Jwt(jwt) => jwt.algorithms.iter().filter_map(|algorithm| token_key_kind(*algorithm)).collect(),
        SchemeKind::Hmac { .. } | SchemeKind::Digest { .. } | SchemeKind::Token { .. } | SchemeKind::None => {
            return Ok(());
        }
    };
    let text = secret.expose();
    let keys = PublicKey::read(text, now);
    if keys.iter().any(|key| wanted.contains(&key.kind())) {
        return Ok(());
    }
    let wanted = wanted.join(" or ");
    match keys.first() {
        Some(key) => Err(format!("holds a public key of {}, and {wanted} is asked for", key.kind())),
        None if is_private(text) => Err(format!("holds a private key; the public one of {wanted} is asked for")),
        None if Chain::from_pem(text).is_some() => Ok(()),
        None => Err(format!(
            "is no public key of {wanted}: PEM with all of its lines, base64 or hexadecimal of the key, or a JWK"
        )),
    }
}

const fn key_kind(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Ed25519 => "Ed25519",
        Algorithm::EcdsaDer | Algorithm::EcdsaRaw => "P-256",
        Algorithm::Rsa(_) => "RSA",
    }
}

const fn token_key_kind(algorithm: JwtAlgorithm) -> Option<&'static str> {
    match algorithm {
        JwtAlgorithm::Hs256 => None,
        JwtAlgorithm::Es256 => Some("P-256"),
        JwtAlgorithm::Rs256 | JwtAlgorithm::Rs512 => Some("RSA"),
    }
}

fn is_private(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.contains("PRIVATE KEY-----"))
}
