//! What a connection's record may hold.

use super::{LinkError, Linked};

/// Account keys of one connection.
pub const ACCOUNTS_MAX: usize = 64;
/// Bytes of an account key; the gateway reads no longer one.
pub const ACCOUNT_BYTES_MAX: usize = 1024;
/// Secrets of one connection.
pub const SECRETS_MAX: usize = 8;
/// Bytes of a secret.
pub const SECRET_BYTES: std::ops::RangeInclusive<usize> = 8..=4096;
/// Entries of a connection's metadata.
pub const METADATA_MAX: usize = 50;
/// Bytes of a key and of a value of the metadata.
pub const METADATA_BYTES_MAX: (usize, usize) = (64, 1024);

/// Whether every field is within its bounds.
pub(super) fn check(linked: &Linked) -> Result<(), LinkError> {
    let invalid = |field, message: String| Err(LinkError::Invalid { field, message });
    let accounts = &linked.accounts;
    if accounts.len() > ACCOUNTS_MAX {
        return invalid("accounts", format!("has {} keys; give at most {ACCOUNTS_MAX}", accounts.len()));
    }
    if accounts.iter().any(|account| account.is_empty() || account.len() > ACCOUNT_BYTES_MAX) {
        return invalid("accounts", format!("has a key that is empty or longer than {ACCOUNT_BYTES_MAX} bytes"));
    }
    if let Some(twice) = accounts.iter().enumerate().find(|(at, key)| accounts.iter().take(*at).any(|a| a == *key)) {
        return invalid("accounts", format!("has {:?} twice; give each key once", twice.1));
    }
    if linked.secrets.len() > SECRETS_MAX {
        return invalid("secrets", format!("has {}; give at most {SECRETS_MAX}", linked.secrets.len()));
    }
    if linked.metadata.len() > METADATA_MAX {
        return invalid("metadata", format!("has {} entries; give at most {METADATA_MAX}", linked.metadata.len()));
    }
    let (key_max, value_max) = METADATA_BYTES_MAX;
    let fits = |(key, value): (&String, &String)| (1..=key_max).contains(&key.len()) && value.len() <= value_max;
    if !linked.metadata.iter().all(fits) {
        return invalid("metadata", format!("has a key over {key_max} or a value over {value_max} bytes, or no key"));
    }
    Ok(())
}
