//! Key pairs that samples are signed with.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_config::provider::{Algorithm, Hash};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair,
    },
};
use zeroize::Zeroizing;

/// A private key with its public one.
#[derive(Debug)]
pub struct KeyPair(Material);

#[derive(Debug)]
enum Material {
    Ed25519(Ed25519KeyPair),
    /// For signatures written as DER, and as two numbers.
    P256(Box<(EcdsaKeyPair, EcdsaKeyPair)>),
    Rsa(Box<RsaKeyPair>),
}

/// Which keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairKind {
    /// Ed25519.
    Ed25519,
    /// ECDSA on P-256.
    P256,
    /// RSA.
    Rsa,
}

/// Why a text is no private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// It is no PEM of a private key.
    #[error("is no private key in PEM (-----BEGIN PRIVATE KEY-----)")]
    NotPem,
    /// It is in a form of its own.
    #[error("is not in PKCS #8; convert it: openssl pkcs8 -topk8 -nodes -in OLD.pem -out NEW.pem")]
    NotPkcs8,
    /// It is of another kind, or damaged.
    #[error("is no private key of Ed25519, P-256 or RSA (2048 to 4096 bits), or not a whole one")]
    Unknown,
    /// Such keys are not made here.
    #[error(
        "can't be made here; make it: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out KEY.pem, and its \
         public key: openssl pkey -in KEY.pem -pubout"
    )]
    NotMade,
}

/// PKCS #8 of an Ed25519 seed, up to the seed.
const ED25519_PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// SPKI of an Ed25519 key, up to the key.
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
/// SPKI of a point on P-256, up to the point.
const P256_SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7, 3,
    0x42, 0,
];
/// Characters of a line of PEM.
const PEM_LINE: usize = 64;

impl PairKind {
    /// The keys that sign so.
    ///
    /// # Errors
    /// In words, when nothing here does.
    pub const fn of(algorithm: Algorithm) -> Result<Self, &'static str> {
        match algorithm {
            Algorithm::Ed25519 => Ok(Self::Ed25519),
            Algorithm::EcdsaDer | Algorithm::EcdsaRaw => Ok(Self::P256),
            Algorithm::Rsa(Hash::Sha256 | Hash::Sha512) => Ok(Self::Rsa),
            Algorithm::Rsa(Hash::Sha1) => Err("RSA with SHA-1"),
            Algorithm::Rsa(_) => Err("RSA with another hash"),
        }
    }

    /// How people call it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::P256 => "ECDSA on P-256",
            Self::Rsa => "RSA",
        }
    }

    /// A fresh private key, as PEM.
    ///
    /// # Errors
    /// For RSA, and when no random numbers are to be had.
    pub fn fresh(self) -> Result<Zeroizing<String>, PairError> {
        let random = SystemRandom::new();
        let der = match self {
            Self::Ed25519 => {
                let seed = ring::rand::generate::<[u8; 32]>(&random).map_err(|_| PairError::NotMade)?.expose();
                [&ED25519_PKCS8[..], &seed].concat()
            }
            Self::P256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
                .map_err(|_| PairError::NotMade)?
                .as_ref()
                .to_vec(),
            Self::Rsa => return Err(PairError::NotMade),
        };
        Ok(pem("PRIVATE KEY", &der).into())
    }
}

impl KeyPair {
    /// Reads a private key from its PEM.
    ///
    /// # Errors
    /// When it is none that signs here.
    pub fn read(text: &[u8]) -> Result<Self, PairError> {
        let text = std::str::from_utf8(text).map_err(|_| PairError::NotPem)?;
        let (_, rest) = text.split_once("-----BEGIN ").ok_or(PairError::NotPem)?;
        let (label, rest) = rest.split_once("-----").ok_or(PairError::NotPem)?;
        let (body, _) = rest.split_once("-----END ").ok_or(PairError::NotPem)?;
        let body: Zeroizing<String> = body.chars().filter(|c| !c.is_ascii_whitespace()).collect::<String>().into();
        let der = Zeroizing::new(STANDARD.decode(body.as_bytes()).map_err(|_| PairError::NotPem)?);
        let material = match label {
            "PRIVATE KEY" => pkcs8(&der),
            "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der).ok().map(|key| Material::Rsa(key.into())),
            "EC PRIVATE KEY" => return Err(PairError::NotPkcs8),
            _ => return Err(PairError::NotPem),
        };
        material.map(Self).ok_or(PairError::Unknown)
    }

    /// Its kind.
    pub const fn kind(&self) -> PairKind {
        match self.0 {
            Material::Ed25519(_) => PairKind::Ed25519,
            Material::P256(_) => PairKind::P256,
            Material::Rsa(_) => PairKind::Rsa,
        }
    }

    /// The public key, as PEM: what an integration has as its secret.
    pub fn public_pem(&self) -> String {
        match &self.0 {
            Material::Ed25519(key) => pem("PUBLIC KEY", &[&ED25519_SPKI[..], key.public_key().as_ref()].concat()),
            Material::P256(keys) => pem("PUBLIC KEY", &[&P256_SPKI[..], keys.0.public_key().as_ref()].concat()),
            Material::Rsa(key) => pem("RSA PUBLIC KEY", key.public_key().as_ref()),
        }
    }

    /// A signature; none when the key is not for that.
    pub(crate) fn sign(&self, algorithm: Algorithm, text: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        let by_rsa = |key: &RsaKeyPair, encoding: &'static dyn RsaEncoding| {
            let mut signature = vec![0; key.public().modulus_len()];
            key.sign(encoding, &random, text, &mut signature).ok()?;
            Some(signature)
        };
        match (&self.0, algorithm) {
            (Material::Ed25519(key), Algorithm::Ed25519) => Some(key.sign(text).as_ref().to_vec()),
            (Material::P256(keys), Algorithm::EcdsaDer) => Some(keys.0.sign(&random, text).ok()?.as_ref().to_vec()),
            (Material::P256(keys), Algorithm::EcdsaRaw) => Some(keys.1.sign(&random, text).ok()?.as_ref().to_vec()),
            (Material::Rsa(key), Algorithm::Rsa(Hash::Sha256)) => by_rsa(key, &RSA_PKCS1_SHA256),
            (Material::Rsa(key), Algorithm::Rsa(Hash::Sha512)) => by_rsa(key, &RSA_PKCS1_SHA512),
            _ => None,
        }
    }
}

fn pkcs8(der: &[u8]) -> Option<Material> {
    let random = SystemRandom::new();
    if let Ok(key) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
        return Some(Material::Ed25519(key));
    }
    let by = |algorithm| EcdsaKeyPair::from_pkcs8(algorithm, der, &random).ok();
    if let Some((asn1, fixed)) = by(&ECDSA_P256_SHA256_ASN1_SIGNING).zip(by(&ECDSA_P256_SHA256_FIXED_SIGNING)) {
        return Some(Material::P256(Box::new((asn1, fixed))));
    }
    RsaKeyPair::from_pkcs8(der).ok().map(|key| Material::Rsa(key.into()))
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = Zeroizing::new(STANDARD.encode(der));
    let mut lines = String::new();
    for (n, c) in text.chars().enumerate() {
        if n > 0 && n.is_multiple_of(PEM_LINE) {
            lines.push('\n');
        }
        lines.push(c);
    }
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}
