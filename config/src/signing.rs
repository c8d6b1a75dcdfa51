//! Keys that deliveries are signed with, told apart by how they are written.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use zeroize::Zeroizing;

use crate::{Secret, Timestamp, provider::scheme::base64};

/// How symmetric keys start.
pub const SYMMETRIC: &str = "whsec_";
/// How private Ed25519 keys start.
pub const PRIVATE: &str = "whsk_";
/// How public Ed25519 keys start.
pub const PUBLIC: &str = "whpk_";

/// How long symmetric keys are, by the specification.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Length of an Ed25519 seed; the public key of the same length may follow it.
const SEED_BYTES: usize = 32;

/// A key of a destination.
#[derive(Debug, Clone)]
pub struct SigningKey {
    secret: Secret,
    kind: KeyKind,
    id: String,
}

/// What a key signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// HMAC-SHA256 by the bytes that `whsec_` stands before, in base64.
    Hmac,
    /// Ed25519 by the seed that `whsk_` stands before, in base64.
    Ed25519,
    /// HMAC-SHA256 by the text itself, as Nango does.
    Text,
}

impl SigningKey {
    /// What a secret that was written for an operator stands for.
    ///
    /// # Errors
    /// In words that go on after "it", when it starts like a key and is none.
    pub fn parse(secret: Secret) -> Result<Self, String> {
        let text = secret.expose();
        if text.starts_with(PUBLIC.as_bytes()) {
            return Err("is a public key; its private one starts with whsk_".to_owned());
        }
        if let Some(rest) = text.strip_prefix(PRIVATE.as_bytes()) {
            let (seed, public) = seed(rest)?;
            let id = Secret::new(public, secret.source()).key_id();
            return Ok(Self { secret: secret.with_bytes(seed), kind: KeyKind::Ed25519, id });
        }
        let Some(rest) = text.strip_prefix(SYMMETRIC.as_bytes()) else {
            return Ok(Self::text(secret));
        };
        let key = base64(rest).map_err(|error| format!("{error} after whsec_"))?;
        if !KEY_BYTES.contains(&key.len()) {
            return Err(format!("holds {} bytes after whsec_, not 24 to 64", key.len()));
        }
        Ok(Self::hmac(secret.with_bytes(key)))
    }

    /// A symmetric key of these bytes.
    pub fn hmac(secret: Secret) -> Self {
        Self { id: secret.key_id(), kind: KeyKind::Hmac, secret }
    }

    /// A key that is the text itself.
    pub fn text(secret: Secret) -> Self {
        Self { id: secret.key_id(), kind: KeyKind::Text, secret }
    }

    /// What it signs with.
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Names it without telling it: 8 hexadecimal digits of a hash (of the public key, where there is one).
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key, the seed or the text, for signing and nothing else.
    pub fn expose(&self) -> &[u8] {
        self.secret.expose()
    }

    /// Where it came from, in words fit for an error.
    pub fn source(&self) -> &str {
        self.secret.source()
    }

    /// When it stops signing, if it does.
    pub const fn until(&self) -> Option<Timestamp> {
        self.secret.until()
    }

    /// Whether it still signs.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.secret.is_active(now)
    }

    /// The key that a backend verifies with, where that is another one.
    pub fn public(&self) -> Option<String> {
        let pair = (self.kind == KeyKind::Ed25519).then(|| Ed25519KeyPair::from_seed_unchecked(self.expose()))?.ok()?;
        Some(format!("{PUBLIC}{}", STANDARD.encode(pair.public_key())))
    }
}

/// A private key as text and its public one, from a seed of 32 random bytes; nothing when it has another length.
pub fn ed25519_texts(seed: &[u8]) -> Option<(String, String)> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
    let public = pair.public_key().as_ref();
    Some((
        format!("{PRIVATE}{}", STANDARD.encode([seed, public].concat())),
        format!("{PUBLIC}{}", STANDARD.encode(public)),
    ))
}

/// The seed and the public key of what stands after `whsk_`.
fn seed(text: &[u8]) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), String> {
    let mut bytes = base64(text).map_err(|error| format!("{error} after whsk_"))?;
    let (seed, public) = bytes.split_at_checked(SEED_BYTES).unwrap_or((&bytes, &[]));
    let pair = match public.len() {
        0 => Ed25519KeyPair::from_seed_unchecked(seed),
        _ => Ed25519KeyPair::from_seed_and_public_key(seed, public),
    };
    let Ok(pair) = pair else {
        return Err(match bytes.len() {
            32 | 64 => "holds a private and a public key after whsk_ that don't belong together".to_owned(),
            length => format!("holds {length} bytes after whsk_, not 32 (a seed) or 64 (with its public key)"),
        });
    };
    let public = pair.public_key().as_ref().to_vec();
    bytes.truncate(SEED_BYTES);
    Ok((bytes, public))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SigningKey, String> {
        SigningKey::parse(Secret::new(text.as_bytes().to_vec(), "a test"))
    }

    /// The first test vector of RFC 8032, section 7.1.
    const SEED: [u8; 32] = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
        0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
    ];

    #[test]
    fn keys_are_told_apart_by_how_they_start() {
        let (private, public) = ed25519_texts(&SEED).expect("a seed");
        assert_eq!(public, "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
        let key = parse(&private).expect("a key");
        assert_eq!((key.kind(), key.expose(), key.public()), (KeyKind::Ed25519, &SEED[..], Some(public)));
        let seed_only = parse(&format!("whsk_{}", STANDARD.encode(SEED))).expect("a key");
        assert_eq!((seed_only.id(), seed_only.expose()), (key.id(), key.expose()));

        let hmac = parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a key");
        assert_eq!((hmac.kind(), hmac.expose().len(), hmac.public()), (KeyKind::Hmac, 24, None));
        let text = parse("5f0e62e8-nango").expect("a key");
        assert_eq!((text.kind(), text.expose()), (KeyKind::Text, &b"5f0e62e8-nango"[..]));
        assert_eq!(text.id().len(), 8);
    }

    #[test]
    fn what_starts_like_a_key_and_is_none_is_refused() {
        let (private, public) = ed25519_texts(&SEED).expect("a seed");
        let other = ed25519_texts(&[7; 32]).expect("a seed").0;
        let mixed = STANDARD.encode([&SEED[..], &STANDARD.decode(&other[5..]).expect("base64")[32..]].concat());
        for (text, said) in [
            (public, "is a public key"),
            (format!("whsk_{mixed}"), "don't belong together"),
            (format!("whsk_{}", STANDARD.encode([1; 31])), "holds 31 bytes"),
            (format!("whsk_{}", STANDARD.encode([1; 63])), "holds 63 bytes"),
            (format!("{private}*"), "base64 after whsk_"),
            ("whsk_".to_owned(), "holds 0 bytes"),
            ("whsec_".to_owned(), "holds 0 bytes"),
            (format!("whsec_{}", STANDARD.encode([1; 23])), "holds 23 bytes"),
        ] {
            let error = parse(&text).expect_err(&text);
            assert!(error.contains(said), "{text}: {error}");
        }
        assert!(ed25519_texts(&[1; 31]).is_none());
    }
}
