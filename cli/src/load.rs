//! Loading the configuration for a command.

use std::path::Path;

use gatepost_config::{Config, Loaded, Options};

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
    let loaded = read(path, options)?;
    for warning in loaded.warnings.iter() {
        style::warning(&warning.to_string());
    }
    Ok(loaded.config)
}

/// Loads and checks the file, filters included, and says nothing of its warnings.
///
/// # Errors
/// As [`load`].
pub(crate) fn read(path: &Path, options: Options) -> Result<Loaded, Exit> {
    let loaded = gatepost_config::load(path, &gatepost_config::std_env, options)
        .map_err(|problems| Exit::Configuration(problems.to_string()))?;
    check_filters(&loaded.config)?;
    Ok(loaded)
}

/// Compiles every route's filter, which needs the router's language.
fn check_filters(config: &Config) -> Result<(), Exit> {
    let filters = config.routes.iter().filter_map(|route| Some((&route.id, route.filter.as_ref()?)));
    let compile = |(id, filter): (_, &String)| {
        let error = gatepost_router::filter::check(filter).err()?;
        Some(format!("route {id}: filter: {error}"))
    };
    let bad: Vec<_> = filters.filter_map(compile).collect();
    if bad.is_empty() { Ok(()) } else { Err(Exit::Configuration(bad.join("\n"))) }
}
