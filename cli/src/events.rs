//! `gatepost events`: what is stored, seen through the API.

use gatepost_config::Timestamp;
use serde_json::Value;

use crate::{
    api::{self, field},
    args::EventsCommand,
    exit::Exit,
    style,
};

/// Lists or shows.
pub(crate) async fn events(command: &EventsCommand) -> Result<(), Exit> {
    match command {
        EventsCommand::List { filter, tenant, account, state, when, list, api } => {
            let now = Timestamp::now();
            let query = [
                ("since", api::time(when.since.as_ref(), now)?),
                ("until", api::time(when.until.as_ref(), now)?),
                ("integration", filter.integration.clone()),
                ("connection", filter.connection.clone()),
                ("type", filter.kind.clone()),
                ("tenant", tenant.clone()),
                ("account", account.clone()),
                ("state", state.clone()),
                ("limit", list.limit.map(|limit| limit.to_string())),
                ("cursor", list.cursor.clone()),
            ];
            api::print_page(api, &api::get(api, &["events"], &query).await?, line);
            Ok(())
        }
        EventsCommand::Show { id, at, body, api } => {
            let query = [("at", at.clone())];
            match body {
                true => {
                    let body = api::get_bytes(api, &["events", id, "body"], &query).await?;
                    style::line(&String::from_utf8_lossy(&body));
                }
                false => api::print(&api::get(api, &["events", id], &query).await?),
            }
            Ok(())
        }
    }
}

/// One event in one line.
pub(crate) fn line(item: &Value) -> String {
    format!(
        "{}  {}  {:<9}  {}  {}/{}  {} bytes  at {}",
        field(item, "id"),
        field(item, "received_at"),
        field(item, "state"),
        field(item, "type"),
        field(item, "integration"),
        field(item, "connection"),
        field(item, "bytes"),
        field(item, "at"),
    )
}
