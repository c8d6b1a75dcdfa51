//! Ids that Gatepost makes: `evt_`, `req_`, `dlv_` and 26 characters of lower-case Crockford base32.

use std::{fmt, str::FromStr};

use gatepost_config::{Timestamp, id::parsed};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::EventRef;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What each byte of [`ALPHABET`] stands for; for all others [`NO_VALUE`].
static VALUES: [u8; 256] = values();

/// Has bits that no value has.
const NO_VALUE: u8 = 0xff;

/// Characters of an id after its prefix.
pub const ID_CHARS: usize = 26;

/// Characters of an id's prefix.
const PREFIX_CHARS: usize = 4;

/// 130 bits as text; also the token that stands for a user-chosen id in a subject.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token([u8; ID_CHARS]);

/// A text that is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not an id of the form {prefix} and 26 characters of 0-9 a-z without i l o u")]
pub struct NotAnId {
    prefix: &'static str,
}

impl Token {
    /// The first 130 bits of SHA-256 over the parts, each with its length as u64 big-endian before it.
    pub fn hash(parts: &[&[u8]]) -> Self {
        let mut sha = Sha256::new();
        for part in parts {
            sha.update((part.len() as u64).to_be_bytes());
            sha.update(part);
        }
        let digest = sha.finalize();
        let (head, tail) = digest.split_at(16);
        let high = u128::from_be_bytes(head.try_into().unwrap_or_default());
        let low = tail.first().copied().unwrap_or_default() >> 6;
        Self::from_bits(high, low)
    }

    /// A UUIDv7 as a 128-bit number with two zero bits before it, so that text order is time order.
    fn uuid_v7(now: Timestamp, noise: u128) -> Self {
        let millis = u128::from(now.millis().unsigned_abs()) & ((1 << 48) - 1);
        let rand_a = (noise >> 64) & 0xfff;
        let rand_b = noise & ((1 << 62) - 1);
        let uuid = (millis << 80) | (0x7 << 76) | (rand_a << 64) | (0b10 << 62) | rand_b;
        let low = u8::try_from(uuid & 0b11).unwrap_or_default();
        Self::from_bits(uuid >> 2, low)
    }

    /// 128 high bits and 2 low ones.
    fn from_bits(high: u128, low: u8) -> Self {
        let letter = |five: u128| ALPHABET.get(usize::try_from(five & 31).unwrap_or_default()).copied();
        let mut text = [b'0'; ID_CHARS];
        // From the end, so that every shift is by as many bits: the last character ends with the two low ones.
        let mut rest = high >> 3;
        let mut five = ((high & 7) << 2) | u128::from(low & 3);
        for slot in text.iter_mut().rev() {
            *slot = letter(five).unwrap_or(b'0');
            five = rest;
            rest >>= 5;
        }
        Self(text)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// A number for spreading over partitions or shards: the token's first 60 bits.
    pub fn spread(&self, over: u16) -> u16 {
        let bits = self.0.iter().take(12).fold(0_u64, |bits, c| (bits << 5) | u64::from(value(*c) & 31));
        u16::try_from(bits % u64::from(over.max(1))).unwrap_or_default()
    }
}

/// What a byte stands for.
fn value(byte: u8) -> u8 {
    VALUES.get(usize::from(byte)).copied().unwrap_or(NO_VALUE)
}

#[expect(clippy::indexing_slicing, reason = "the compiler works it out, and refuses a place that isn't there")]
const fn values() -> [u8; 256] {
    let (mut values, mut value) = ([NO_VALUE; 256], 0_u8);
    while (value as usize) < ALPHABET.len() {
        values[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    values
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        parsed(from)
    }
}

impl FromStr for Token {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let bytes: [u8; ID_CHARS] = text.as_bytes().try_into().map_err(|_| NotAnId { prefix: "" })?;
        // All of them, without asking after each: ids are read by the dozen for each delivery.
        match bytes.iter().fold(0, |bits, byte| bits | value(*byte)) {
            0..32 => Ok(Self(bytes)),
            _ => Err(NotAnId { prefix: "" }),
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Token);

        impl $name {
            /// What the text starts with.
            pub const PREFIX: &str = $prefix;

            /// A fresh one, a UUIDv7: later ones sort after earlier ones.
            pub fn fresh(now: Timestamp) -> Self {
                Self(Token::uuid_v7(now, rand::random()))
            }

            /// At or below every one that was made at or after a time, and above every one that was made before it; where
            /// they are made of times, as [`Self::fresh`] ones are.
            pub fn first_at(time: Timestamp) -> Self {
                Self(Token::uuid_v7(Timestamp::from_millis(time.millis().max(0)), 0))
            }

            /// The 26 characters after the prefix.
            pub const fn token(&self) -> &Token {
                &self.0
            }

            /// Gives the whole text away at once: what is written in two parts is a text that grows twice.
            fn written<T>(&self, to: impl FnOnce(&str) -> T) -> T {
                const { assert!(Self::PREFIX.len() == PREFIX_CHARS) };
                let mut text = [0; PREFIX_CHARS + ID_CHARS];
                for (slot, byte) in text.iter_mut().zip(Self::PREFIX.bytes().chain(self.0.0)) {
                    *slot = byte;
                }
                to(std::str::from_utf8(&text).unwrap_or_default())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.written(|text| f.write_str(text))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let token = text.strip_prefix($prefix).and_then(|rest| rest.parse().ok());
                token.map(Self).ok_or(NotAnId { prefix: $prefix })
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let schema = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::Type::String);
                schema.pattern(Some(concat!("^", $prefix, "[0-9a-hjkmnp-tv-z]{26}$"))).into()
            }
        }

        impl utoipa::ToSchema for $name {}

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                self.written(|text| to.serialize_str(text))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                parsed(from)
            }
        }
    )*};
}

ids! {
    /// One event, for ever: deterministic where the provider gives an id, so that a repeat is recognised.
    EventId "evt_"
    /// One request to the gateway.
    RequestId "req_"
    /// One delivery: one event owed to one destination.
    DeliveryId "dlv_"
    /// One replay: deliveries that an operator asked for once more.
    ReplayId "rpl_"
    /// One key of the API; the key is this, a dot and its secret part.
    KeyId "gpk_"
    /// One line of the audit log.
    ActId "act_"
    /// One release: refused requests that an operator asked to be verified again.
    ReleaseId "rls_"
    /// One heal: what a provider could not deliver, had from it later.
    HealId "hea_"
    /// One erasure: all that is stored of a connection or tenant.
    ErasureId "ers_"
}

impl DeliveryId {
    /// The id of an event's delivery to a destination, or, for one that dies in routing, by a route: the same however
    /// often the stored event is routed, so that a repeat after a crash is recognised. A UUIDv7 of the event's arrival.
    pub fn of(event: &EventRef, whereto: &str) -> Self {
        let place = [event.partition.into(), event.sequence].map(u64::to_be_bytes).concat();
        let digest = Sha256::digest([event.id.to_string().as_bytes(), &place, whereto.as_bytes()].concat());
        let noise = digest.first_chunk().map_or(0, |head| u128::from_be_bytes(*head));
        Self(Token::uuid_v7(event.received_at, noise))
    }
}

impl EventId {
    /// The id of an event that the provider named.
    ///
    /// `connection` is the connection's id, or `account:<key>` while no connection claims the account;
    /// `discriminator` tells the items of one batch apart.
    pub fn of(integration: &str, connection: &str, provider_event_id: &str, discriminator: Option<&str>) -> Self {
        let [integration, connection, id] = [integration, connection, provider_event_id].map(str::as_bytes);
        Self(match discriminator {
            None => Token::hash(&[integration, connection, id]),
            Some(text) => Token::hash(&[integration, connection, id, text.as_bytes()]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_is_the_same_for_ever() {
        let id = EventId::of("github-app", "acme", "72d3162e-cc78-11e3-81ab-4c9367dc0958", None);
        assert_eq!(id.to_string(), "evt_vq8dnczpjzyge74bfs6h4xrjaq");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn parts_cannot_run_into_each_other() {
        assert_ne!(EventId::of("a", "bc", "d", None), EventId::of("ab", "c", "d", None));
        assert_ne!(EventId::of("a", "b", "c", None), EventId::of("a", "b", "c", Some("")));
    }

    #[test]
    fn the_first_id_of_a_time_parts_those_before_from_those_after() {
        for millis in [1, 1_700_000_000_000, 253_402_300_799_999] {
            let (before, at) = (Timestamp::from_millis(millis - 1), Timestamp::from_millis(millis));
            for _ in 0..100 {
                assert!(DeliveryId::fresh(before) < DeliveryId::first_at(at), "{millis}");
                assert!(DeliveryId::fresh(at) >= DeliveryId::first_at(at), "{millis}");
            }
        }
        let ancient = Timestamp::from_millis(-62_135_596_800_000);
        assert!(DeliveryId::first_at(ancient) <= DeliveryId::fresh(Timestamp::from_millis(0)));
    }

    #[test]
    fn fresh_ids_sort_by_time_and_differ() {
        let early = RequestId::fresh(Timestamp::from_millis(1_000));
        let late = RequestId::fresh(Timestamp::from_millis(2_000));
        assert!(early.to_string() < late.to_string());
        assert_ne!(late, RequestId::fresh(Timestamp::from_millis(2_000)));
        assert_eq!(late.to_string().len(), 30);
    }

    #[test]
    fn a_delivery_keeps_its_id_when_its_event_is_routed_again() {
        let id = EventId::of("github-app", "acme", "1", None);
        let event = EventRef { id, partition: 3, sequence: 7, received_at: Timestamp::from_millis(1_000) };
        let delivery = DeliveryId::of(&event, "backend");
        assert_eq!(delivery, DeliveryId::of(&event, "backend"));
        assert_ne!(delivery, DeliveryId::of(&event, "other"));
        assert_ne!(delivery, DeliveryId::of(&EventRef { sequence: 8, ..event }, "backend"), "stored again");
        assert_ne!(delivery, DeliveryId::of(&EventRef { partition: 4, ..event }, "backend"));
        assert!(delivery.to_string() < DeliveryId::fresh(Timestamp::from_millis(2_000)).to_string());
    }

    #[test]
    fn a_foreign_or_cut_id_is_refused() {
        for bad in [
            "",
            "evt_",
            "req_vq8dnczpjzyge74bfs6h4xrjaq",
            "evt_vq8dnczpjzyge74bfs6h4xrja",
            "evt_VQ8dnczpjzyge74bfs6h4xrjaq",
            "evt_vq8dnczpjzyge74bfs6h4xrjau",
        ] {
            assert!(bad.parse::<EventId>().is_err(), "{bad:?}");
        }
    }
}
