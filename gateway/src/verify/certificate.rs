//! Certificates that come from outside: who issued them, whose they are, and when they hold (RFC 5280).

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use gatepost_config::{Timestamp, provider::HostPattern};
use rustls::{
    RootCertStore,
    client::verify_server_cert_signed_by_trust_anchor,
    crypto::ring,
    pki_types::{CertificateDer, UnixTime},
    server::ParsedCertificate,
};

use super::der::{CONSTRUCTED_3, Der, OBJECT, OCTET_STRING};

/// Most certificates of one chain.
const CHAIN_MAX: usize = 8;

/// A certificate with those that lead from it to an authority, itself first.
pub(crate) struct Chain(Vec<CertificateDer<'static>>);

impl Chain {
    /// The certificates of a PEM text, in its order; none when there are none, or too many, or something is not base64.
    pub(crate) fn from_pem(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1);
        let decoded = blocks.map(|block| {
            let (body, _) = block.split_once("-----END CERTIFICATE-----")?;
            let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            STANDARD.decode(body).ok()
        });
        Self::from_der(decoded.collect::<Option<_>>()?)
    }

    /// Certificates in DER, such as a token brings along.
    pub(crate) fn from_der(ders: Vec<Vec<u8>>) -> Option<Self> {
        let fits = (1..=CHAIN_MAX).contains(&ders.len());
        fits.then(|| Self(ders.into_iter().map(CertificateDer::from).collect()))
    }

    /// All of them.
    pub(crate) fn into_certificates(self) -> Vec<CertificateDer<'static>> {
        self.0
    }

    /// The certificate that the chain is about, in DER.
    pub(crate) fn leaf(&self) -> &[u8] {
        self.0.first().map_or(&[], |leaf| leaf.as_ref())
    }

    /// Whether each was issued by the next and the last by a root, all of them valid now. Revocation is not asked after.
    pub(crate) fn ends_in(&self, roots: &RootCertStore, now: Timestamp) -> bool {
        let Some((leaf, others)) = self.0.split_first() else { return false };
        let Ok(parsed) = ParsedCertificate::try_from(leaf) else { return false };
        let now = UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(now.millis()).unwrap_or_default()));
        let algorithms = ring::default_provider().signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, roots, others, now, algorithms).is_ok()
    }

    /// Whether one of them, counted from 0, has an extension of that name.
    pub(crate) fn is_marked(&self, nth: usize, name: &[u8]) -> bool {
        self.0.get(nth).and_then(|der| extensions(der.as_ref())).is_some_and(|mut all| {
            let mut names = std::iter::from_fn(|| all.sequence()?.take(OBJECT));
            names.any(|own| own == name)
        })
    }

    /// Whether the first was issued to one of these names: by its alternative names, or, if it has none, its common name.
    pub(crate) fn is_of(&self, names: &[HostPattern]) -> bool {
        let own = own_names(self.leaf()).unwrap_or_default();
        own.iter().any(|own| names.iter().any(|pattern| pattern.fits(own)))
    }
}

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// Among alternative names, the tag of a host's.
const HOST_NAME: u8 = 0x82;

/// The extensions of a certificate.
fn extensions(der: &[u8]) -> Option<Der<'_>> {
    let mut signed = Der::new(der).sequence()?.sequence()?;
    while !signed.is_empty() {
        match signed.take(CONSTRUCTED_3) {
            Some(extensions) => return Der::new(extensions).sequence(),
            None => drop(signed.any()?),
        }
    }
    None
}

/// The names of a certificate, in lower case.
fn own_names(der: &[u8]) -> Option<Vec<String>> {
    let mut signed = Der::new(der).sequence()?.sequence()?;
    if signed.peek() == Some(0xa0) {
        signed.any()?; // version
    }
    signed.any()?; // serial number
    signed.any()?; // signature algorithm
    signed.any()?; // issuer
    signed.any()?; // validity
    let subject = signed.sequence()?;
    signed.any()?; // public key
    let mut alternative = Vec::new();
    while !signed.is_empty() {
        match signed.take(CONSTRUCTED_3) {
            Some(extensions) => alternative = alternative_names(Der::new(extensions).sequence()?)?,
            None => drop(signed.any()?),
        }
    }
    if alternative.is_empty() { common_names(subject) } else { Some(alternative) }
}

fn alternative_names(mut extensions: Der<'_>) -> Option<Vec<String>> {
    let mut names = Vec::new();
    while !extensions.is_empty() {
        let mut extension = extensions.sequence()?;
        if extension.take(OBJECT)? != ALTERNATIVE_NAME {
            continue;
        }
        // Whether it is critical may stand before its value.
        let value = extension.take(OCTET_STRING).or_else(|| {
            extension.any()?;
            extension.take(OCTET_STRING)
        })?;
        let mut all = Der::new(value).sequence()?;
        while !all.is_empty() {
            match all.take(HOST_NAME) {
                Some(name) => names.push(text(name)?),
                None => drop(all.any()?),
            }
        }
    }
    Some(names)
}

fn common_names(mut subject: Der<'_>) -> Option<Vec<String>> {
    const SET: u8 = 0x31;
    let mut names = Vec::new();
    while !subject.is_empty() {
        let mut pair = Der::new(subject.take(SET)?).sequence()?;
        if pair.take(OBJECT)? == COMMON_NAME {
            names.push(text(pair.any()?)?);
        }
    }
    Some(names)
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests;
