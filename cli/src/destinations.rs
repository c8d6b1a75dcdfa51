//! `gatepost destinations`: how they stand, through the API.

use serde_json::{Value, json};

use crate::{
    api::{self, field},
    args::{ApiArgs, DestinationsCommand},
    exit::Exit,
    style,
};

/// Lists, shows, pauses or resumes.
pub(crate) async fn destinations(command: &DestinationsCommand) -> Result<(), Exit> {
    match command {
        DestinationsCommand::List { list, api } => {
            let query = [("limit", list.limit.map(|limit| limit.to_string())), ("cursor", list.cursor.clone())];
            api::print_page(api, &api::get(api, &["destinations"], &query).await?, line);
        }
        DestinationsCommand::Show { id, api } => show(api, &api::get(api, &["destinations", id], &[]).await?),
        DestinationsCommand::Pause { id, api } => tell(api, id, "pause").await?,
        DestinationsCommand::Resume { id, api } => tell(api, id, "resume").await?,
    }
    Ok(())
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
    let words = ["id", "tenant", "state", "disabled.why", "failing_since", "url"];
    words.map(|word| field(destination, word)).join("  ")
}
