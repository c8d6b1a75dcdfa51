//! Loading the configuration for a command.

use std::path::Path;

use gatepost_config::{Config, load::Options};

use crate::{exit::Exit, style};

/// Loads and checks the file; warnings go to standard error.
///
/// # Errors
/// With every error of the file; the process then ends with 78.
pub(crate) fn load(path: &Path) -> Result<Config, Exit> {
    load_as(path, Options::default())
}

/// As [`load`], with options.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_as(path: &Path, options: Options) -> Result<Config, Exit> {
    let loaded = gatepost_config::load::load(path, &gatepost_config::load::std_env, options)
        .map_err(|problems| Exit::Configuration(problems.to_string()))?;
    for warning in &loaded.warnings {
        style::warning(&warning.to_string());
    }
    Ok(loaded.config)
}
