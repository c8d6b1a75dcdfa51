//! `client_certificate = { .. }`: how Gatepost proves itself where a backend asks for a certificate.

use std::{fmt, sync::Arc};

use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use sha2::{Digest, Sha256};

use crate::{
    Secret,
    read::{Node, Read},
};

/// A certificate with its key.
#[derive(Clone)]
pub struct ClientCertificate {
    /// What TLS shows and signs with.
    pub certified: Arc<CertifiedKey>,
    /// Stands for both; connections made with one are never used with another.
    pub fingerprint: [u8; 32],
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("certificates", &self.certified.cert.len()).finish_non_exhaustive()
    }
}

/// `{ chain = <PEM>, key = <PEM> }`, checked to belong together. Nothing when secrets are left unread.
pub(super) fn certificate(node: &Node<'_>) -> Option<Option<ClientCertificate>> {
    let table = node.table()?;
    let without_secrets = node.spot.sheet.is_without_secrets();
    let chain = table.required_like("chain", "{ file = \"client.pem\" }", |node| match without_secrets {
        true if node.is_table() => Secret::read(node).map(|_| String::new()),
        _ => String::read(node),
    });
    let key = table.required_like("key", "{ file = \"client.key\" }", Secret::read);
    table.finish();
    let (chain, key) = (chain?, key?);
    if without_secrets {
        return Some(None);
    }
    match certified(chain.as_bytes(), key.expose()) {
        Ok(certified) => {
            let mut hash = Sha256::new();
            hash.update(chain.as_bytes());
            hash.update(key.expose());
            Some(Some(ClientCertificate { certified: Arc::new(certified), fingerprint: hash.finalize().into() }))
        }
        Err((part, wrong, remedy)) => {
            table.at(part).error(wrong, remedy);
            None
        }
    }
}

type Wrong = (&'static str, String, &'static str);

fn certified(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, Wrong> {
    let pem =
        "write the certificate first, then those that lead to its authority, each from -----BEGIN CERTIFICATE-----";
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|error| ("chain", format!("is no chain of certificates ({error})"), pem))?;
    if chain.is_empty() {
        return Err(("chain", "has no certificate".to_owned(), pem));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
        ("key", "is no private key in PEM".to_owned(), "write it from -----BEGIN PRIVATE KEY-----, without a password")
    })?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            ("key", "doesn't belong to the first certificate".to_owned(), "name the key that certificate was made for")
        }
        error => ("key", format!("can't be used ({error})"), "take an RSA, ECDSA or Ed25519 key with its certificate"),
    })
}
