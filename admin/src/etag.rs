//! Writes over what was seen: `ETag`, `If-Match`, `If-None-Match`.

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use gatepost_event::registry::Expect;
use http::{HeaderName, HeaderValue, StatusCode, header, request::Parts};
use serde_json::{Value, json};

use crate::problem::Problem;

/// What a writer expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Anything or nothing.
    Anything,
    /// Nothing: `If-None-Match: *`.
    Nothing,
    /// Something: `If-Match: *`.
    Something,
    /// This version: `If-Match: "7"`.
    Version(u64),
}

impl Expected {
    /// As the registry has it, where something stands or not.
    ///
    /// # Errors
    /// 412 when something is expected and there is nothing.
    pub(crate) fn over(self, found: bool) -> Result<Expect, Problem> {
        match self {
            Self::Something if !found => Err(changed()),
            Self::Anything | Self::Something => Ok(Expect::Any),
            Self::Nothing => Ok(Expect::Absent),
            Self::Version(version) => Ok(Expect::Revision(version)),
        }
    }

    /// Whether a version, or none, is what is expected.
    ///
    /// # Errors
    /// 412 when it isn't.
    pub(crate) fn check(self, version: Option<u64>) -> Result<(), Problem> {
        let met = match self {
            Self::Anything => true,
            Self::Nothing => version.is_none(),
            Self::Something => version.is_some(),
            Self::Version(expected) => version == Some(expected),
        };
        if met { Ok(()) } else { Err(changed()) }
    }
}

impl<S: Sync> FromRequestParts<S> for Expected {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let all = |name: HeaderName| -> Vec<&[u8]> {
            parts.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()
        };
        match (&*all(header::IF_MATCH), &*all(header::IF_NONE_MATCH)) {
            ([], []) => Ok(Self::Anything),
            ([], [b"*"]) => Ok(Self::Nothing),
            ([b"*"], []) => Ok(Self::Something),
            // What is no tag of ours matches nothing.
            ([tag], []) => version(tag).map(Self::Version).ok_or_else(changed),
            // No thing is there and isn't.
            ([_, ..], [b"*"]) => Err(changed()),
            _ => Err(Problem::bad("give either If-Match with one ETag as an answer had it, or If-None-Match: *")),
        }
    }
}

/// `"7"`
fn version(tag: &[u8]) -> Option<u64> {
    std::str::from_utf8(tag).ok()?.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// Somebody else was faster.
pub(crate) fn changed() -> Problem {
    let detail = "it is not as the request expects; look at it again";
    Problem::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", detail)
}

/// An answer about something of a version.
pub(crate) fn tagged(version: Option<u64>, answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    if let Some(tag) = version.and_then(|version| HeaderValue::from_str(&format!("\"{version}\"")).ok()) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// What the document says of the headers.
pub(crate) fn parameters(may_be_new: bool) -> Vec<Value> {
    let match_ = json!({
        "name": "If-Match", "in": "header", "required": false,
        "description": "The ETag of what was seen; 412 when it was changed since",
        "schema": { "type": "string", "pattern": "^\"[0-9]{1,18}\"$" },
    });
    let none = json!({
        "name": "If-None-Match", "in": "header", "required": false,
        "description": "`*`: only if there is none",
        "schema": { "type": "string", "enum": ["*"] },
    });
    if may_be_new { vec![match_, none] } else { vec![match_] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_as_it_is_written_and_nothing_else_is() {
        let response = tagged(Some(7), StatusCode::OK);
        let tag = response.headers().get(header::ETAG).expect("a tag");
        assert_eq!(version(tag.as_bytes()), Some(7));
        for bad in ["", "7", "\"\"", "\"x\"", "W/\"7\"", "\"7\", \"8\""] {
            assert_eq!(version(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn what_is_expected_is_what_must_be_there() {
        for (expected, none, seven, eight) in [
            (Expected::Anything, true, true, true),
            (Expected::Nothing, true, false, false),
            (Expected::Something, false, true, true),
            (Expected::Version(7), false, true, false),
        ] {
            let met = [None, Some(7), Some(8)].map(|version| expected.check(version).is_ok());
            assert_eq!(met, [none, seven, eight], "{expected:?}");
        }
    }
}
