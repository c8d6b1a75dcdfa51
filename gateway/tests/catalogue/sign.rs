//! Signs a changed request anew, by other means than Gatepost's own: a forger who has a key, but not the right one; a
//! provider whose signature is right, but over something that must be refused.

use gatepost_config::provider::{Hash, Location, SchemeKind, Source};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::{attempt::Attempt, places, signatures::Text, subject::Subject};

/// How a request may be signed anew.
pub(crate) struct Signer<'a> {
    subject: &'a Subject,
    text: &'a Text,
    hash: Hash,
    key: Vec<u8>,
}

impl<'a> Signer<'a> {
    /// For schemes that this knows how to sign for; it must make the vector's own signature.
    pub(crate) fn of(subject: &'a Subject, text: &'a Text) -> Option<Self> {
        let SchemeKind::Hmac { hash, key, .. } = &subject.scheme.as_ref()?.kind else { return None };
        let key = key.bytes(subject.secret()).ok()?.to_vec();
        let signer = Self { subject, text, hash: *hash, key };
        let own = signer.mac(signer.hash, &signer.key, &signer.signed(&subject.genuine)?);
        (text.tag() == Some(own)).then_some(signer)
    }

    /// The request with a signature of the right key.
    pub(crate) fn signed_again(&self, attempt: &Attempt) -> Option<Attempt> {
        self.signed_by(attempt, self.hash, &self.key)
    }

    /// The request with a signature of another key.
    pub(crate) fn signed_by_key(&self, attempt: &Attempt, key: &[u8]) -> Option<Attempt> {
        self.signed_by(attempt, self.hash, key)
    }

    /// The request with signatures by every other hash.
    pub(crate) fn signed_by_other_hashes(&self, attempt: &Attempt) -> Vec<Attempt> {
        let others = [Hash::Sha1, Hash::Sha256, Hash::Sha512].into_iter().filter(|hash| *hash != self.hash);
        others.filter_map(|hash| self.signed_by(attempt, hash, &self.key)).collect()
    }

    /// The request with a hash without a key, of its text and of key and text.
    pub(crate) fn hashed(&self, attempt: &Attempt) -> Vec<Attempt> {
        let Some(text) = self.signed(attempt) else { return Vec::new() };
        let all = [text.clone(), [&self.key[..], &text].concat(), [&text[..], &self.key].concat()];
        all.iter().filter_map(|text| self.text.with_tag_in(self.subject, attempt, &digest(self.hash, text))).collect()
    }

    fn signed_by(&self, attempt: &Attempt, hash: Hash, key: &[u8]) -> Option<Attempt> {
        let tag = self.mac(hash, key, &self.signed(attempt)?);
        self.text.with_tag_in(self.subject, attempt, &tag)
    }

    /// The signed text, from the template's own words.
    fn signed(&self, attempt: &Attempt) -> Option<Vec<u8>> {
        let template = self.subject.signed().first()?.to_string().replace("\\n", "\n");
        let mut text = Vec::new();
        let mut rest = template.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (place, after) = after.split_once('}')?;
            if before.contains(['[', ']', '\\']) || place.contains('?') {
                return None;
            }
            text.extend_from_slice(before.as_bytes());
            text.extend_from_slice(&self.part(attempt, place)?);
            rest = after;
        }
        text.extend_from_slice(rest.as_bytes());
        Some(text)
    }

    fn part(&self, attempt: &Attempt, place: &str) -> Option<Vec<u8>> {
        match place {
            "body" => Some(attempt.body().to_vec()),
            "method" => Some(attempt.request.method.as_str().into()),
            "url" => {
                Some(format!("{}{}", self.subject.public_url().trim_end_matches('/'), attempt.request.target).into())
            }
            place => {
                let place: Location = place.parse().ok()?;
                match &place.source {
                    Source::Signature(name) => self.text.field_in(attempt, name).map(String::into_bytes),
                    Source::Header(name) => Some(attempt.request.headers.get(name.as_str())?.as_bytes().to_vec()),
                    _ => places::read(attempt, &place).map(String::into_bytes),
                }
            }
        }
    }

    fn mac(&self, hash: Hash, key: &[u8], text: &[u8]) -> Vec<u8> {
        fn mac<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Vec<u8> {
            let mut mac = <M as KeyInit>::new_from_slice(key).expect("any length is a key");
            mac.update(text);
            mac.finalize().into_bytes().to_vec()
        }
        match hash {
            Hash::Sha1 => mac::<Hmac<Sha1>>(key, text),
            Hash::Sha256 => mac::<Hmac<Sha256>>(key, text),
            _ => mac::<Hmac<Sha512>>(key, text),
        }
    }
}

fn digest(hash: Hash, text: &[u8]) -> Vec<u8> {
    match hash {
        Hash::Sha1 => Sha1::digest(text).to_vec(),
        Hash::Sha256 => Sha256::digest(text).to_vec(),
        _ => Sha512::digest(text).to_vec(),
    }
}
