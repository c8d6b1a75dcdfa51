//! Sealing secrets: AES-256-GCM with keys made from the master keys, each record naming its key.

mod own_key;
mod request;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_config::{Config, Engine, Secret, Timestamp};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf,
};

use crate::{SealedSecret, SecretName, store::OpenError};

/// The form of what is sealed; part of the key and of what the tag covers.
const FORM: &[u8] = b"gatepost sealed secret 1";

/// The master keys: the first seals, all open.
pub struct Keyring {
    keys: Vec<Master>,
}

/// What is made of a master key.
struct Master {
    id: String,
    /// Seals secrets.
    secrets: LessSafeKey,
    /// Seals refused requests.
    requests: LessSafeKey,
}

/// Why a secret can't be sealed or opened. It never holds any of the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// There is no master key.
    #[error("there is no master key: set secrets.master_keys")]
    NoKey,
    /// The master key that sealed it is not there.
    #[error("it was sealed with the master key {0}, which is not among secrets.master_keys: add it again")]
    UnknownKey(String),
    /// It was changed, or moved from another name.
    #[error("it is not what was sealed under its name: restore the store from a backup")]
    Broken,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandom,
}

impl Keyring {
    /// The keys that the configuration names. The embedded engine makes one of its own beside the store, readable by
    /// this user only, when none is named; one that it made before still opens when others are named now.
    ///
    /// # Errors
    /// When its own key can be neither read nor made.
    pub fn load(config: &Config) -> Result<Self, OpenError> {
        let mut keys = config.secrets.master_keys.clone();
        if let Engine::Embedded { path } = &config.store.engine {
            keys.extend(match keys.is_empty() {
                true => Some(own_key::read_or_make(path)?),
                false => own_key::read(path)?,
            });
        }
        Ok(Self::new(&keys))
    }

    /// With these master keys.
    pub fn new(master_keys: &[Secret]) -> Self {
        let made = |master: &Secret| {
            let (secrets, requests) = (key(master, FORM)?, key(master, request::FORM)?);
            Some(Master { id: master.key_id(), secrets, requests })
        };
        Self { keys: master_keys.iter().filter_map(made).collect() }
    }

    /// Seals a secret under its name with the first key.
    ///
    /// # Errors
    /// When there is no key, or no random number.
    pub fn seal(&self, name: SecretName, secret: &[u8], now: Timestamp) -> Result<SealedSecret, SealError> {
        let master = self.keys.first().ok_or(SealError::NoKey)?;
        let nonce = ring::rand::generate::<[u8; NONCE_LEN]>(&ring::rand::SystemRandom::new());
        let nonce = nonce.map_err(|_| SealError::NoRandom)?.expose();
        let mut text = secret.to_vec();
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        master.secrets.seal_in_place_append_tag(nonce_used, bound(&name), &mut text).map_err(|_| SealError::Broken)?;
        let sealed = STANDARD.encode([&nonce[..], &text].concat());
        Ok(SealedSecret { name, sealed_at: now, key_id: master.id.clone(), sealed })
    }

    /// Opens what was sealed under its name.
    ///
    /// # Errors
    /// When the key is not there any more, or anything of the record was changed.
    pub fn open(&self, secret: &SealedSecret) -> Result<Secret, SealError> {
        let mut keys = self.keys.iter().filter(|master| master.id == secret.key_id).peekable();
        if keys.peek().is_none() {
            return Err(SealError::UnknownKey(secret.key_id.clone()));
        }
        let bytes = STANDARD.decode(&secret.sealed).map_err(|_| SealError::Broken)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Broken)?;
        let opened = keys.find_map(|master| {
            let mut text = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let opened = master.secrets.open_in_place(nonce, bound(&secret.name), &mut text).ok()?.len();
            text.truncate(opened);
            Some(text)
        });
        opened.map(|text| Secret::new(text, "the store of secrets")).ok_or(SealError::Broken)
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|master| &master.id)).finish()
    }
}

fn key(master: &Secret, form: &'static [u8]) -> Option<LessSafeKey> {
    let made = hkdf::Salt::new(hkdf::HKDF_SHA256, b"gatepost").extract(master.expose());
    let key = UnboundKey::from(made.expand(&[form], &AES_256_GCM).ok()?);
    Some(LessSafeKey::new(key))
}

/// What the tag covers beside the secret: the form and the name, each part with its length.
fn bound(name: &SecretName) -> Aad<Vec<u8>> {
    let mut text = FORM.to_vec();
    for part in name.parts() {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part);
    }
    Aad::from(text)
}

#[cfg(test)]
mod tests;
