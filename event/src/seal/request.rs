//! Sealing refused requests, with keys of their own: how many there are is not ours to say, and a key has its bound.

use bytes::Bytes;
use ring::aead::{Aad, NONCE_LEN, Nonce};

use super::{Keyring, SealError};
use crate::{Refusal, SealedRefusal};

/// The form of what is sealed; part of the key and of what the tag covers.
pub(super) const FORM: &[u8] = b"gatepost sealed request 1";

impl Keyring {
    /// Whether it can seal anything.
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Seals a refused request with the first key; its reason, its time and whose it is stay in the clear, bound to it.
    ///
    /// # Errors
    /// When there is no key, or no random number.
    pub fn seal_refusal(&self, refusal: &Refusal) -> Result<SealedRefusal, SealError> {
        let master = self.keys.first().ok_or(SealError::NoKey)?;
        let nonce = ring::rand::generate::<[u8; NONCE_LEN]>(&ring::rand::SystemRandom::new());
        let nonce = nonce.map_err(|_| SealError::NoRandom)?.expose();
        let mut sealed = SealedRefusal {
            request: refusal.request,
            integration: refusal.integration.clone(),
            received_at: refusal.received_at,
            reason: refusal.reason.clone(),
            source: refusal.source,
            key_id: master.id.clone(),
            sealed: Bytes::new(),
        };
        let mut text = refusal.to_text().ok_or(SealError::Broken)?;
        let tag = master.requests.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(bound(&sealed)),
            &mut text,
        );
        let tag = tag.map_err(|_| SealError::Broken)?;
        sealed.sealed = [&nonce[..], &text, tag.as_ref()].concat().into();
        Ok(sealed)
    }

    /// Opens a refused request.
    ///
    /// # Errors
    /// When the key is not there any more, or anything of the record was changed.
    pub fn open_refusal(&self, sealed: &SealedRefusal) -> Result<Refusal, SealError> {
        let mut keys = self.keys.iter().filter(|master| master.id == sealed.key_id).peekable();
        if keys.peek().is_none() {
            return Err(SealError::UnknownKey(sealed.key_id.clone()));
        }
        let (nonce, text) = sealed.sealed.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Broken)?;
        let opened = keys.find_map(|master| {
            let mut text = text.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let length = master.requests.open_in_place(nonce, Aad::from(bound(sealed)), &mut text).ok()?.len();
            text.truncate(length);
            Some(Bytes::from(text))
        });
        opened.and_then(|text| Refusal::from_text(sealed, &text)).ok_or(SealError::Broken)
    }
}

/// What the tag covers beside the request, each part with its length.
fn bound(sealed: &SealedRefusal) -> Vec<u8> {
    let (request, received_at) = (sealed.request.to_string(), sealed.received_at.millis().to_be_bytes());
    let parts: [&[u8]; 5] = [
        request.as_bytes(),
        sealed.integration.as_str().as_bytes(),
        &received_at,
        sealed.reason.as_bytes(),
        &[sealed.source],
    ];
    let mut text = FORM.to_vec();
    for part in parts {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part);
    }
    text
}
