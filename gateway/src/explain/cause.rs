//! Causes: finer than a refusal's reason, found by trying what would have made the request verify.

use std::fmt;

macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $name:ident $code:literal $remedy:literal)*) => {
        /// Why a request doesn't verify, where that could be found out. Its code is stable, and never a reason's.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Cause {$(
            $(#[doc = $doc])+
            $name,
        )*}

        impl Cause {
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

            /// What to do about it, as a sentence.
            pub const fn remedy(self) -> &'static str {
                match self {$(Self::$name => $remedy,)*}
            }
        }
    };
}

causes! {
    /// The request is well formed, and nothing that was tried makes this secret fit it.
    SecretWrong "secret_wrong"
        "Copy the secret of this very webhook endpoint again; if it is right, something between the provider and here changes the body's content."
    /// The secret of another configured integration or connection fits.
    SecretOfOther "secret_of_other_integration"
        "Give this integration that secret, or paste this integration's URL at the provider."
    /// The request is a genuine one of another configured integration.
    IntegrationOther "integration_other"
        "Paste at the provider the URL of the integration that is named, which `gatepost check` prints."
    /// A named value that the check reads was not given.
    ValueMissing "value_missing"
        "Give it: `values` in the integration, or --set NAME=VALUE here."
    /// The secret fits once white space, line ends, quotes or a byte order mark around it are put right.
    SecretWhitespace "secret_whitespace"
        "Store the secret again without anything around it, for example with printf %s instead of echo."
    /// The secret fits once it is written another way: base64, hexadecimal, or with or without its prefix.
    SecretEncoding "secret_encoding"
        "Store the secret exactly as the provider shows it, prefix and all, and neither encode nor decode it."
    /// The body is the same JSON written another way: it was parsed and serialised again on its way.
    BodyReserialized "body_reserialized"
        "Pass on the body's bytes as they arrive: take the raw body before any JSON middleware."
    /// The body's JSON texts are escaped another way.
    BodyEscapes "body_escapes_changed"
        "Pass on the body's bytes as they arrive: something decodes or writes escapes such as \\u00e9."
    /// White space at the end or start of the body was added or lost.
    BodyTrailing "body_trailing_newline"
        "Pass on the body's bytes as they arrive: something adds or trims line ends (when captured by hand, save the body with printf %s or curl --data-binary)."
    /// The body's line ends were rewritten.
    BodyLineEndings "body_line_endings"
        "Pass on the body as binary, not as text: something rewrites CRLF and LF."
    /// The body was decoded, or encoded once more, on its way.
    BodyDecoded "body_decoded"
        "Pass on the body as it was sent: a proxy or framework decodes or wraps it (forms, base64 of a cloud gateway)."
    /// A byte order mark was added or lost.
    BodyBom "body_bom"
        "Pass on the body as binary: something adds or strips the byte order mark."
    /// The body was turned from one character set into another.
    BodyCharset "body_charset"
        "Pass on the body as binary: something reads UTF-8 as Latin-1 or the other way round."
    /// The body is not as long as its Content-Length says.
    BodyLength "body_length"
        "Capture the whole body; if it is whole, something on the way cut or grew it without saying so."
    /// The body is empty, or is JSON that ends too soon.
    BodyCut "body_cut"
        "Pass on, or capture, the whole body: something on the way read it before, or cut it. If it is whole, copy the secret again."
    /// A header that the check needs stands there under another name.
    HeaderMisnamed "header_misnamed"
        "Pass on headers under the provider's own names: proxies rename those with underscores, and frameworks add prefixes."
    /// The signature was made with another hash than this scheme's.
    AlgorithmWrong "algorithm_wrong"
        "Have the provider send the signature of this scheme's hash; if it does, find what drops or changes that header on the way."
    /// The signature is written in another alphabet than this provider's (hexadecimal, base64).
    EncodingWrong "encoding_wrong"
        "Send the signature as the provider writes it; who made this one encoded its bytes another way."
    /// The signature's label (such as sha256= or v1,) is missing, another, or in another case; the signature fits.
    LabelWrong "label_wrong"
        "Send the signature with the provider's own label, exactly as the provider writes it."
    /// The timestamp is written in another unit than this provider's.
    TimestampUnit "timestamp_unit"
        "Write the time in the unit that the provider uses."
    /// The provider signed a URL with another scheme (http or https).
    UrlScheme "url_scheme_differs"
        "Set gateway.public_url to the URL as pasted at the provider."
    /// The provider signed a URL with another host.
    UrlHost "url_host_differs"
        "Set gateway.public_url to the URL as pasted at the provider."
    /// The provider signed a URL with another port.
    UrlPort "url_port_differs"
        "Set gateway.public_url to the URL as pasted at the provider, with the port that stands there."
    /// The provider signed a URL with another path.
    UrlPath "url_path_differs"
        "Don't rewrite the path on the way here, or put the part that is cut off into gateway.public_url."
    /// The provider signed a URL with, or without, a slash at its end.
    UrlSlash "url_trailing_slash"
        "Paste the URL at the provider exactly as it is served here."
    /// The provider signed a URL with another query.
    UrlQuery "url_query_differs"
        "Pass on the query as it arrives: something drops, decodes or reorders it."
    /// The provider signed another URL than the one that it is checked against.
    UrlOther "url_differs"
        "Set gateway.public_url so that with the request's path and query it is the URL as pasted at the provider."
    /// The provider signed another method.
    Method "method_differs"
        "Pass on the request with the method that the provider used."
    /// The signature is genuine by another of the provider's schemes than the one that applies.
    SchemeOther "scheme_other"
        "Find what changes, or adds, the header of the scheme that applies: where it is there no other scheme is tried."
    /// The signature is genuine for another provider of the catalogue.
    ProviderOther "provider_other"
        "Name that provider in the integration, or check which service posts to this URL."
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
