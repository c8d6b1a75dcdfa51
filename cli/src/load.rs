//! Loading the configuration for a command.

use std::path::Path;

use gatepost_config::{Config, Loaded, Options, Timestamp};

use crate::{exit::Exit, style};

/// Loads and checks the file; warnings go to standard error.
///
/// # Errors
/// With every error of the file; the process then ends with 78.
pub(crate) fn load(path: &Path) -> Result<Config, Exit> {
    load_as(path, options())
}

/// As [`load`], with options.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_as(path: &Path, options: Options) -> Result<Config, Exit> {
    let loaded = read(path, options)?;
    for warning in loaded.warnings.iter() {
        // It has a place, and says that it is a warning.
        style::note(&warning.to_string());
    }
    Ok(loaded.config)
}

/// Loads and checks the file, and says nothing of its warnings.
///
/// # Errors
/// As [`load`].
pub(crate) fn read(path: &Path, options: Options) -> Result<Loaded, Exit> {
    gatepost_config::load(path, &gatepost_config::std_env, options)
        .map_err(|problems| Exit::Configuration(problems.to_string()))
}

/// How every command loads.
pub(crate) fn options() -> Options {
    Options {
        without_secrets: false,
        check_filter: Some(gatepost_router::filter::check),
        check_public_key: Some(|kind, secret| gatepost_gateway::check_public_key(kind, secret, Timestamp::now())),
    }
}
