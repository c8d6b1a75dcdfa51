//! Ids that the operator chooses, each its own type so that one can't stand in for another.

use std::{fmt, marker::PhantomData, str::FromStr, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, Visitor},
};

/// The most characters a user-chosen id may have.
pub const ID_CHARS_MAX: usize = 128;

/// What a user-chosen id is, as a regular expression for those who write one through the API: there it is a segment of a
/// path, and `.` and `..` would not be what they are.
pub const ID_PATTERN: &str = "^[A-Za-z0-9_~@:-][A-Za-z0-9._~@:-]{0,127}$";

/// Why a text is not a user-chosen id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing was given.
    #[error("is empty; give 1 to {ID_CHARS_MAX} characters of A-Z a-z 0-9 . _ ~ @ : -")]
    Empty,
    /// More than [`ID_CHARS_MAX`] characters.
    #[error("has {0} characters; at most {ID_CHARS_MAX} are allowed")]
    TooLong(usize),
    /// A character outside the allowed set.
    #[error("contains {0:?}; allowed are A-Z a-z 0-9 . _ ~ @ : -")]
    Character(char),
}

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '@' | ':' | '-');
    if let Some(c) = text.chars().find(|c| !allowed(*c)) {
        return Err(IdError::Character(c));
    }
    match text.len() {
        n if n > ID_CHARS_MAX => Err(IdError::TooLong(n)),
        _ => Ok(()),
    }
}

/// What a text says, read where it stands instead of from a copy: for types that are stored as texts.
///
/// # Errors
/// When there is no text, or it says no such thing.
pub fn parsed<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    struct Text<T>(PhantomData<T>);

    impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    from.deserialize_str(Text(PhantomData))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        ///
        /// 1 to 128 characters of `A-Z a-z 0-9 . _ ~ @ : -`, case kept. Cheap to clone.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                parsed(from)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let schema = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::Type::String);
                schema.pattern(Some(ID_PATTERN)).into()
            }
        }

        impl utoipa::ToSchema for $name {}

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

ids! {
    /// Names a provider as an operator configured it (`github-prod`).
    IntegrationId
    /// Names one customer's linked account, unique within its integration.
    ConnectionId
    /// Names the owner of connections and destinations.
    TenantId
    /// Names a backend.
    DestinationId
    /// Names a rule.
    RouteId
    /// Names what runs syncs.
    SyncEngineId
    /// Names a sync, as its engine knows it.
    SyncName
    /// Names a catalogue entry (`github`).
    ProviderName
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_its_case_and_refuses_what_a_subject_or_path_could_misread() {
        let id: ConnectionId = "Acme.Inc_1~@:-".parse().expect("allowed characters");
        assert_eq!(id.as_str(), "Acme.Inc_1~@:-");
        for (bad, why) in [
            ("", IdError::Empty),
            ("a/b", IdError::Character('/')),
            ("a b", IdError::Character(' ')),
            ("*", IdError::Character('*')),
            ("é", IdError::Character('é')),
        ] {
            assert_eq!(bad.parse::<ConnectionId>(), Err(why), "{bad:?}");
        }
        assert!("x".repeat(128).parse::<ConnectionId>().is_ok());
        assert_eq!("x".repeat(129).parse::<ConnectionId>(), Err(IdError::TooLong(129)));
    }
}
