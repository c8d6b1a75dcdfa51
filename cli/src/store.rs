//! `gatepost store init` and `gatepost store check`

use std::path::Path;

use clap::Subcommand;
use gatepost_config::Engine;
use gatepost_event::store::{OpenError, embedded, nats};

use crate::{exit::Exit, load, style};

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Create what is missing, with the credential of the configuration given
    Init,
    /// Compare what is there with what should be; change nothing
    Check,
}

/// Sets up or compares the store that the configuration names.
pub(crate) async fn store(path: &Path, command: &StoreCommand) -> Result<(), Exit> {
    let config = load::load(path)?;
    let failed = |error: OpenError| Exit::failed(error.to_string());
    match (&config.store.engine, command) {
        (Engine::Embedded { path }, StoreCommand::Init) => {
            style::line(&format!("Nothing to do: the embedded store in {} makes itself.", path.display()));
            Ok(())
        }
        (Engine::Embedded { path }, StoreCommand::Check) => {
            for line in embedded::inspect(path).map_err(failed)? {
                style::line(&line);
            }
            Ok(())
        }
        (Engine::Nats(settings), StoreCommand::Init) => {
            for line in nats::init(settings, &config.store, &config.retention).await.map_err(failed)? {
                style::line(&line);
            }
            Ok(())
        }
        (Engine::Nats(settings), StoreCommand::Check) => {
            let differences = nats::check(settings, &config.store, &config.retention).await.map_err(failed)?;
            if differences.is_empty() {
                style::line("The store is as it should be.");
                return Ok(());
            }
            for line in &differences {
                style::line(line);
            }
            Err(Exit::failed(
                "the store differs from what the configuration asks for; `gatepost store init` changes it",
            ))
        }
    }
}
