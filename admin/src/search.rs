//! Search over everything that the history holds.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use serde::Deserialize;

use crate::{
    access::Caller,
    history::query::{self, Hit},
    page::{self, Page},
    past,
    problem::Problem,
    serve::Admin,
};

/// Longest question.
const QUESTION_CHARS_MAX: usize = 1024;

/// What is searched for.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = SearchQuery)]
pub(crate) struct Ask {
    /// Any id (evt_, req_, dlv_, the provider's own), an account, a connection, or words of the body; a star behind a word
    /// stands for its rest.
    #[param(max_length = 1024)]
    q: String,
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// What an earlier answer gave as `next`.
    #[param(pattern = "^[0-9]{1,18}$")]
    cursor: Option<String>,
}

/// `GET /v1/search?q=`: events, newest first.
pub(crate) async fn search(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Json<Page<Hit>>, Problem> {
    let Query(Ask { q, limit, cursor }) = ask?;
    if q.chars().count() > QUESTION_CHARS_MAX {
        return Err(Problem::bad(format!("q must be at most {QUESTION_CHARS_MAX} characters")));
    }
    let (limit, before) = (page::limit(limit)?, past::before(cursor.as_ref())?);
    let (part, lag) = past::ask(&admin, &caller, move |db, scope| query::search(db, scope, &q, before, limit)).await?;
    Ok(Json(Page { items: part.items, next: part.next, lag_seconds: Some(lag) }))
}
