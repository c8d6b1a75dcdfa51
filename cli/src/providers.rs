//! `gatepost providers`: what the catalogue knows, and the proof of a provider's file.

mod check;
mod page;
mod table;
mod words;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Subcommand;
use gatepost_config::{Catalogue, Provider};

use crate::{exit::Exit, load};

#[derive(Debug, Subcommand)]
pub(crate) enum ProvidersCommand {
    /// Every provider of the catalogue, your own included
    List {
        /// One JSON list, for machines
        #[arg(long)]
        json: bool,
    },
    /// All that is known of one provider
    Show {
        /// Its name
        name: String,
        /// One JSON object, for machines
        #[arg(long)]
        json: bool,
    },
    /// Read providers' files and prove each by its own vectors
    Check {
        /// The files, each named by its provider: acme-pay.toml
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// One JSON object a file, for machines
        #[arg(long)]
        json: bool,
    },
    /// Write the documentation page of every built-in provider
    Docs {
        /// Where to
        folder: PathBuf,
    },
}

/// Runs a subcommand.
pub(crate) fn providers(path: &Path, command: &ProvidersCommand) -> Result<(), Exit> {
    match command {
        ProvidersCommand::List { json } => {
            table::list(&catalogue(path)?, *json);
            Ok(())
        }
        ProvidersCommand::Show { name, json } => {
            table::show(find(&catalogue(path)?, name)?.as_ref(), *json);
            Ok(())
        }
        ProvidersCommand::Check { files, json } => check::check(files, *json),
        ProvidersCommand::Docs { folder } => page::write_all(&Catalogue::builtin(), folder),
    }
}

/// A provider by its name.
///
/// # Errors
/// When the catalogue has none, with those whose names are near.
pub(crate) fn find(catalogue: &Catalogue, name: &str) -> Result<Arc<Provider>, Exit> {
    catalogue.0.get(name).cloned().ok_or_else(|| {
        let near: Vec<_> =
            catalogue.0.keys().map(|known| known.as_str()).filter(|known| is_near(known, name)).collect();
        let hint = match near.as_slice() {
            [] => "`gatepost providers list` shows them all".to_owned(),
            near => format!("did you mean {}?", near.join(" or ")),
        };
        Exit::failed(format!("no provider {name:?} in the catalogue; {hint}"))
    })
}

fn is_near(known: &str, name: &str) -> bool {
    let bare = |text: &str| text.to_ascii_lowercase().replace(['-', '_', ' ', '.'], "");
    let (known, name) = (bare(known), bare(name));
    name.len() > 2 && (known.contains(&name) || name.contains(&known))
}

/// The built-in catalogue with the configuration's own providers, where there is a configuration.
fn catalogue(path: &Path) -> Result<Catalogue, Exit> {
    if !path.exists() {
        return Ok(Catalogue::builtin());
    }
    let options = gatepost_config::Options { without_secrets: true, ..load::options() };
    load::read(path, options).map(|loaded| loaded.config.catalogue)
}
