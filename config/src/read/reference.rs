//! Texts that stand elsewhere: `{ env = "NAME" }`, `{ file = "path" }`.

use std::{fmt, path::PathBuf};

use toml::de::DeValue;

use super::{Node, Read, Table};
use crate::Timestamp;

/// Most bytes that a referred file may have; secrets and settings are short.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A text with where it came from.
pub(super) struct Text {
    pub(super) value: String,
    /// `None` when it is written out in the file itself, and may be shown.
    pub(super) from: Option<Reference>,
}

/// Where a text stands.
pub(super) enum Reference {
    Env(String),
    File { written: String, path: PathBuf },
    Sealed(String),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment {name}"),
            Self::File { written, .. } => write!(f, "file {written}"),
            Self::Sealed(_) => f.write_str("the request"),
        }
    }
}

impl Node<'_> {
    /// The text here, or where this refers to.
    pub(super) fn text(&self) -> Option<Text> {
        match self.value {
            DeValue::String(value) => Some(Text { value: value.clone().into_owned(), from: None }),
            DeValue::Table(_) => {
                let (reference, _) = self.reference(false)?;
                let bytes = self.fetch(&reference)?;
                match String::from_utf8(bytes) {
                    Ok(value) => Some(Text { value, from: Some(reference) }),
                    Err(_) => {
                        self.error(format!("is not UTF-8 text in {reference}"), "store it as text there");
                        None
                    }
                }
            }
            _ => self.wrong_type("a text", "write it in quotes, or as { env = \"NAME\" } or { file = \"path\" }"),
        }
    }

    /// Reads `{ env = "NAME" }` or `{ file = "path" }`, for secrets with an `until`.
    pub(super) fn reference(&self, secret: bool) -> Option<(Reference, Option<Timestamp>)> {
        let table = self.table()?;
        if self.spot.sheet.around().sealed.is_some() {
            // Whoever may ask the API may not read this machine's files and environment by it.
            let name = literal(&table, "sealed");
            let until =
                if secret { table.optional("until", |node| Timestamp::read(node).map(Some)) } else { Some(None) };
            table.finish();
            let Some(name) = name? else {
                self.error("is a table but should be a text", "write the text itself, in quotes");
                return None;
            };
            return Some((Reference::Sealed(name), until?));
        }
        let env = literal(&table, "env");
        let file = literal(&table, "file");
        let until = if secret { table.optional("until", |node| Timestamp::read(node).map(Some)) } else { Some(None) };
        table.finish();
        let reference = match (env?, file?) {
            (Some(name), None) => Reference::Env(name),
            (None, Some(written)) => {
                let path = self.spot.sheet.path(&written);
                Reference::File { written, path }
            }
            (Some(_), Some(_)) => {
                self.error("has both env and file", "keep one of them");
                return None;
            }
            (None, None) => {
                self.error("has neither env nor file", "write { env = \"NAME\" } or { file = \"path\" }");
                return None;
            }
        };
        Some((reference, until?))
    }

    /// The bytes that a reference stands for, without a line feed at the end of a file.
    pub(super) fn fetch(&self, reference: &Reference) -> Option<Vec<u8>> {
        match reference {
            Reference::Env(name) => match (self.spot.sheet.around.env)(name) {
                Some(value) => Some(value.into_bytes()),
                None => {
                    let remedy = format!("set {name}, or write {{ file = \"path\" }}");
                    self.error(format!("comes from environment {name}, which is not set"), remedy);
                    None
                }
            },
            Reference::Sealed(name) => {
                let found = self.spot.sheet.around().sealed.and_then(|sealed| sealed(name));
                if found.is_none() {
                    self.error("has a secret that is not there", "write the secret itself");
                }
                found
            }
            Reference::File { path, .. } => {
                let content = read_referred(path);
                self.spot.sheet.note_file(path.clone(), content.as_deref().ok());
                match content {
                    Ok(mut bytes) => {
                        trim_end(&mut bytes);
                        Some(bytes)
                    }
                    Err(why) => {
                        let remedy = "make it readable to Gatepost; relative paths start at the configuration file";
                        self.error(format!("comes from {reference}, which can't be read ({why})"), remedy);
                        None
                    }
                }
            }
        }
    }
}

/// A text that may not itself be a reference; `None` after noting what it is instead.
fn literal(table: &Table<'_>, name: &'static str) -> Option<Option<String>> {
    let Some(node) = table.get(name) else { return Some(None) };
    match node.value {
        DeValue::String(value) if !value.is_empty() => Some(Some(value.clone().into_owned())),
        DeValue::String(_) => {
            node.error("is empty", format!("write {name} = \"...\""));
            None
        }
        _ => node.wrong_type("a text", "write it in quotes"),
    }
}

/// Reads a file that a reference names; why not, in words.
pub(crate) fn read_referred(path: &std::path::Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    if !file.metadata().map_err(|error| error.to_string())?.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(format!("it has more than {} KiB", FILE_BYTES_MAX / 1024));
    }
    Ok(bytes)
}

fn trim_end(bytes: &mut Vec<u8>) {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
}
