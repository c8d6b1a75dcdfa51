//! The demo configuration: real files in a folder of their own, so that every other command works on it too.

use std::{
    fs,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tempfile::TempDir;
use url::Url;

use crate::{exit::Exit, secret};

/// Integrations of the demo: id, and the secret's file.
const INTEGRATIONS: [&str; 5] = ["github", "stripe", "slack", "standard-webhooks", "acme-billing"];
/// The file with the API's key.
const API_KEY: &str = "api.secret";
/// The rest of the file.
const TEMPLATE: &str = include_str!("demo.toml");

/// The demo's folder; it goes when this is dropped.
pub(crate) struct Home {
    folder: TempDir,
    address: String,
    signing: String,
}

impl Home {
    /// Makes the folder and its secrets.
    ///
    /// # Errors
    /// When the folder can't be written.
    pub(crate) fn create(address: &str) -> Result<Self, Exit> {
        let folder = tempfile::Builder::new().prefix("gatepost-dev-").tempdir().map_err(|error| unwritable(&error))?;
        let signing = secret::fresh();
        private(&folder.path().join("signing.secret"), &signing)?;
        private(&folder.path().join(API_KEY), &secret::fresh())?;
        for integration in INTEGRATIONS {
            private(&folder.path().join(format!("{integration}.secret")), &secret::fresh())?;
        }
        Ok(Self { folder, address: address.to_owned(), signing })
    }

    /// Writes the configuration, once it is known where deliveries go.
    ///
    /// # Errors
    /// When the folder can't be written.
    pub(crate) fn write(&self, backend: &Url) -> Result<(), Exit> {
        let text = TEMPLATE.replace("@listen@", &self.address).replace("@backend@", backend.as_str());
        private(&self.config(), &text)
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("gatepost.toml")
    }

    /// The file with the API's key.
    pub(crate) fn api_key_file(&self) -> PathBuf {
        self.folder.path().join(API_KEY)
    }

    /// The key that deliveries are signed with.
    pub(crate) fn signing_key(&self) -> Vec<u8> {
        STANDARD.decode(self.signing.trim_start_matches("whsec_")).unwrap_or_default()
    }
}

/// Writes a file that only this user may read.
pub(crate) fn private(path: &Path, text: &str) -> Result<(), Exit> {
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|error| Exit::failed(format!("can't write {}: {error}", path.display())))
}

fn unwritable(error: &std::io::Error) -> Exit {
    Exit::failed(format!("can't make a folder for the demo: {error}"))
}
