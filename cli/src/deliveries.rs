//! `gatepost deliveries`: how they stand, seen through the API.

use clap::Subcommand;
use gatepost_config::Timestamp;
use serde_json::{Value, json};

use crate::{
    api::{self, field},
    args::{ApiArgs, FilterArgs, ListArgs, WhenArgs},
    exit::Exit,
    jobs::WaitArgs,
    replays,
};

#[derive(Debug, Subcommand)]
pub(crate) enum DeliveriesCommand {
    /// Deliveries, newest event first
    List {
        /// Only those that stand so: waiting, delivered, synced, dead
        #[arg(long, value_name = "STATUS")]
        status: Option<String>,
        #[command(flatten)]
        filter: FilterArgs,
        /// Only to this destination
        #[arg(long, value_name = "ID")]
        destination: Option<String>,
        /// Only those that died of this: exhausted, final_status, filter_error, expired, unreadable
        #[arg(long, value_name = "REASON")]
        reason: Option<String>,
        #[command(flatten)]
        when: WhenArgs,
        #[command(flatten)]
        list: ListArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// All that is known of a delivery; of a dead letter with its body
    Show {
        /// Its id (dlv_...)
        id: String,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Deliver a dead letter once more
    Replay {
        /// Its id (dlv_...)
        id: String,
        /// Under a fresh webhook-id
        #[arg(long)]
        new_ids: bool,
        #[command(flatten)]
        wait: WaitArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
}

/// Lists, shows or replays.
pub(crate) async fn deliveries(command: &DeliveriesCommand) -> Result<(), Exit> {
    match command {
        DeliveriesCommand::List { status, filter, destination, reason, when, list, api } => {
            let now = Timestamp::now();
            let query = [
                ("since", api::time(when.since.as_ref(), now)?),
                ("until", api::time(when.until.as_ref(), now)?),
                ("status", status.clone()),
                ("integration", filter.integration.clone()),
                ("connection", filter.connection.clone()),
                ("type", filter.kind.clone()),
                ("destination", destination.clone()),
                ("reason", reason.clone()),
                ("limit", list.limit.map(|limit| limit.to_string())),
                ("cursor", list.cursor.clone()),
            ];
            api::print_page(api, &api::get(api, &["deliveries"], &query).await?, line);
            Ok(())
        }
        DeliveriesCommand::Show { id, api } => {
            api::print(&api::get(api, &["deliveries", id], &[]).await?);
            Ok(())
        }
        DeliveriesCommand::Replay { id, new_ids, wait, api } => {
            // One that isn't there is an error now, not a replay that finds nothing.
            let delivery = api::get(api, &["deliveries", id], &[]).await?;
            let asked = api::post(api, &["replays"], &json!({ "delivery": id, "new_ids": new_ids })).await?;
            let replay = replays::follow(api, &asked, *wait).await?;
            match field(&replay, "progress.matched").as_str() {
                "0" => Err(Exit::failed(no_letter(id, &delivery))),
                _ => Ok(()),
            }
        }
    }
}

/// Why a replay found no dead letter, and what would deliver it again.
fn no_letter(id: &str, delivery: &Value) -> String {
    let again = format!(
        "gatepost replays create --reroute --event {} --destination {}",
        field(delivery, "event.id"),
        field(delivery, "destination")
    );
    match field(delivery, "status").as_str() {
        "waiting" => format!("{id} is no dead letter: it waits, and is tried again by itself"),
        "dead" => format!("{id} is no dead letter any more: it was replayed already"),
        status => format!("{id} is no dead letter but {status}; to deliver the event once more: {again}"),
    }
}

fn line(item: &Value) -> String {
    let last = match field(item, "last_attempt.status").as_str() {
        "-" => field(item, "last_attempt.error"),
        status => format!("status {status}"),
    };
    format!(
        "{}  {:<9}  {:<12}  {} -> {}  {} attempts, last {last}  {}",
        field(item, "id"),
        field(item, "status"),
        field(item, "reason"),
        field(item, "event.type"),
        field(item, "destination"),
        field(item, "attempts"),
        field(item, "event.id"),
    )
}
