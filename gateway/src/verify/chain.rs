//! Tokens that bring the chain of their key's certificates along (`x5c` of RFC 7515). It proves nothing until it leads to
//! the root that the operator pinned, by certificates that are marked for this use.

use base64::{Engine, engine::general_purpose::STANDARD};
use gatepost_config::{Timestamp, provider::TokenChain};
use rustls::RootCertStore;

use super::{Judge, certificate::Chain, public_key::PublicKey};
use crate::{extract::json, reason::Reason};

/// Most certificates of a token; the last may be the root itself.
const CERTIFICATES_MAX: usize = 3;

/// The certificate whose key signs a token, with its issuer's, before anything is known of them.
pub(super) struct Shown(Chain);

impl Shown {
    /// Reads those of a token's head. What may follow the issuer is the root, which counts only as it was pinned.
    pub(super) fn read(certificates: Option<&str>) -> Result<Self, Reason> {
        let ders = certificates.and_then(ders).ok_or(Reason::SignatureMalformed)?;
        let [leaf, issuer, ..] = ders.as_slice() else { return Err(Reason::SignatureMalformed) };
        Chain::from_der(vec![leaf.clone(), issuer.clone()]).map(Self).ok_or(Reason::SignatureMalformed)
    }

    /// The key that signs, if it holds now.
    pub(super) fn keys(&self, now: Timestamp) -> Vec<PublicKey> {
        let body = STANDARD.encode(self.0.leaf());
        PublicKey::read(format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----").as_bytes(), now)
    }

    /// Whether the certificates lead to the pinned root, and are marked as they must be.
    pub(super) fn check(&self, rule: &TokenChain, judge: &Judge<'_>, now: Timestamp) -> Result<(), Reason> {
        let roots = roots(judge, now)?;
        let marked = self.0.is_marked(0, &rule.leaf.to_der()) && self.0.is_marked(1, &rule.issuer.to_der());
        if marked && self.0.ends_in(&roots, now) { Ok(()) } else { Err(Reason::KeyUnknown) }
    }
}

/// Certificates in base64, in a JSON array.
fn ders(shown: &str) -> Option<Vec<Vec<u8>>> {
    let items = json::items(shown, CERTIFICATES_MAX)?.ok()?;
    items.into_iter().map(|raw| STANDARD.decode(serde_json::from_str::<String>(raw).ok()?).ok()).collect()
}

/// The certificates that are secrets.
fn roots(judge: &Judge<'_>, now: Timestamp) -> Result<RootCertStore, Reason> {
    let mut active = judge.secrets.iter().filter(|secret| secret.is_active(now)).peekable();
    if active.peek().is_none() {
        return Err(Reason::SecretAbsent);
    }
    let mut roots = RootCertStore::empty();
    for chain in active.filter_map(|secret| Chain::from_pem(&unescaped(secret.expose()))) {
        roots.add(chain.leaf().to_vec().into()).map_err(|_| Reason::SecretMalformed)?;
    }
    if roots.is_empty() { Err(Reason::SecretMalformed) } else { Ok(roots) }
}

/// Settings often keep a certificate on one line, its line ends written out.
fn unescaped(text: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(text).replace("\\n", "\n").into_bytes()
}
