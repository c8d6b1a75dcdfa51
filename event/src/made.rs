//! Destinations that are made through the API: their settings as JSON, their secrets sealed beside them.

use std::collections::BTreeMap;

use gatepost_config::{Destination, DestinationId, TenantId, Timestamp, destination};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Keyring, SealError, SealedSecret, SecretName, SecretPurpose, registry::Entry};

/// A destination as the registry keeps it, under its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// Its id.
    pub id: DestinationId,
    /// Whose it is.
    pub tenant: Option<TenantId>,
    /// The settings of a `[[destination]]`, secrets written as `{ "sealed": name }`.
    pub settings: Map<String, Value>,
    /// All of its secrets, by their names.
    pub sealed: Option<SealedSecret>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// Secrets by their names.
pub type Secrets = BTreeMap<String, String>;

impl Made {
    /// The record of a registry's entry.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(entry: &Entry) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(&entry.value)
    }

    /// Seals secrets as this destination's.
    ///
    /// # Errors
    /// When there is no master key, or no random number.
    pub fn seal(
        id: &DestinationId,
        keys: &Keyring,
        secrets: &Secrets,
        now: Timestamp,
    ) -> Result<Option<SealedSecret>, SealError> {
        if secrets.is_empty() {
            return Ok(None);
        }
        let text = serde_json::to_vec(secrets).map_err(|_| SealError::Broken)?;
        keys.seal(name(id)?, &text, now).map(Some)
    }

    /// Its secrets.
    ///
    /// # Errors
    /// When no master key opens them, or they are another's.
    pub fn secrets(&self, keys: &Keyring) -> Result<Secrets, SealError> {
        let Some(sealed) = &self.sealed else { return Ok(Secrets::new()) };
        if sealed.name != name(&self.id)? {
            return Err(SealError::Broken);
        }
        serde_json::from_slice(keys.open(sealed)?.expose()).map_err(|_| SealError::Broken)
    }

    /// What it is, read as the file's are.
    ///
    /// # Errors
    /// In words, when it can't be read any more: a master key is gone, or the settings are of a later version.
    pub fn destination(&self, keys: &Keyring) -> Result<Destination, String> {
        let secrets = self.secrets(keys).map_err(|error| error.to_string())?;
        destination(&self.settings, &|name| secrets.get(name).map(|text| text.as_bytes().to_vec()))
            .map_err(|problems| problems.to_string())
    }
}

fn name(id: &DestinationId) -> Result<SecretName, SealError> {
    let integration = id.as_str().parse().map_err(|_| SealError::Broken)?;
    Ok(SecretName { integration, connection: None, purpose: SecretPurpose::Destination })
}
