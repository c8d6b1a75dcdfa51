//! Certificates that a token brings along, as Apple's do.

use std::{fmt, str::FromStr};

/// What the chain of certificates in a token's head must be. It leads to a root that is the secret; the first signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenChain {
    /// An extension that the first certificate must have: anybody can get certificates under the same root.
    pub leaf: ObjectId,
    /// An extension that its issuer must have.
    pub issuer: ObjectId,
}

/// The name of a thing in certificates: `1.2.840.113635.100.6.11.1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectId(Vec<u32>);

impl ObjectId {
    /// As certificates write it.
    pub fn to_der(&self) -> Vec<u8> {
        let (first, rest) = match self.0.as_slice() {
            [one, two, rest @ ..] => (one.saturating_mul(40).saturating_add(*two), rest),
            _ => return Vec::new(),
        };
        std::iter::once(&first).chain(rest).flat_map(|number| base_128(*number)).collect()
    }
}

/// Seven bits a byte, the highest first; all but the last are marked.
fn base_128(number: u32) -> Vec<u8> {
    let byte = |shift: u32| u8::try_from((number >> shift) & 0x7f).unwrap_or_default();
    let high = [28, 21, 14, 7].into_iter().filter(|shift| number >> shift != 0).map(|shift| byte(shift) | 0x80);
    high.chain([byte(0)]).collect()
}

impl FromStr for ObjectId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
        match numbers {
            Some(numbers) if matches!(numbers.as_slice(), [0..=2, 0..=39, _, ..]) => Ok(Self(numbers)),
            _ => Err(format!("is {text:?}, which is no object identifier")),
        }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_written_as_other_programs_write_it() {
        // openssl asn1parse -genstr OID:1.2.840.113635.100.6.11.1 -noout -out - | xxd
        let apple: ObjectId = "1.2.840.113635.100.6.11.1".parse().expect("an object");
        assert_eq!(apple.to_der(), [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x63, 0x64, 0x06, 0x0b, 0x01]);
        assert_eq!(apple.to_string(), "1.2.840.113635.100.6.11.1");
        for bad in ["", "1", "1.2", "3.1.1", "1.40.1", "1.2.x", "1.2.-3", "1..2"] {
            assert!(bad.parse::<ObjectId>().is_err(), "{bad}");
        }
    }
}
