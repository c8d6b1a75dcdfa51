//! The API's document, and a page that shows it.

use std::{collections::BTreeMap, sync::LazyLock};

use axum::{Json, response::Html};
use http::{HeaderName, HeaderValue, header};
use serde_json::{Map, Value, json};

use crate::{
    access::Access,
    table::{Doc, Route, table},
};

/// The page: it reads the document beside it and nothing else.
const PAGE: &str = include_str!("docs.html");

/// Nothing from elsewhere runs on the page.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
     frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| made_of(&table()));

/// `GET /docs`
pub(crate) async fn page() -> ([(HeaderName, HeaderValue); 1], Html<&'static str>) {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE))
}

/// `GET /v1/openapi.json`
pub(crate) async fn document() -> Json<&'static Value> {
    Json(openapi())
}

/// The OpenAPI document of the API.
pub fn openapi() -> &'static Value {
    &DOCUMENT
}

fn made_of(table: &[Route]) -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut schemas: BTreeMap<String, Value> = BTreeMap::new();
    for route in table {
        let method = route.method.as_str().to_ascii_lowercase();
        paths.entry(route.path).or_default().insert(method, operation(route));
        schemas.extend(route.doc.schemas.clone());
    }
    schemas.insert("Problem".to_owned(), problem());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Gatepost",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Gatepost's admin API. Times are RFC 3339 in UTC; errors are problem+json with a stable `code`; lists \
                come in pages.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "security": [{ "key": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer", "description": "One of the file's \
                admin.api_keys, or a key made by `gatepost keys create`" } },
        },
    })
}

fn operation(route: &Route) -> Value {
    let Doc { about, parameters, body, answer, errors, .. } = &route.doc;
    let mut all: Vec<Value> = path_parameters(route.path).collect();
    all.extend(parameters.iter().cloned());
    let mut operation = object(json!({
        "operationId": operation_id(route),
        "summary": about,
        "tags": [route.path.split('/').find(|part| !part.is_empty() && *part != "v1").unwrap_or_default()],
        "parameters": all,
        "responses": responses(route, answer, errors),
    }));
    if let Some((content_type, schema)) = body {
        set(
            &mut operation,
            "requestBody",
            json!({ "required": true, "content": { (*content_type): { "schema": schema } } }),
        );
    }
    match route.access {
        Access::Open => set(&mut operation, "security", json!([])),
        Access::Anyone(scope) => set(&mut operation, "x-scope", json!(scope)),
        Access::Operator(scope) => {
            set(&mut operation, "x-scope", json!(scope));
            set(&mut operation, "x-operator-only", json!(true));
        }
    }
    operation.into()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

fn set(object: &mut Map<String, Value>, name: &str, value: Value) {
    object.insert(name.to_owned(), value);
}

/// `get_v1_keys_key`
fn operation_id(route: &Route) -> String {
    let method = route.method.as_str().to_ascii_lowercase();
    let parts = route.path.split(['/', '.']).filter(|part| !part.is_empty() && *part != "v1");
    parts.fold(method, |id, part| format!("{id}_{}", part.trim_matches(['{', '}'])))
}

fn responses(route: &Route, good: &(Vec<u16>, Option<(&'static str, Value)>), more: &[u16]) -> Value {
    let mut responses = BTreeMap::new();
    for status in &good.0 {
        let mut response = object(json!({ "description": describe(*status) }));
        if let Some((content_type, schema)) = &good.1 {
            set(&mut response, "content", json!({ (*content_type): { "schema": schema } }));
        }
        responses.insert(status.to_string(), response.into());
    }
    let doc = &route.doc;
    let mut bad = more.to_vec();
    if route.access != Access::Open {
        bad.extend([401, 403, 429, 503]);
    }
    if route.path.contains('{') {
        bad.extend([400, 404]);
    }
    if !doc.parameters.is_empty() {
        bad.push(400);
    }
    if doc.body.is_some() {
        bad.extend([400, 413, 415, 422]);
    }
    for status in bad {
        let content = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
        responses.insert(status.to_string(), json!({ "description": describe(status), "content": content }));
    }
    json!(responses)
}

const fn describe(status: u16) -> &'static str {
    match status {
        200 => "As asked",
        201 => "It is made",
        202 => "It is asked for",
        204 => "It is done",
        400 => "The request can't be understood",
        401 => "No key that fits",
        403 => "A key that may not do this",
        404 => "There is no such thing, or it is another tenant's",
        409 => "It doesn't go with what there is",
        412 => "It was changed meanwhile",
        413 => "The body is too long",
        415 => "The body is of another type",
        422 => "What is asked makes no sense",
        429 => "Too many at once, or too many wrong keys from there",
        503 => "The store can't be asked now",
        _ => "",
    }
}

fn path_parameters(path: &str) -> impl Iterator<Item = Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| {
        let schema = match name {
            "event" => made("evt_"),
            "delivery" => made("dlv_"),
            "request" | "refused" => made("req_"),
            "replay" => made("rpl_"),
            "release" => made("rls_"),
            "heal" => made("hea_"),
            "erasure" => made("ers_"),
            "key" => made("gpk_"),
            "own_secret" => json!({ "type": "string", "pattern": "^[0-9a-f]{8}$" }),
            _ => json!({ "type": "string", "pattern": gatepost_config::ID_PATTERN }),
        };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    })
}

fn made(prefix: &str) -> Value {
    json!({ "type": "string", "pattern": format!("^{prefix}[0-9a-hjkmnp-tv-z]{{26}}$") })
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "What went wrong (RFC 9457)",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "code": { "type": "string", "description": "A stable word for machines" },
            "detail": { "type": "string", "description": "What is wrong and what to do, for people" },
        },
    })
}
