//! Whether files have changed, by their content.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{provider::overlay, read::read_referred};

/// What a configuration was made of: the hash of its file and of each file it refers to, `None` for one that couldn't be
/// read, and which files its folder of providers had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    text: Option<Hash>,
    files: BTreeMap<PathBuf, Option<Hash>>,
    folders: Folders,
}

/// The providers' files of each folder.
type Folders = BTreeMap<PathBuf, Option<Vec<PathBuf>>>;

type Hash = [u8; 32];

impl Fingerprint {
    /// Of a text, with the content of each file that its references named, as it was read.
    pub(crate) fn new(text: &str, files: BTreeMap<PathBuf, Option<Hash>>, folders: Folders) -> Self {
        Self { text: Some(hash(text.as_bytes())), files, folders }
    }

    /// Of a file that couldn't be read, or is no text.
    pub(super) fn unreadable(path: &Path) -> Self {
        Self { text: hash_of_file(path), files: BTreeMap::new(), folders: Folders::new() }
    }

    /// Whether every file still has the content it had.
    pub(super) fn is_current(&self, path: &Path) -> bool {
        hash_of_file(path) == self.text
            && self.folders.iter().all(|(path, before)| overlay::list(path).ok() == *before)
            && self.files.iter().all(|(path, before)| hash_of_referred(path) == *before)
    }
}

fn hash_of_file(path: &Path) -> Option<Hash> {
    std::fs::read(path).ok().map(|bytes| hash(&bytes))
}

fn hash_of_referred(path: &Path) -> Option<Hash> {
    read_referred(path).ok().map(|bytes| hash(&bytes))
}

/// The hash that a file is compared by.
pub(crate) fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}
