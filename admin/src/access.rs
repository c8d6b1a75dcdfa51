//! Who may do what: every route says what it needs, and nothing is let through that it does not name.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use gatepost_config::TenantId;
use http::{StatusCode, request::Parts};
use serde::{Deserialize, Serialize};

use crate::{audit, audit::Note, key, listener, problem::Problem, serve::Admin};

/// What a key may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scope {
    /// Looking.
    Read,
    /// Changing what is not about keys.
    Write,
    /// Asking for replays.
    Replay,
    /// Everything, keys and the audit log too.
    Admin,
}

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing: it tells nothing that is not in the documentation.
    Open,
    /// A key with this scope. A tenant's key sees only what is its tenant's.
    Anyone(Scope),
    /// A key with this scope that is bound to no tenant.
    Operator(Scope),
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    who: String,
    scopes: Vec<Scope>,
    tenant: Option<TenantId>,
    note: Arc<Mutex<Option<Note>>>,
}

impl Access {
    fn check(self, caller: &Caller) -> Result<(), Problem> {
        let (scope, is_open_to) = match self {
            Self::Open => return Ok(()),
            Self::Anyone(scope) => (scope, true),
            Self::Operator(scope) => (scope, caller.tenant.is_none()),
        };
        if !caller.scopes.contains(&scope) && !caller.scopes.contains(&Scope::Admin) {
            let detail = format!("the key's scopes don't include {:?}, which this needs", scope.word());
            return Err(Problem::new(StatusCode::FORBIDDEN, "missing_scope", detail));
        }
        if !is_open_to {
            return Err(Problem::operator_only("this"));
        }
        Ok(())
    }
}

impl Scope {
    /// Its word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Replay => "replay",
            Self::Admin => "admin",
        }
    }
}

impl Caller {
    /// Somebody with a key.
    pub(crate) fn new(who: String, scopes: Vec<Scope>, tenant: Option<TenantId>) -> Self {
        Self { who, scopes, tenant, note: Arc::default() }
    }

    /// Who, for the audit log.
    pub(crate) fn who(&self) -> &str {
        &self.who
    }

    /// The tenant that the key is bound to.
    pub(crate) fn tenant(&self) -> Option<&TenantId> {
        self.tenant.as_ref()
    }

    /// Whether what is a tenant's, or with `None` the operator's own, is this caller's business. Every filter by tenant
    /// asks here.
    pub(crate) fn sees(&self, tenant: Option<&TenantId>) -> bool {
        self.tenant.is_none() || self.tenant.as_ref() == tenant
    }

    /// What a caller may see; for others it isn't there.
    ///
    /// # Errors
    /// 404, whether it is another tenant's or not there at all.
    pub(crate) fn own<T>(
        &self,
        found: Option<T>,
        tenant: impl Fn(&T) -> Option<TenantId>,
        what: impl FnOnce() -> String,
    ) -> Result<T, Problem> {
        found.filter(|thing| self.sees(tenant(thing).as_ref())).ok_or_else(|| Problem::missing(&what()))
    }

    /// Says what a write changed, for the audit log.
    pub(crate) fn note(&self, note: Note) {
        *self.note.lock().unwrap_or_else(PoisonError::into_inner) = Some(note);
    }

    pub(crate) fn take_note(&self) -> Option<Note> {
        self.note.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(Problem::no_key)
    }
}

/// Around everything, what doesn't exist too: without a key nobody learns what there is.
pub(crate) async fn authenticate(State(admin): State<Arc<Admin>>, mut request: Request, next: Next) -> Response {
    let response = match admin.is_open(request.uri().path()) {
        true => next.run(request).await,
        false => match key::caller(&admin, request.headers(), listener::peer(&request)).await {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                next.run(request).await
            }
            Err(problem) => problem.into_response(),
        },
    };
    admin.count(response.status());
    response
}

/// Around one route: its scope, and what it changed into the audit log.
pub(crate) async fn authorize(
    State((admin, access, path)): State<(Arc<Admin>, Access, &'static str)>,
    request: Request,
    next: Next,
) -> Response {
    let caller = match (access, request.extensions().get::<Caller>()) {
        (Access::Open, _) => return next.run(request).await,
        (_, None) => return Problem::no_key().into_response(),
        (access, Some(caller)) => match access.check(caller) {
            Ok(()) => caller.clone(),
            Err(problem) => return problem.into_response(),
        },
    };
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let (action, target) = (format!("{} {path}", request.method()), request.uri().path().to_owned());
    let response = next.run(request).await;
    audit::keep(&admin, &caller, action, target, response).await
}
