//! Places in a request where a provider puts something.

use std::{fmt, str::FromStr};

/// A place in a request: `header:x-github-event`, `query:token`, `form:payload`, `json:/team/id`, `item:/portalId`,
/// `xml:/Envelope/Body/notifications/OrganizationId`, `claim:/sub`, `form:payload json:/team/id` (look into what was found first), `signature:t`, `value:verify_token`, `path:connection`,
/// `body`.
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
    /// A field of a form body, decoded; of a multipart one, as it is.
    Form(String),
    /// A member of the JSON body (of the unwrapped form field, where the provider declares one).
    Json(Pointer),
    /// The text of an element of the XML body, by its local names from the root on, or of an attribute (`@type`).
    Xml(Pointer),
    /// A member of the batch item; an element within it, where the items are elements.
    Item(Pointer),
    /// A field of the parsed signature (`t` of Stripe's), or of a token's head (`kid`).
    Signature(String),
    /// A member of the claims of the token that proved the request.
    Claim(Pointer),
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

/// Why a text is not a place in a request. Positions count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Nothing was given.
    #[error("is empty; name a place such as \"header:x-github-event\" or \"json:/team/id\"")]
    Empty,
    /// The word before the colon names no kind of place.
    #[error(
        "starts with {0:?}, which is no kind of place; use header: query: form: json: xml: item: claim: signature: value: \
         path:connection or body"
    )]
    Source(String),
    /// Nothing stands after the colon.
    #[error("names nothing after {0:?}; write for example {0}{1}")]
    Unnamed(String, &'static str),
    /// A header name that is not lower case, or not a header name.
    #[error("has {1:?} at character {0}; header names are written in lower case, a-z 0-9 and -")]
    HeaderName(usize, char),
    /// White space or a control character in a name.
    #[error(
        "has {1:?} at character {0}; names have no spaces, and a pointer into a place is written \"form:payload json:/id\""
    )]
    Character(usize, char),
    /// Only `path:connection` exists.
    #[error("names the path's {0:?}; only path:connection exists")]
    Path(String),
    /// What follows the space is not a pointer into what was found.
    #[error("has {1:?} at character {0}; after the space only json:/a/pointer may follow")]
    Within(usize, String),
    /// A place that holds no JSON text to look into.
    #[error("looks into {0:?}, which holds no JSON text; use a header, query, form or json place before the space")]
    NotText(String),
    /// A bad pointer that starts at a character.
    #[error("has at character {0} a pointer that {1}")]
    Pointer(usize, PointerError),
}

/// Why a text is not a JSON Pointer. Positions count characters of the pointer from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// It is neither empty nor starts with `/`.
    #[error("starts with {0:?}; a pointer starts with / (or is empty for the whole text), such as /team/id")]
    Slash(char),
    /// `~` is followed by neither `0` nor `1`.
    #[error("has a lone ~ at character {0}; write ~0 for ~ and ~1 for /")]
    Tilde(usize),
}

impl From<Source> for Location {
    fn from(source: Source) -> Self {
        Self { source, within: None }
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        let (first, rest) = match text.split_once(' ') {
            Some((first, rest)) => (first, Some(rest)),
            None => (text, None),
        };
        let source = source(first)?;
        let Some(rest) = rest else { return Ok(source.into()) };
        let at = first.chars().count() + 2;
        let pointer = rest.strip_prefix("json:").ok_or_else(|| LocationError::Within(at, rest.to_owned()))?;
        if !matches!(
            source,
            Source::Header(_) | Source::Query(_) | Source::Form(_) | Source::Json(_) | Source::Claim(_)
        ) {
            return Err(LocationError::NotText(first.to_owned()));
        }
        let within = pointer.parse().map_err(|error| LocationError::Pointer(at + 5, error))?;
        Ok(Self { source, within: Some(within) })
    }
}

fn source(text: &str) -> Result<Source, LocationError> {
    let Some((word, name)) = text.split_once(':') else {
        return match text {
            "" => Err(LocationError::Empty),
            "body" => Ok(Source::Body),
            other => Err(LocationError::Source(other.to_owned())),
        };
    };
    let at = word.chars().count() + 2;
    let pointer = || name.parse().map_err(|error| LocationError::Pointer(at, error));
    let named = |example| named(word, name, at, example);
    match word {
        "header" => header(name, at).map(Source::Header),
        "query" => named("token").map(Source::Query),
        "form" => named("payload").map(Source::Form),
        "json" => pointer().map(Source::Json),
        "xml" if name.is_empty() => Err(LocationError::Unnamed("xml:".to_owned(), "/feed/entry/id")),
        "xml" => pointer().map(Source::Xml),
        "item" => pointer().map(Source::Item),
        "claim" => pointer().map(Source::Claim),
        "signature" => named("t").map(Source::Signature),
        "value" => named("verify_token").map(Source::Value),
        "path" if name == "connection" => Ok(Source::PathConnection),
        "path" => Err(LocationError::Path(name.to_owned())),
        other => Err(LocationError::Source(other.to_owned())),
    }
}

fn named(word: &str, name: &str, at: usize, example: &'static str) -> Result<String, LocationError> {
    if name.is_empty() {
        return Err(LocationError::Unnamed(format!("{word}:"), example));
    }
    match name.chars().enumerate().find(|(_, c)| c.is_whitespace() || c.is_control()) {
        Some((n, c)) => Err(LocationError::Character(at + n, c)),
        None => Ok(name.to_owned()),
    }
}

fn header(name: &str, at: usize) -> Result<String, LocationError> {
    if name.is_empty() {
        return Err(LocationError::Unnamed("header:".to_owned(), "x-github-event"));
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    match name.chars().enumerate().find(|(_, c)| !allowed(*c)) {
        Some((n, c)) => Err(LocationError::HeaderName(at + n, c)),
        None => Ok(name.to_owned()),
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Header(name) => write!(f, "header:{name}"),
            Source::Query(name) => write!(f, "query:{name}"),
            Source::Form(name) => write!(f, "form:{name}"),
            Source::Json(pointer) => write!(f, "json:{pointer}"),
            Source::Xml(pointer) => write!(f, "xml:{pointer}"),
            Source::Item(pointer) => write!(f, "item:{pointer}"),
            Source::Claim(pointer) => write!(f, "claim:{pointer}"),
            Source::Signature(name) => write!(f, "signature:{name}"),
            Source::Value(name) => write!(f, "value:{name}"),
            Source::PathConnection => f.write_str("path:connection"),
            Source::Body => f.write_str("body"),
        }?;
        match &self.within {
            Some(pointer) => write!(f, " json:{pointer}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Pointer {
    type Err = PointerError;

    fn from_str(text: &str) -> Result<Self, PointerError> {
        let Some(first) = text.chars().next() else { return Ok(Self::default()) };
        if first != '/' {
            return Err(PointerError::Slash(first));
        }
        let mut tokens: Vec<String> = Vec::new();
        let mut chars = text.chars().enumerate();
        while let Some((n, c)) = chars.next() {
            let literal = match c {
                '/' => {
                    tokens.push(String::new());
                    continue;
                }
                '~' => match chars.next() {
                    Some((_, '0')) => '~',
                    Some((_, '1')) => '/',
                    _ => return Err(PointerError::Tilde(n + 1)),
                },
                c => c,
            };
            if let Some(token) = tokens.last_mut() {
                token.push(literal);
            }
        }
        Ok(Self(tokens))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|token| write!(f, "/{}", token.replace('~', "~0").replace('/', "~1")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_place_is_written_as_it_is_read() {
        for text in [
            "header:x-github-event",
            "query:hub.mode",
            "form:payload",
            "form:payload json:/team/id",
            "json:/team/id",
            "json:",
            "item:/portalId",
            "claim:/data json:/instanceId",
            "signature:t",
            "value:verify_token",
            "path:connection",
            "body",
            "json:/a~1b/~0c",
        ] {
            let location: Location = text.parse().expect(text);
            assert_eq!(location.to_string(), text);
        }
    }

    #[test]
    fn a_bad_place_is_refused_with_its_position_and_the_remedy() {
        for (text, why) in [
            ("", "is empty; name a place"),
            ("header", "starts with \"header\", which is no kind of place"),
            ("heder:x", "starts with \"heder\", which is no kind of place; use header:"),
            ("header:", "names nothing after \"header:\"; write for example header:x-github-event"),
            ("query:", "write for example query:token"),
            ("header:X-Id", "has 'X' at character 8; header names are written in lower case"),
            ("header:x id", "has \"id\" at character 10; after the space only json:"),
            ("query:a\tb", "has '\\t' at character 8"),
            ("path:tenant", "only path:connection exists"),
            ("json:team/id", "has at character 6 a pointer that starts with 't'"),
            ("json:/a~2", "has at character 6 a pointer that has a lone ~ at character 3"),
            ("form:payload json:id", "has at character 19 a pointer that starts with 'i'"),
            ("body json:/id", "looks into \"body\", which holds no JSON text"),
        ] {
            let error = text.parse::<Location>().expect_err(text).to_string();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_pointer_survives_writing_and_reading(tokens in proptest::collection::vec(".*", 0..5)) {
            let pointer = Pointer(tokens);
            prop_assert_eq!(pointer.to_string().parse::<Pointer>(), Ok(pointer));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = text.parse::<Location>();
        }
    }
}
