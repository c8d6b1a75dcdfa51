//! Public keys, in every form that providers show them.

use std::{collections::BTreeMap, str};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use gatepost_config::{Timestamp, provider::Algorithm, provider::Hash};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

use super::{
    certificate::Chain,
    der::{Der, OBJECT, TIME, UTC_TIME},
    encoding,
};

/// Most keys of one secret.
const KEYS_MAX: usize = 64;

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicKey {
    /// Its id, where it has one.
    pub(super) id: Option<String>,
    material: Material,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    Ed25519(Vec<u8>),
    /// An uncompressed point.
    P256(Vec<u8>),
    /// Modulus and exponent, without leading zeros.
    Rsa(Vec<u8>, Vec<u8>),
}

/// A key or a set of them, as JSON.
#[derive(Deserialize)]
#[serde(untagged)]
enum Jwks {
    Set {
        keys: Vec<serde_json::Value>,
    },
    One(Jwk),
    /// PEM by the key's id, as Google shows certificates.
    Named(BTreeMap<String, String>),
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl PublicKey {
    /// The keys that a secret's text stands for; none when it is no public key. A certificate counts only while it is
    /// valid.
    pub(super) fn read(text: &[u8], now: Timestamp) -> Vec<Self> {
        let text = text.trim_ascii();
        if text.starts_with(b"{") {
            return jwks(text, now);
        }
        let bare = |material| vec![Self { id: None, material }];
        material(text, now).map(bare).unwrap_or_default()
    }

    /// What people call its kind.
    pub(super) const fn kind(&self) -> &'static str {
        match self.material {
            Material::Ed25519(_) => "Ed25519",
            Material::P256(_) => "P-256",
            Material::Rsa(..) => "RSA",
        }
    }

    /// Whether this key made a signature.
    pub(super) fn verifies(&self, algorithm: Algorithm, text: &[u8], signature: &[u8]) -> bool {
        let by = |algorithm: &'static dyn signature::VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key).verify(text, signature).is_ok()
        };
        match (&self.material, algorithm) {
            (Material::Ed25519(key), Algorithm::Ed25519) => by(&signature::ED25519, key),
            (Material::P256(point), Algorithm::EcdsaDer) => by(&signature::ECDSA_P256_SHA256_ASN1, point),
            (Material::P256(point), Algorithm::EcdsaRaw) => by(&signature::ECDSA_P256_SHA256_FIXED, point),
            (Material::Rsa(n, e), Algorithm::Rsa(hash)) => {
                let parameters = match hash {
                    Hash::Sha1 => &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
                    Hash::Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
                    Hash::Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
                    Hash::Md5 => return false,
                };
                RsaPublicKeyComponents { n, e }.verify(parameters, text, signature).is_ok()
            }
            _ => false,
        }
    }
}

/// Whether a text holds a public key that may be used now.
pub(crate) fn has_public_key(text: &[u8], now: Timestamp) -> bool {
    !PublicKey::read(text, now).is_empty()
}

/// Whether a text is a key document at all, though its certificate may be out of date.
pub(crate) fn holds_a_key(text: &[u8], now: Timestamp) -> bool {
    has_public_key(text, now) || Chain::from_pem(text).is_some()
}

fn material(text: &[u8], now: Timestamp) -> Option<Material> {
    if let Some(at) = find(text, b"-----BEGIN ") {
        return pem(text.get(at..)?, now);
    }
    if let Some(bytes) = Some(text).filter(|text| text.len() == 64).and_then(encoding::from_hex) {
        return raw(bytes);
    }
    let unspaced: Vec<u8> = text.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    let unpadded = unspaced.trim_ascii_end();
    let decoded = STANDARD.decode(unpadded).or_else(|_| STANDARD_NO_PAD.decode(unpadded)).ok()?;
    match decoded.as_slice() {
        [b'-', b'-', ..] => pem(&decoded, now),
        [super::der::SEQUENCE, ..] if decoded.len() > 40 => spki(&decoded),
        _ => raw(decoded),
    }
}

fn raw(bytes: Vec<u8>) -> Option<Material> {
    match (bytes.len(), bytes.first()) {
        (32, _) => Some(Material::Ed25519(bytes)),
        (65, Some(4)) => Some(Material::P256(bytes)),
        _ => None,
    }
}

/// The first block of a PEM text.
fn pem(text: &[u8], now: Timestamp) -> Option<Material> {
    // Settings often keep a key on one line, its line ends written out.
    let text = str::from_utf8(text).ok()?.replace("\\n", "\n");
    let (label, rest) = text.strip_prefix("-----BEGIN ")?.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let der = STANDARD.decode(body).ok()?;
    match label {
        "PUBLIC KEY" => spki(&der),
        "RSA PUBLIC KEY" => rsa(&der),
        "CERTIFICATE" => certificate(&der, now),
        _ => None,
    }
}

const RSA_OBJECT: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC_OBJECT: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256_OBJECT: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const ED25519_OBJECT: &[u8] = &[0x2b, 0x65, 0x70];

/// A key with the name of its algorithm (RFC 5280, SubjectPublicKeyInfo).
fn spki(der: &[u8]) -> Option<Material> {
    let mut whole = Der::new(der);
    let key = spki_in(&mut whole)?;
    whole.is_empty().then_some(key)
}

fn spki_in(der: &mut Der<'_>) -> Option<Material> {
    let mut info = der.sequence()?;
    let mut algorithm = info.sequence()?;
    let object = algorithm.take(OBJECT)?;
    let bits = info.bits()?;
    match object {
        RSA_OBJECT => rsa(bits),
        ED25519_OBJECT if bits.len() == 32 => Some(Material::Ed25519(bits.to_vec())),
        EC_OBJECT if algorithm.take(OBJECT)? == P256_OBJECT && bits.first() == Some(&4) && bits.len() == 65 => {
            Some(Material::P256(bits.to_vec()))
        }
        _ => None,
    }
}

fn rsa(der: &[u8]) -> Option<Material> {
    let mut whole = Der::new(der);
    let mut numbers = whole.sequence()?;
    let (n, e) = (numbers.number()?, numbers.number()?);
    (numbers.is_empty() && whole.is_empty()).then(|| Material::Rsa(n.to_vec(), e.to_vec()))
}

/// The key of a certificate that is valid now (RFC 5280). Who issued it is not looked at: it came from the operator, or
/// over TLS from the provider's own host.
fn certificate(der: &[u8], now: Timestamp) -> Option<Material> {
    let mut whole = Der::new(der);
    let mut signed = whole.sequence()?.sequence()?;
    if signed.peek() == Some(0xa0) {
        signed.any()?; // version
    }
    signed.any()?; // serial number
    signed.any()?; // signature algorithm
    signed.any()?; // issuer
    let mut validity = signed.sequence()?;
    let (from, until) = (time(&mut validity)?, time(&mut validity)?);
    signed.any()?; // subject
    let key = spki_in(&mut signed)?;
    (from <= now && now <= until).then_some(key)
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`
fn time(der: &mut Der<'_>) -> Option<Timestamp> {
    let text = match der.peek()? {
        UTC_TIME => {
            let text = str::from_utf8(der.any()?).ok()?;
            let century = if text.get(..2)?.parse::<u8>().ok()? >= 50 { "19" } else { "20" };
            format!("{century}{text}")
        }
        TIME => str::from_utf8(der.any()?).ok()?.to_owned(),
        _ => return None,
    };
    let part = |from: usize, to: usize| text.get(from..to);
    let date = format!("{}-{}-{}", part(0, 4)?, part(4, 6)?, part(6, 8)?);
    format!("{date}T{}:{}:{}{}", part(8, 10)?, part(10, 12)?, part(12, 14)?, part(14, text.len())?).parse().ok()
}

fn jwks(text: &[u8], now: Timestamp) -> Vec<PublicKey> {
    match serde_json::from_slice(text) {
        Ok(Jwks::Set { keys }) => {
            // A key of a kind that nobody knows here doesn't spoil the others.
            let known = keys.into_iter().take(KEYS_MAX).filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
            known.filter_map(|key| jwk(&key)).collect()
        }
        Ok(Jwks::One(key)) => jwk(&key).into_iter().collect(),
        Ok(Jwks::Named(keys)) => {
            let named = keys.into_iter().take(KEYS_MAX);
            let read = named.filter_map(|(id, text)| Some((id, pem(text.trim().as_bytes(), now)?)));
            read.map(|(id, material)| PublicKey { id: Some(id), material }).collect()
        }
        Err(_) => Vec::new(),
    }
}

fn jwk(key: &Jwk) -> Option<PublicKey> {
    let number = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?.trim_end_matches('=')).ok();
    if key.usage.as_deref().is_some_and(|usage| usage != "sig") {
        return None;
    }
    let material = match (key.kty.as_str(), key.crv.as_deref()) {
        ("RSA", _) => {
            let stripped = |bytes: Vec<u8>| bytes.into_iter().skip_while(|byte| *byte == 0).collect();
            Material::Rsa(stripped(number(&key.n)?), stripped(number(&key.e)?))
        }
        ("EC", Some("P-256")) => {
            let (x, y) = (number(&key.x)?, number(&key.y)?);
            let point = [vec![4], x, y].concat();
            (point.len() == 65).then_some(Material::P256(point))?
        }
        ("OKP", Some("Ed25519")) => Material::Ed25519(number(&key.x).filter(|key| key.len() == 32)?),
        _ => return None,
    };
    Some(PublicKey { id: key.kid.clone(), material })
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
