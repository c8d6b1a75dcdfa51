//! What Nango lists as its connections.
//!
//! <https://nango.dev/docs/reference/api/connection/list>

use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value, json};
use url::Url;

use crate::{client, exit::Exit, style};

/// Longest list read.
const LIST_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A row for each connection. Nango's list has no account keys: events of accounts that nobody names wait.
pub(super) async fn rows(source: &str, key: &str, rename: &[String]) -> Result<Vec<Value>, Exit> {
    let renamed = rename.iter().map(|pair| {
        let wrong = || Exit::failed(format!("--rename {pair:?} is not of the form NANGO=GATEPOST"));
        pair.split_once('=').ok_or_else(wrong)
    });
    let renamed = renamed.collect::<Result<Vec<_>, _>>()?;
    let list = match source.starts_with("https://") || source.starts_with("http://") {
        true => fetch(source, key).await?,
        false => read(source)?,
    };
    let list: Value =
        serde_json::from_slice(&list).map_err(|error| Exit::failed(format!("{source}: is not JSON ({error})")))?;
    let connections = list.get("connections").and_then(Value::as_array);
    let connections = connections.ok_or_else(|| {
        Exit::failed(format!("{source}: has no list \"connections\"; give the answer of Nango's GET /connections"))
    })?;
    let rows: Vec<Value> = connections.iter().map(|connection| row(connection, &renamed)).collect();
    if rows.iter().any(|row| row.get("accounts").is_none()) {
        style::warning("Nango lists no account keys: set them (connections put --account), until then events wait");
    }
    Ok(rows)
}

/// The tenant is the end user's organization, or the end user.
fn row(connection: &Value, renamed: &[(&str, &str)]) -> Value {
    let text = |path: &str| connection.pointer(path).and_then(Value::as_str);
    let integration = text("/provider_config_key").unwrap_or_default();
    let integration = renamed.iter().find(|(from, _)| *from == integration).map_or(integration, |(_, to)| to);
    let mut row = Map::from_iter([
        ("integration".to_owned(), json!(integration)),
        ("id".to_owned(), json!(text("/connection_id").unwrap_or_default())),
    ]);
    let tenant = text("/end_user/organization/id").or_else(|| text("/end_user/id"));
    row.extend(tenant.map(|tenant| ("tenant".to_owned(), json!(tenant))));
    let known = [("nango_provider", text("/provider")), ("nango_created", text("/created"))];
    let metadata: Map<String, Value> =
        known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect();
    row.insert("metadata".to_owned(), metadata.into());
    row.into()
}

async fn fetch(source: &str, key: &str) -> Result<Bytes, Exit> {
    let mut url: Url = source.parse().map_err(|error| Exit::failed(format!("{source}: is no URL ({error})")))?;
    if matches!(url.path(), "" | "/") {
        url.set_path("/connections");
    }
    let headers = [("authorization".to_owned(), format!("Bearer {}", key.trim()))];
    let answer = client::request(Method::GET, &url, &headers, Bytes::new(), LIST_BYTES_MAX).await;
    let answer = answer.map_err(Exit::failed)?;
    match answer.head.status.is_success() {
        true => Ok(answer.body),
        false => Err(Exit::failed(format!("{url} answered {}; give NANGO_SECRET_KEY", answer.head.status))),
    }
}

fn read(path: &str) -> Result<Bytes, Exit> {
    std::fs::read(path).map(Into::into).map_err(|error| Exit::failed(format!("{path}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nangos_connection_is_a_row_of_ours() {
        let theirs = json!({
            "id": 1, "connection_id": "conn-1", "provider": "hubspot", "provider_config_key": "hubspot-prod",
            "created": "2026-01-02T03:04:05Z", "metadata": null,
            "end_user": { "id": "user-1", "organization": { "id": "acme" } },
        });
        let ours = json!({
            "integration": "hubspot", "id": "conn-1", "tenant": "acme",
            "metadata": { "nango_provider": "hubspot", "nango_created": "2026-01-02T03:04:05Z" },
        });
        assert_eq!(row(&theirs, &[("hubspot-prod", "hubspot")]), ours);
        let bare = row(&json!({ "connection_id": "c", "provider_config_key": "k", "end_user": null }), &[]);
        assert_eq!(bare, json!({ "integration": "k", "id": "c", "metadata": {} }));
    }
}
