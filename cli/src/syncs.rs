//! `gatepost syncs`: how they stand, and runs asked for, through the API.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::{
    api::{self, field},
    args::{ApiArgs, ListArgs},
    exit::Exit,
    style,
};

#[derive(Debug, Subcommand)]
pub(crate) enum SyncsCommand {
    /// Those that have been run, with when, and when the next backstop is; then those that never ran
    List {
        /// Only those of an engine
        #[arg(long)]
        engine: Option<String>,
        /// Only those of a connection
        #[arg(long)]
        connection: Option<String>,
        #[command(flatten)]
        list: ListArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// One
    Show {
        #[command(flatten)]
        sync: SyncArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Ask for a run now
    Trigger {
        #[command(flatten)]
        sync: SyncArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Let all runs of an engine wait; none that is owed is lost
    Pause {
        /// The engine
        engine: String,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Let them go on
    Resume {
        /// The engine
        engine: String,
        #[command(flatten)]
        api: ApiArgs,
    },
}

/// A sync of a connection.
#[derive(Debug, clap::Args)]
pub(crate) struct SyncArgs {
    /// Its engine
    pub(crate) engine: String,
    /// The connection's integration
    pub(crate) integration: String,
    /// The connection
    pub(crate) connection: String,
    /// What the engine calls it
    pub(crate) sync: String,
}

/// Lists, shows, asks for a run, pauses or resumes.
pub(crate) async fn syncs(command: &SyncsCommand) -> Result<(), Exit> {
    match command {
        SyncsCommand::List { engine, connection, list, api } => {
            let query = [
                ("limit", list.limit.map(|limit| limit.to_string())),
                ("cursor", list.cursor.clone()),
                ("engine", engine.clone()),
                ("connection", connection.clone()),
            ];
            api::print_page(api, &api::get(api, &["syncs"], &query).await?, line);
        }
        SyncsCommand::Show { sync, api } => show(api, &api::get(api, &path(sync), &[]).await?),
        SyncsCommand::Trigger { sync, api } => {
            let path = [path(sync).as_slice(), &["trigger"]].concat();
            show(api, &api::post(api, &path, &json!({})).await?);
        }
        SyncsCommand::Pause { engine, api } => tell(api, engine, "pause").await?,
        SyncsCommand::Resume { engine, api } => tell(api, engine, "resume").await?,
    }
    Ok(())
}

async fn tell(api: &ApiArgs, engine: &str, what: &str) -> Result<(), Exit> {
    let told = api::post(api, &["syncs", engine, what], &json!({})).await?;
    let is = |word: &str| told.get(word).and_then(Value::as_bool) == Some(true);
    match () {
        () if api.json => api::print(&told),
        () if is("paused_in_file") => {
            style::line(&format!("{engine} is paused in the file, where only the file can resume it"));
        }
        () if is("paused") => style::line(&format!("{engine} is paused")),
        () => style::line(&format!("{engine} runs syncs")),
    }
    Ok(())
}

fn path(sync: &SyncArgs) -> [&str; 5] {
    ["syncs", &sync.engine, &sync.integration, &sync.connection, &sync.sync]
}

fn show(api: &ApiArgs, sync: &Value) {
    match api.json {
        true => api::print(sync),
        false => style::line(&line(sync)),
    }
}

fn line(sync: &Value) -> String {
    let id = ["engine", "integration", "connection", "sync"].map(|word| field(sync, word)).join("/");
    let is = |word: &str| sync.get(word) == Some(&Value::Bool(true));
    let ran = match is("never_ran") {
        true => "never ran".to_owned(),
        false => ["triggered_at", "succeeded_at"].map(|word| field(sync, word)).join("  "),
    };
    let next = ["backstop_at", "failures", "error"].map(|word| field(sync, word)).join("  ");
    let paused = if is("paused") { "  paused" } else { "" };
    format!("{id}  {ran}  {next}{paused}")
}
