//! Places in a request where a provider puts something.

/// A place in a request: `header:x-github-event`, `query:token`, `form:payload`, `json:/team/id`, `item:/portalId`,
/// `form:payload json:/team/id` (look into what was found first), `signature:t`, `value:verify_token`, `path:connection`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Where to look.
    pub source: Source,
    /// A pointer into the JSON text found there.
    pub within: Option<Pointer>,
}

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A header, by lower-case name.
    Header(String),
    /// A parameter of the query, decoded.
    Query(String),
    /// A field of a form body, decoded.
    Form(String),
    /// A member of the JSON body (of the unwrapped form field, where the provider declares one).
    Json(Pointer),
    /// A member of the batch item.
    Item(Pointer),
    /// A field of the parsed signature (`t` of Stripe's).
    Signature(String),
    /// One of the integration's named values.
    Value(String),
    /// The connection named in the URL.
    PathConnection,
    /// The whole body.
    Body,
}

/// A JSON Pointer (RFC 6901), parsed: `/installation/id`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pointer(pub Vec<String>);
