//! Keyed and plain hashes over a text that comes in pieces.

use gatepost_config::provider::Hash;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// Whether the key is the hash's, or part of the hashed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keying {
    /// HMAC.
    Keyed,
    /// A plain hash; the key stands where the text says so.
    Plain,
}

/// A hash under way.
pub(crate) struct Hasher(State);

macro_rules! states {
    ($($hash:ident $keyed:ident $plain:ident)*) => {
        enum State {$(
            $keyed(Hmac<$hash>),
            $plain($hash),
        )*}

        impl Hasher {
            /// Begins; `None` when the key can't be used.
            pub(crate) fn new(keying: Keying, hash: Hash, key: &[u8]) -> Option<Self> {
                let state = match (keying, hash) {$(
                    (Keying::Keyed, Hash::$hash) => State::$keyed(Hmac::new_from_slice(key).ok()?),
                    (Keying::Plain, Hash::$hash) => State::$plain($hash::new()),
                )*};
                Some(Self(state))
            }

            /// Takes a piece.
            pub(crate) fn update(&mut self, bytes: &[u8]) {
                match &mut self.0 {$(
                    State::$keyed(mac) => mac.update(bytes),
                    State::$plain(hash) => Digest::update(hash, bytes),
                )*}
            }

            /// The tag.
            pub(crate) fn finish(self) -> Vec<u8> {
                match self.0 {$(
                    State::$keyed(mac) => mac.finalize().into_bytes().to_vec(),
                    State::$plain(hash) => hash.finalize().to_vec(),
                )*}
            }
        }
    };
}

states! {
    Md5 KeyedMd5 PlainMd5
    Sha1 KeyedSha1 PlainSha1
    Sha256 KeyedSha256 PlainSha256
    Sha512 KeyedSha512 PlainSha512
}

/// Bytes of a whole tag.
pub(crate) const fn tag_bytes(hash: Hash) -> usize {
    match hash {
        Hash::Md5 => 16,
        Hash::Sha1 => 20,
        Hash::Sha256 => 32,
        Hash::Sha512 => 64,
    }
}

/// CRC-32 as zip and PNG compute it.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| crc >> 1 ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1));
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::hex;

    fn tag(keying: Keying, hash: Hash) -> String {
        let mut hasher = Hasher::new(keying, hash, b"key").expect("a key");
        for piece in ["The quick brown fox ", "jumps over the lazy dog"] {
            hasher.update(piece.as_bytes());
        }
        let tag = hasher.finish();
        assert_eq!(tag.len(), tag_bytes(hash));
        hex(&tag)
    }

    /// printf '%s' TEXT | openssl dgst -HASH [-hmac key]
    #[test]
    fn every_hash_makes_the_tags_that_openssl_makes() {
        for (keying, hash, expected) in [
            (Keying::Keyed, Hash::Md5, "80070713463e7749b90c2dc24911e275"),
            (Keying::Keyed, Hash::Sha1, "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9"),
            (Keying::Keyed, Hash::Sha256, "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"),
            (Keying::Plain, Hash::Md5, "9e107d9d372bb6826bd81d3542a419d6"),
            (Keying::Plain, Hash::Sha1, "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"),
            (Keying::Plain, Hash::Sha256, "d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592"),
        ] {
            assert_eq!(tag(keying, hash), expected, "{keying:?} {hash:?}");
        }
        assert!(tag(Keying::Keyed, Hash::Sha512).starts_with("b42af09057bac1e2d41708e48a902e09b5ff7f12ab428a4f"));
        assert!(tag(Keying::Plain, Hash::Sha512).starts_with("07e547d9586f6a73f73fbac0435ed76951218fb7d0c8d788"));
    }

    /// python3 -c 'import zlib; print(zlib.crc32(b"123456789"))'
    #[test]
    fn a_crc_is_the_one_of_zip() {
        assert_eq!(crc32(b"123456789"), 3_421_780_262);
        assert_eq!(crc32(b""), 0);
    }
}
