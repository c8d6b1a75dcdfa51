//! Signature bytes from their text, strictly: one spelling of the bytes, but for the case of hex and base64's padding.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use gatepost_config::provider::Encoding;

/// The bytes that a text stands for; `None` when it is not written so.
pub(crate) fn decode(encoding: Encoding, text: &[u8]) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Hex => from_hex(text),
        Encoding::Base64 if text.ends_with(b"=") => STANDARD.decode(text).ok(),
        Encoding::Base64 => STANDARD_NO_PAD.decode(text).ok(),
        Encoding::Base64Url if text.ends_with(b"=") => URL_SAFE.decode(text).ok(),
        Encoding::Base64Url => URL_SAFE_NO_PAD.decode(text).ok(),
        Encoding::Plain => Some(text.to_vec()),
    }
}

/// The text that stands for some bytes.
pub(crate) fn encode(encoding: Encoding, bytes: &[u8]) -> String {
    match encoding {
        Encoding::Hex => hex(bytes),
        Encoding::Base64 => STANDARD.encode(bytes),
        Encoding::Base64Url => URL_SAFE_NO_PAD.encode(bytes),
        Encoding::Plain => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |four: u8| char::from_digit(u32::from(four), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// The bytes that hexadecimal stands for.
pub(super) fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    // As long as it will be from the start: what ends at the first bad digit says nothing of how long it gets.
    let mut bytes = Vec::with_capacity(pairs.len());
    for [high, low] in pairs {
        bytes.push(digit(*high)? << 4 | digit(*low)?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_listed_spellings_of_the_same_bytes_are_read() {
        for (encoding, text) in [
            (Encoding::Hex, "fb00ff3e"),
            (Encoding::Hex, "FB00ff3E"),
            (Encoding::Base64, "+wD/Pg=="),
            (Encoding::Base64, "+wD/Pg"),
            (Encoding::Base64Url, "-wD_Pg=="),
            (Encoding::Base64Url, "-wD_Pg"),
        ] {
            assert_eq!(decode(encoding, text.as_bytes()), Some(vec![0xfb, 0, 0xff, 0x3e]), "{text}");
        }
        for (encoding, text) in [
            (Encoding::Hex, "fb00ff3"),
            (Encoding::Hex, "fb 00ff3e"),
            (Encoding::Hex, "ｆb00ff3e"),
            (Encoding::Hex, "%66b00ff3e"),
            (Encoding::Hex, "fb00ff3g"),
            (Encoding::Base64, "-wD_Pg=="),
            (Encoding::Base64, "+wD/Pg="),
            (Encoding::Base64, "+wD/Ph=="),
            (Encoding::Base64, "+wD/ Pg=="),
            (Encoding::Base64, "+wD/Pg==\n"),
            (Encoding::Base64, "+wD/Pg==="),
            (Encoding::Base64Url, "+wD/Pg=="),
        ] {
            assert_eq!(decode(encoding, text.as_bytes()), None, "{text}");
        }
    }
}
