//! `gatepost connections` and `gatepost unmatched`, through the API.

mod import;
mod nango;

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Map, Value, json};

use crate::{
    api::{self, field},
    args::{ApiArgs, ListArgs},
    exit::Exit,
    style,
};

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectionsCommand {
    /// The file's, then those made, in the order of their last changes
    List {
        /// Only of this integration
        #[arg(long, value_name = "ID")]
        integration: Option<String>,
        /// Only of this tenant
        #[arg(long, value_name = "ID")]
        tenant: Option<String>,
        /// Only with this account key
        #[arg(long, value_name = "KEY")]
        account: Option<String>,
        #[command(flatten)]
        list: ListArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// One
    Show {
        #[command(flatten)]
        name: Name,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Make or replace one
    Put {
        #[command(flatten)]
        name: Name,
        /// Who owns it; when not said who owns it already, and for a new one its own id
        #[arg(long, value_name = "ID")]
        tenant: Option<String>,
        /// The provider's account key; may be given several times
        #[arg(long = "account", value_name = "KEY")]
        accounts: Vec<String>,
        /// A file with a signing secret of its own; may be given several times. It keeps those it has when not said
        #[arg(long = "secret-file", value_name = "FILE")]
        secret_files: Vec<PathBuf>,
        /// What you want to remember of it; may be given several times
        #[arg(long = "metadata", value_name = "NAME=VALUE")]
        metadata: Vec<String>,
        /// Where its events go, instead of where routes forward them
        #[arg(long, value_name = "ID")]
        destination: Option<String>,
        /// Its events wait until it is enabled
        #[arg(long)]
        disabled: bool,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Remove one; its account keys are free again
    Delete {
        #[command(flatten)]
        name: Name,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Let its events wait
    Disable {
        #[command(flatten)]
        name: Name,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Release what waited, and let events through
    Enable {
        #[command(flatten)]
        name: Name,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Say whose one is that announced itself, and release what waited for it
    Confirm {
        #[command(flatten)]
        name: Name,
        /// Who owns it from now on
        #[arg(long, value_name = "ID")]
        tenant: String,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Put many: one JSON object a line, with integration, id and what `put` takes
    Import(import::ImportArgs),
}

/// Which connection.
#[derive(Debug, clap::Args)]
pub(crate) struct Name {
    /// Its integration
    integration: String,
    /// Its id
    connection: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UnmatchedCommand {
    /// Events that no connection claims, in stored order
    List {
        /// Only of this integration
        #[arg(long, value_name = "ID")]
        integration: Option<String>,
        /// Only with this account key
        #[arg(long, value_name = "KEY", requires = "integration")]
        account: Option<String>,
        #[command(flatten)]
        list: ListArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// How many wait under which account key
    Accounts {
        /// Only of this integration
        #[arg(long, value_name = "ID")]
        integration: Option<String>,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Release everything that waits under a connection's account keys, however old
    Release {
        #[command(flatten)]
        name: Name,
        #[command(flatten)]
        api: ApiArgs,
    },
}

/// Lists, shows, puts, deletes, disables, enables, confirms or imports.
pub(crate) async fn connections(command: &ConnectionsCommand) -> Result<(), Exit> {
    match command {
        ConnectionsCommand::List { integration, tenant, account, list, api } => {
            let query = [
                ("integration", integration.clone()),
                ("tenant", tenant.clone()),
                ("account", account.clone()),
                ("limit", list.limit.map(|limit| limit.to_string())),
                ("cursor", list.cursor.clone()),
            ];
            api::print_page(api, &api::get(api, &["connections"], &query).await?, line);
        }
        ConnectionsCommand::Show { name, api } => show(api, &api::get(api, &name.path(&[]), &[]).await?),
        ConnectionsCommand::Put { name, tenant, accounts, secret_files, metadata, destination, disabled, api } => {
            let mut wish = Map::from_iter([
                ("accounts".to_owned(), json!(accounts)),
                ("metadata".to_owned(), pairs(metadata)?.into()),
                ("disabled".to_owned(), json!(disabled)),
            ]);
            wish.extend(tenant.as_ref().map(|tenant| ("tenant".to_owned(), json!(tenant))));
            wish.extend(destination.as_ref().map(|id| ("destination".to_owned(), json!(id))));
            if !secret_files.is_empty() {
                let secrets = secret_files.iter().map(secret).collect::<Result<Vec<_>, _>>()?;
                wish.insert("secrets".to_owned(), secrets.into());
            }
            show(api, &api::put(api, &name.path(&[]), &wish.into()).await?);
        }
        ConnectionsCommand::Delete { name, api } => {
            api::delete(api, &name.path(&[])).await?;
            if !api.json {
                style::line(&format!("{}/{} is gone", name.integration, name.connection));
            }
        }
        ConnectionsCommand::Disable { name, api } => tell(api, name, "disable", &json!({})).await?,
        ConnectionsCommand::Enable { name, api } => tell(api, name, "enable", &json!({})).await?,
        ConnectionsCommand::Confirm { name, tenant, api } => {
            tell(api, name, "confirm", &json!({ "tenant": tenant })).await?;
        }
        ConnectionsCommand::Import(args) => import::import(args).await?,
    }
    Ok(())
}

/// Lists, counts or releases.
pub(crate) async fn unmatched(command: &UnmatchedCommand) -> Result<(), Exit> {
    match command {
        UnmatchedCommand::List { integration, account, list, api } => {
            let query = [
                ("integration", integration.clone()),
                ("account", account.clone()),
                ("limit", list.limit.map(|limit| limit.to_string())),
                ("cursor", list.cursor.clone()),
            ];
            api::print_page(api, &api::get(api, &["unmatched"], &query).await?, |event| {
                ["id", "integration", "account", "type", "received_at", "bytes"]
                    .map(|word| field(event, word))
                    .join("  ")
            });
        }
        UnmatchedCommand::Accounts { integration, api } => {
            let query = [("integration", integration.clone())];
            api::print_page(api, &api::get(api, &["unmatched", "accounts"], &query).await?, |count| {
                ["integration", "account", "events", "oldest", "newest"].map(|word| field(count, word)).join("  ")
            });
        }
        UnmatchedCommand::Release { name, api } => {
            let wish = json!({ "integration": name.integration, "connection": name.connection });
            let released = api::post(api, &["unmatched", "release"], &wish).await?;
            match api.json {
                true => api::print(&released),
                false => style::line(&format!("{} events are released", field(&released, "events"))),
            }
        }
    }
    Ok(())
}

async fn tell(api: &ApiArgs, name: &Name, what: &str, wish: &Value) -> Result<(), Exit> {
    show(api, &api::post(api, &name.path(&[what]), wish).await?);
    Ok(())
}

fn show(api: &ApiArgs, connection: &Value) {
    match api.json {
        true => api::print(connection),
        false => style::line(&line(connection)),
    }
}

fn line(connection: &Value) -> String {
    let words = ["integration", "id", "tenant", "accounts", "state", "source"];
    words.map(|word| field(connection, word)).join("  ")
}

fn pairs(texts: &[String]) -> Result<Map<String, Value>, Exit> {
    let wrong = |text: &String| Exit::failed(format!("{text:?} is not of the form NAME=VALUE"));
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').ok_or_else(|| wrong(text))?;
        Ok((name.to_owned(), value.into()))
    };
    texts.iter().map(pair).collect()
}

fn secret(path: &PathBuf) -> Result<Value, Exit> {
    let text = std::fs::read_to_string(path).map_err(|error| Exit::failed(format!("{}: {error}", path.display())))?;
    Ok(json!({ "secret": text.trim_end_matches(['\r', '\n']) }))
}

impl Name {
    fn path<'n>(&'n self, more: &[&'n str]) -> Vec<&'n str> {
        [&["connections", &self.integration, &self.connection], more].concat()
    }
}
