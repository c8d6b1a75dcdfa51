//! `gatepost destinations`: how they stand, through the API.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::{
    api::{self, field},
    args::{ApiArgs, ListArgs},
    exit::Exit,
    style,
};

#[derive(Debug, Subcommand)]
pub(crate) enum DestinationsCommand {
    /// All, by id, with their state
    List {
        #[command(flatten)]
        list: ListArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// One
    Show {
        /// Its id
        id: String,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Make or replace one: a file with the settings of a `[[destination]]` as JSON; `-` for standard input
    Put {
        /// Its id
        id: String,
        /// The file
        file: String,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Remove one that was made through the API
    Delete {
        /// Its id
        id: String,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Sign with a new secret, which is printed once, and for a while with the old ones too
    Rotate {
        /// Its id
        id: String,
        /// Seconds that the old ones go on signing; a day when not said
        #[arg(long, value_name = "SECONDS")]
        overlap: Option<u64>,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Deliver a signed sample
    Test {
        /// Its id
        id: String,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Let its deliveries wait
    Pause {
        /// Its id
        id: String,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Let its deliveries go on, also when its answers had disabled it
    Resume {
        /// Its id
        id: String,
        #[command(flatten)]
        api: ApiArgs,
    },
}

/// Lists, shows, pauses or resumes.
pub(crate) async fn destinations(command: &DestinationsCommand) -> Result<(), Exit> {
    match command {
        DestinationsCommand::List { list, api } => {
            let query = [("limit", list.limit.map(|limit| limit.to_string())), ("cursor", list.cursor.clone())];
            api::print_page(api, &api::get(api, &["destinations"], &query).await?, line);
        }
        DestinationsCommand::Show { id, api } => show(api, &api::get(api, &["destinations", id], &[]).await?),
        DestinationsCommand::Put { id, file, api } => {
            let settings = read(file)?;
            show(api, &api::put(api, &["destinations", id], &settings).await?);
        }
        DestinationsCommand::Delete { id, api } => {
            api::delete(api, &["destinations", id]).await?;
            if !api.json {
                style::line(&format!("{id} is gone"));
            }
        }
        DestinationsCommand::Rotate { id, overlap, api } => {
            let rotation = json!({ "overlap_seconds": overlap });
            let rotated = api::post(api, &["destinations", id, "rotate"], &rotation).await?;
            match api.json {
                true => api::print(&rotated),
                false => {
                    style::line(&field(&rotated, "secret"));
                    style::note(&format!(
                        "It is not shown again. The old ones sign until {}.",
                        field(&rotated, "until")
                    ));
                }
            }
        }
        DestinationsCommand::Test { id, api } => {
            let tested = api::post(api, &["destinations", id, "test"], &json!({})).await?;
            match api.json {
                true => api::print(&tested),
                false => {
                    style::line(&format!("{} is on its way", field(&tested, "event")));
                    style::note(&format!("What the destination answers: gatepost trace {}", field(&tested, "event")));
                }
            }
        }
        DestinationsCommand::Pause { id, api } => tell(api, id, "pause").await?,
        DestinationsCommand::Resume { id, api } => tell(api, id, "resume").await?,
    }
    Ok(())
}

fn read(file: &str) -> Result<Value, Exit> {
    let text = match file {
        "-" => std::io::read_to_string(std::io::stdin()),
        path => std::fs::read_to_string(path),
    };
    let text = text.map_err(|error| Exit::failed(format!("{file}: {error}")))?;
    serde_json::from_str(&text).map_err(|error| Exit::failed(format!("{file}: is no JSON ({error})")))
}

async fn tell(api: &ApiArgs, id: &str, what: &str) -> Result<(), Exit> {
    show(api, &api::post(api, &["destinations", id, what], &json!({})).await?);
    Ok(())
}

fn show(api: &ApiArgs, destination: &Value) {
    match api.json {
        true => api::print(destination),
        false => style::line(&line(destination)),
    }
}

fn line(destination: &Value) -> String {
    let words = ["id", "tenant", "state", "disabled.why", "failing_since"].map(|word| field(destination, word));
    format!("{}  {}  {}", words.join("  "), answers(destination), field(destination, "url"))
}

/// Whether it answers; `-` when no router has said so lately.
fn answers(destination: &Value) -> String {
    match destination.get("answering").and_then(Value::as_bool) {
        Some(true) => "answers".to_owned(),
        Some(false) => format!("unanswering since {}", field(destination, "unanswering_since")),
        None => "-".to_owned(),
    }
}
