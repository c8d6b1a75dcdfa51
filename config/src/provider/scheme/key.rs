//! From a secret's text to the key it stands for.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use super::{Key, KeyForm};
use crate::Secret;

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
        match self.form {
            KeyForm::Utf8 => Ok(text.to_vec().into()),
            KeyForm::Base64 => base64(text),
            KeyForm::Hex => hex(text).ok_or(KeyError::Hex),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(form: KeyForm, strip_prefix: Option<&str>, secret: &str) -> Result<Vec<u8>, KeyError> {
        let key = Key { strip_prefix: strip_prefix.map(str::to_owned), form };
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
}
