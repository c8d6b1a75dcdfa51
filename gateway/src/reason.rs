//! Why a request was refused: a closed set of stable codes, for quarantine and metrics and never for the answer.

use std::fmt;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident $code:literal)*) => {
        /// Why a request was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {$(
            $(#[doc = $doc])+
            $name,
        )*}

        impl Reason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its stable code.
            pub const fn code(self) -> &'static str {
                match self {$(Self::$name => $code,)*}
            }

            /// What it means, as a sentence.
            pub const fn about(self) -> &'static str {
                match self {$(Self::$name => concat!($($doc),+),)*}
            }
        }
    };
}

reasons! {
    /// No signature where the provider puts one, or an empty one.
    SignatureMissing "signature_missing"
    /// The signature stands there more than once.
    SignatureDuplicated "signature_duplicated"
    /// The signature has not the declared form: prefix, alphabet or length.
    SignatureMalformed "signature_malformed"
    /// The signature is over 8,192 bytes long.
    SignatureTooLong "signature_too_long"
    /// The signature holds more than 16 candidates.
    SignatureTooMany "signature_too_many"
    /// No active secret makes this signature.
    SignatureMismatch "signature_mismatch"
    /// No active secret is this token.
    TokenMismatch "token_mismatch"
    /// No timestamp where the provider puts one, or an empty one.
    TimestampMissing "timestamp_missing"
    /// The timestamp stands there more than once.
    TimestampDuplicated "timestamp_duplicated"
    /// The timestamp is not written as declared.
    TimestampMalformed "timestamp_malformed"
    /// Signed too long ago.
    TimestampStale "timestamp_stale"
    /// Signed too far in the future.
    TimestampFuture "timestamp_future"
    /// Something else that is signed is absent.
    SignedFieldMissing "signed_field_missing"
    /// Something else that is signed stands there more than once.
    SignedFieldDuplicated "signed_field_duplicated"
    /// Something else that is signed could be read in two ways.
    SignedFieldMalformed "signed_field_malformed"
    /// A token by an algorithm that the provider doesn't use.
    AlgorithmRefused "algorithm_refused"
    /// A token by a key that the provider doesn't have.
    KeyUnknown "key_unknown"
    /// The URL of its key is missing, or is not one of the provider's own.
    KeyUrlRefused "key_url_refused"
    /// The certificate that it names is out of date, issued to somebody else, or by nobody known.
    CertificateRefused "certificate_refused"
    /// A token that is signed, but whose claims can't be read with one meaning.
    TokenMalformed "token_malformed"
    /// The signature is right, but something else that the provider's file demands is not so.
    ConditionFailed "condition_failed"
    /// No active secret is configured for it.
    SecretAbsent "secret_absent"
    /// A configured secret is not written as the provider's file says.
    SecretMalformed "secret_malformed"
    /// The provider signs the URL, and `gateway.public_url` is not set.
    PublicUrlAbsent "public_url_absent"
    /// The provider declares no check, and the integration does not say `unverified = true`.
    Unverifiable "unverifiable"
    /// A handshake's token is not the configured one.
    HandshakeTokenMismatch "handshake_token_mismatch"
    /// A handshake gives a secret, and there is another one already, or it is to be given at a connection's own URL.
    SecretTaken "secret_taken"
    /// What a handshake wants echoed is not fit for it.
    HandshakeMalformed "handshake_malformed"
    /// The body is not what its content type or content encoding says, so nobody can say what is in it.
    BodyMalformed "body_malformed"
    /// A field that decides what the event is, or whose, stands there more than once.
    FieldDuplicated "field_duplicated"
    /// A field that decides what the event is, or whose, is over 1,024 bytes long.
    FieldTooLong "field_too_long"
    /// The account is another connection's than the URL names.
    AccountMismatch "account_mismatch"
    /// The URL names a connection, but neither its own secret nor an account in the request proves it.
    AccountUnproven "account_unproven"
    /// More than 10,000 items in one request.
    BatchTooLarge "batch_too_large"
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
