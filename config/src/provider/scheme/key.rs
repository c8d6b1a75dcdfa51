//! From a secret's text to the key it stands for.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::Secret;

/// How a key is made from a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Text removed from the start of the secret, where it stands there (`whsec_`).
    pub strip_prefix: Option<String>,
    /// How the rest is written.
    pub form: KeyForm,
    /// Text added to the end (`&`).
    pub suffix: String,
}

/// How a secret is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyForm {
    /// Its bytes are the key.
    Utf8,
    /// Base64 of the key.
    Base64,
    /// Hexadecimal of the key.
    Hex,
    /// The key is the 20 bytes of its SHA-1.
    Sha1,
    /// The key is the 32 bytes of its SHA-256.
    Sha256,
    /// The key is its text in Unicode's normal form NFKD.
    Nfkd,
}

/// Standard base64 with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a secret's text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not base64.
    #[error("is not base64")]
    Base64,
    /// It is not hexadecimal.
    #[error("is not hexadecimal")]
    Hex,
    /// It is not UTF-8.
    #[error("is not UTF-8")]
    Text,
}

impl From<KeyForm> for Key {
    fn from(form: KeyForm) -> Self {
        Self { strip_prefix: None, form, suffix: String::new() }
    }
}

impl Key {
    /// The bytes of the key that a secret stands for.
    ///
    /// # Errors
    /// When the secret is not written as the provider writes its own.
    pub fn bytes(&self, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let text = secret.expose();
        let prefix = self.strip_prefix.as_deref().unwrap_or_default();
        let text = text.strip_prefix(prefix.as_bytes()).unwrap_or(text);
        let mut key = match self.form {
            KeyForm::Utf8 => text.to_vec().into(),
            KeyForm::Base64 => base64(text)?,
            KeyForm::Hex => hex(text).ok_or(KeyError::Hex)?,
            KeyForm::Sha1 => digest(&SHA1_FOR_LEGACY_USE_ONLY, text),
            KeyForm::Sha256 => digest(&SHA256, text),
            KeyForm::Nfkd => nfkd(text)?,
        };
        if !key.is_empty() {
            key.extend_from_slice(self.suffix.as_bytes());
        }
        Ok(key)
    }
}

/// Decodes standard base64, padded or not.
pub(crate) fn base64(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    BASE64.decode(text).map(Zeroizing::new).map_err(|_| KeyError::Base64)
}

fn hex(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |c: &u8| char::from(*c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.chunks_exact(2).map(|pair| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    });
    pairs.collect::<Option<Vec<u8>>>().map(Zeroizing::new)
}

fn digest(algorithm: &'static Algorithm, text: &[u8]) -> Zeroizing<Vec<u8>> {
    if text.is_empty() {
        return Zeroizing::default();
    }
    Zeroizing::new(ring::digest::digest(algorithm, text).as_ref().to_vec())
}

fn nfkd(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let text = std::str::from_utf8(text).map_err(|_| KeyError::Text)?;
    let mut normal = Zeroizing::new(Vec::with_capacity(text.len()));
    for c in text.nfkd() {
        normal.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Ok(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(form: KeyForm, strip_prefix: Option<&str>, secret: &str) -> Result<Vec<u8>, KeyError> {
        let key = Key { strip_prefix: strip_prefix.map(str::to_owned), ..form.into() };
        key.bytes(&Secret::new(secret.as_bytes().to_vec(), "a test")).map(|bytes| bytes.to_vec())
    }

    #[test]
    fn a_key_is_what_the_provider_makes_of_its_secret() {
        assert_eq!(key(KeyForm::Utf8, None, "whsec_YQ=="), Ok(b"whsec_YQ==".to_vec()));
        for padded in ["whsec_YQ==", "whsec_YQ", "YQ=="] {
            assert_eq!(key(KeyForm::Base64, Some("whsec_"), padded), Ok(b"a".to_vec()), "{padded}");
        }
        assert_eq!(key(KeyForm::Base64, None, "whsec_YQ=="), Err(KeyError::Base64));
        assert_eq!(key(KeyForm::Base64, None, "YR=="), Err(KeyError::Base64), "bits beyond the last byte");
        assert_eq!(key(KeyForm::Hex, None, "00fFa0"), Ok(vec![0, 255, 160]));
        for bad in ["0", "0g", "+1"] {
            assert_eq!(key(KeyForm::Hex, None, bad), Err(KeyError::Hex), "{bad}");
        }
    }

    #[test]
    fn the_odd_forms_of_keys_are_those_that_other_programs_compute() {
        // printf 'integration_private_key' | openssl dgst -sha1
        let sha1 = key(KeyForm::Sha1, None, "integration_private_key").expect("a key");
        let hex: String = sha1.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "595532c81f425988ef0d0cdea466625e8723d60a");
        // printf 'integration_private_key' | openssl dgst -sha256
        let sha256 = key(KeyForm::Sha256, None, "integration_private_key").expect("a key");
        let hex: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "eb46a248d1307e4f85d37def28d5aa98d100b097375bd8e03625e46d5efdc1b3");
        // unicodedata.normalize("NFKD", "\ufb01ne-\u00e9-\u2460") of Python 3
        assert_eq!(key(KeyForm::Nfkd, None, "\u{fb01}ne-\u{e9}-\u{2460}"), Ok("fine-e\u{301}-1".into()));
        let secret = Secret::new(b"client secret".to_vec(), "a test");
        let suffixed = Key { suffix: "&".into(), ..KeyForm::Utf8.into() };
        assert_eq!(suffixed.bytes(&secret).map(|bytes| bytes.to_vec()), Ok(b"client secret&".to_vec()));
        for form in [KeyForm::Utf8, KeyForm::Sha1, KeyForm::Sha256, KeyForm::Nfkd] {
            let key = Key { suffix: "&".into(), ..form.into() };
            let empty = key.bytes(&Secret::new(Vec::new(), "a test")).map(|bytes| bytes.len());
            assert_eq!(empty, Ok(0), "an empty secret makes no key");
        }
    }
}
