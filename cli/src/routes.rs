//! `gatepost routes diff`: what real stored events would have done under another file.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Subcommand;
use gatepost_config::{DestinationId, Options, Timestamp};
use gatepost_event::{Event, Meta};
use gatepost_router::rehearse::{Routes, Verdict};
use serde_json::{Value, json};

use crate::{
    api::{self, field},
    args::{ApiArgs, FilterArgs, WhenArgs},
    exit::Exit,
    load, style,
};

#[derive(Debug, Subcommand)]
pub(crate) enum RoutesCommand {
    /// What stored events would go elsewhere under another file than the present one (--config)
    Diff {
        /// The other file
        #[arg(value_name = "NEW.toml")]
        new: PathBuf,
        #[command(flatten)]
        filter: FilterArgs,
        #[command(flatten)]
        when: WhenArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
}

/// Events judged together.
const PAGE: usize = 100;

/// What was found.
#[derive(Default)]
struct Found {
    events: usize,
    changed: Vec<Value>,
}

/// Compares.
pub(crate) async fn routes(path: &Path, command: &RoutesCommand) -> Result<(), Exit> {
    let RoutesCommand::Diff { new, filter, when, api } = command;
    let (old, new) = (compile(path)?, compile(new)?);
    let now = Timestamp::now();
    let (since, until) = (api::time(when.since.as_ref(), now)?, api::time(when.until.as_ref(), now)?);
    let (mut cursor, mut found) = (None, Found::default());
    loop {
        let query = [
            ("since", since.clone()),
            ("until", until.clone()),
            ("integration", filter.integration.clone()),
            ("connection", filter.connection.clone()),
            ("type", filter.kind.clone()),
            ("include", Some("body".to_owned())),
            ("order", Some("stored".to_owned())),
            ("limit", Some(PAGE.to_string())),
            ("cursor", cursor),
        ];
        let page = api::get(api, &["events"], &query).await?;
        compare(api, &old, &new, &page, &mut found).await?;
        cursor = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    let changed = found.changed.len();
    match api.json {
        true => api::print(&json!({ "events": found.events, "changed": found.changed })),
        false => style::line(&format!("{} events, {changed} of them would go elsewhere", found.events)),
    }
    Ok(())
}

fn compile(path: &Path) -> Result<Routes, Exit> {
    // Where events go is no secret.
    let config = load::load_as(path, Options { without_secrets: true, ..load::options() })?;
    Routes::compile(Arc::new(config)).map_err(|errors| Exit::Configuration(errors.join("\n")))
}

async fn compare(api: &ApiArgs, old: &Routes, new: &Routes, page: &Value, found: &mut Found) -> Result<(), Exit> {
    let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    let events = items.iter().map(event).collect::<Result<Vec<_>, _>>()?;
    let (before, after) =
        (old.judge(events.clone()).await.map_err(Exit::failed)?, new.judge(events).await.map_err(Exit::failed)?);
    found.events += items.len();
    for (item, (before, after)) in items.iter().zip(before.iter().zip(&after)) {
        if before != after {
            let change = change(item, before, after);
            if !api.json {
                style::line(&line(&change));
            }
            found.changed.push(change);
        }
    }
    Ok(())
}

fn event(item: &Value) -> Result<Event, Exit> {
    let odd = |why: String| Exit::failed(format!("the API gave an odd event: {why}"));
    let meta: Meta = serde_json::from_value(item.clone()).map_err(|error| odd(error.to_string()))?;
    let body = match (item.get("body").and_then(Value::as_str), item.get("body_base64").and_then(Value::as_str)) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(base64)) => STANDARD.decode(base64).map_err(|error| odd(error.to_string()))?,
        (None, None) => return Err(odd("it has no body".to_owned())),
    };
    Ok(Event { meta, body: body.into() })
}

fn change(item: &Value, before: &Verdict, after: &Verdict) -> Value {
    let names = |ids: &BTreeSet<DestinationId>, others: &BTreeSet<DestinationId>| -> Vec<String> {
        ids.difference(others).map(ToString::to_string).collect()
    };
    json!({
        "id": field(item, "id"),
        "type": field(item, "type"),
        "at": field(item, "at"),
        "added": names(&after.destinations, &before.destinations),
        "removed": names(&before.destinations, &after.destinations),
        "filters_failed_before": before.failed,
        "filters_failed_after": after.failed,
    })
}

fn line(change: &Value) -> String {
    format!(
        "{}  {}  + {}  - {}  filters failing: {} -> {}",
        field(change, "id"),
        field(change, "type"),
        field(change, "added"),
        field(change, "removed"),
        field(change, "filters_failed_before"),
        field(change, "filters_failed_after"),
    )
}
