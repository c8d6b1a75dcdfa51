//! From a file to a checked configuration.

mod check;
mod document;
mod made;

pub use made::destination;

use std::path::Path;

use crate::{
    Catalogue, Config, Place, Problem, Problems, Secret, Severity,
    provider::SchemeKind,
    read::{Sheet, Surroundings},
    reload::Fingerprint,
};

/// A configuration that may be used.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What a person should look at all the same.
    pub warnings: Problems,
    /// What it was made of.
    pub(crate) seen: Fingerprint,
}

/// Says what is wrong with an expression over a variable of this name.
pub type FilterCheck = fn(&str, &str) -> Result<(), String>;

/// Says why a secret holds no public key that a check of this kind takes; anything will do for checks by other keys.
pub type PublicKeyCheck = fn(&SchemeKind, &Secret) -> Result<(), String>;

/// How to load.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Leave secrets unread (`gatepost check --without-secrets`). What stands for them is random: such a configuration
    /// verifies and signs nothing.
    pub without_secrets: bool,
    /// Whether a route's filter or an engine's body is one, and if not why; the language is the router's. Any will do when
    /// absent.
    pub check_filter: Option<FilterCheck>,
    /// Whether a secret holds a public key, and if not why; the gateway reads them. Any will do when absent.
    pub check_public_key: Option<PublicKeyCheck>,
}

/// Loads and checks a file.
///
/// # Errors
/// With everything that is wrong, warnings too.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>, options: Options) -> Result<Loaded, Problems> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, path, env, options),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// Checks the text of a file; `path` names it in messages, and references to files start at its folder.
///
/// # Errors
/// With everything that is wrong, warnings too.
pub fn parse(
    text: &str,
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    options: Options,
) -> Result<Loaded, Problems> {
    parse_noting_files(text, path, env, options, None).0
}

/// As [`parse`], with what the files were even when something is wrong.
pub(crate) fn parse_noting_files(
    text: &str,
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    options: Options,
    served: Option<&Catalogue>,
) -> (Result<Loaded, Problems>, Fingerprint) {
    let folder = path.parent().unwrap_or(Path::new(""));
    let sheet =
        Sheet::new(&path.display().to_string(), text, Surroundings { env, folder, options, served, sealed: None });
    let config = document::read(&sheet, text);
    let (problems, seen) = sheet.into_parts();
    let problems = Problems::new(problems);
    let result = match config {
        Some(config) if !problems.has_errors() => Ok(Loaded { config, warnings: problems, seen: seen.clone() }),
        _ => Err(problems),
    };
    (result, seen)
}

/// A variable of the process's environment; `None` when it is absent or not UTF-8. For [`load`], at the edge.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn std_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Problems {
    let remedy = match error.kind() {
        std::io::ErrorKind::NotFound => "name it with --config, or make one with `gatepost init PROVIDER`",
        _ => "make it readable to Gatepost",
    };
    Problems::new(vec![Problem {
        place: Place { file: path.display().to_string().into(), line: 1, column: 1 },
        key: String::new(),
        message: format!("can't be read ({error})"),
        remedy: remedy.to_owned(),
        severity: Severity::Error,
    }])
}
