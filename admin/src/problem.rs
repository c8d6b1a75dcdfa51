//! Errors as problem+json (RFC 9457): the one place that makes answers of them.

use std::time::Duration;

use axum::{
    extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection},
    response::{IntoResponse, Response},
};
use gatepost_event::StoreError;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

/// An error for the caller.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// Seconds after which to ask again, where that is known.
    retry_after: Option<u64>,
}

impl Problem {
    /// A status, a stable code, and words for people.
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None }
    }

    /// Wrong keys came too fast from one address.
    pub(crate) fn too_many_wrong_keys(wait: Duration) -> Self {
        let detail =
            "too many requests with wrong keys came from this address (admin.wrong_keys_a_minute); ask again later";
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_wrong_keys", detail) }
    }

    /// A request that can't be understood.
    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    /// Something that isn't there.
    pub(crate) fn missing(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {what}"))
    }

    /// Its code and its words.
    pub(crate) fn into_parts(self) -> (&'static str, String) {
        (self.code, self.detail)
    }

    /// A request that says things which don't go together.
    pub(crate) fn senseless(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "senseless", detail)
    }

    /// Something that a tenant's key may not do.
    pub(crate) fn operator_only(what: &str) -> Self {
        let detail = format!("{what} takes a key that is bound to no tenant");
        Self::new(StatusCode::FORBIDDEN, "operator_only", detail)
    }

    /// Somebody else writes all the time.
    pub(crate) fn busy(what: &str) -> Self {
        let detail = format!("{what} changes too fast; ask again");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }

    /// Something stored that can't be read.
    pub(crate) fn unreadable(what: &str, id: &str, error: &dyn std::fmt::Display) -> Self {
        tracing::error!(what, id, %error, "what is stored can't be read");
        let detail = "what is stored can't be read; see the log";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", detail)
    }

    /// A request without a key that fits.
    pub(crate) fn no_key() -> Self {
        let detail =
            "send one of admin.api_keys, or a key made by `gatepost keys create`, as `authorization: Bearer KEY`";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let status = self.status.as_u16();
        let body = json!({ "type": "about:blank", "title": title, "status": status, "code": self.code, "detail": self.detail });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Corrupt(_) => {
                tracing::error!(%error, "the API could not read what is stored");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", "what is stored can't be read; see the log")
            }
            StoreError::Unavailable(_) | StoreError::Full(_) | StoreError::LeaseLost | StoreError::Closed => {
                tracing::debug!(%error, "the store did not answer the API");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the store can't be asked now; try again")
            }
        }
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad(rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::bad(rejection.body_text())
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        let code = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
            _ => "bad_request",
        };
        Self::new(rejection.status(), code, rejection.body_text())
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let code = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
            _ => "bad_request",
        };
        Self::new(rejection.status(), code, rejection.body_text())
    }
}
