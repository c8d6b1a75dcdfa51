//! `gatepost events`: what is stored, seen through the API.

use clap::Subcommand;
use gatepost_config::Timestamp;
use serde_json::Value;

use crate::{
    api::{self, field},
    args::{ApiArgs, FilterArgs, ListArgs, WhenArgs},
    exit::Exit,
    style,
};

#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Stored events, newest first
    List {
        #[command(flatten)]
        filter: FilterArgs,
        /// Only of this tenant
        #[arg(long, value_name = "ID")]
        tenant: Option<String>,
        /// Only of this account
        #[arg(long, value_name = "KEY")]
        account: Option<String>,
        /// Only those that stand so: waiting, delivered, synced, dead, filtered, unrouted, unmatched
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
        #[command(flatten)]
        when: WhenArgs,
        #[command(flatten)]
        list: ListArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// One event
    Show {
        /// Its id (evt_...)
        id: String,
        /// Its place, as the list gives it; finds it at once
        #[arg(long, value_name = "PLACE")]
        at: Option<String>,
        /// The provider's exact bytes instead
        #[arg(long)]
        body: bool,
        #[command(flatten)]
        api: ApiArgs,
    },
}

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
