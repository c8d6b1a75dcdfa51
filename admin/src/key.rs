//! The key that a request carries: one of the file's, or one that was made through the API.

use std::{net::IpAddr, time::Instant};

use gatepost_config::{Secret, Timestamp};
use gatepost_event::{KeyId, registry::Kind};
use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::{
    access::{Caller, Scope},
    keys::Record,
    problem::Problem,
    serve::Admin,
};

/// The longest key that is looked at.
const KEY_BYTES_MAX: usize = 4096;

/// Who asks, by the key in `authorization: Bearer KEY`.
///
/// # Errors
/// 401 when there is none that fits, 429 when there were too many such from there, 503 when the store can't be asked.
pub(crate) async fn caller(admin: &Admin, headers: &HeaderMap, from: IpAddr) -> Result<Caller, Problem> {
    let key = bearer(headers).ok_or_else(Problem::no_key)?;
    let allowed = admin.config.borrow().admin.wrong_keys_a_minute;
    admin.failures.admit(from, key, allowed, Instant::now()).map_err(Problem::too_many_wrong_keys)?;
    let owner = owner(admin, key).await?;
    match owner {
        Some(_) => admin.failures.passed(key, Instant::now()),
        None => admin.failures.failed(from, key, allowed, Instant::now()),
    }
    owner.ok_or_else(Problem::no_key)
}

/// Whose a key is; none when it is wrong.
async fn owner(admin: &Admin, key: &[u8]) -> Result<Option<Caller>, Problem> {
    let now = Timestamp::now();
    let bootstrap = bootstrap(&admin.config.borrow().admin.api_keys, key, now);
    if let Some(source) = bootstrap {
        return Ok(Some(Caller::new(format!("admin.api_keys ({source})"), vec![Scope::Admin], None)));
    }
    let Some((id, secret)) = split(key) else { return Ok(None) };
    let Some(entry) = admin.store.entry(Kind::Key, &id.to_string()).await? else { return Ok(None) };
    let record: Record =
        serde_json::from_slice(&entry.value).map_err(|error| Problem::unreadable("key", &entry.id, &error))?;
    let fits = record.fits(secret) && record.is_active(now);
    Ok(fits.then(|| Caller::new(record.who(), record.scopes.clone(), record.tenant.clone())))
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return None };
    let (scheme, key) = value.as_bytes().split_first_chunk::<7>()?;
    (scheme.eq_ignore_ascii_case(b"bearer ") && (1..=KEY_BYTES_MAX).contains(&key.len())).then_some(key)
}

/// Where the file's key comes from that this is. Takes the same time whichever it is, and however much of it is right.
fn bootstrap(keys: &[Secret], given: &[u8], now: Timestamp) -> Option<String> {
    // Hashes have one length, so that the comparison tells nothing of the key's.
    let given = Sha256::digest(given);
    let active: Vec<&Secret> = keys.iter().filter(|key| key.is_active(now) && !key.expose().is_empty()).collect();
    let fit: Vec<Choice> = active.iter().map(|key| Sha256::digest(key.expose()).ct_eq(&given)).collect();
    let found = active.iter().zip(fit).find(|(_, fits)| bool::from(*fits));
    found.map(|(key, _)| key.source().to_owned())
}

/// `gpk_<id>.<secret>`
fn split(key: &[u8]) -> Option<(KeyId, &str)> {
    let (id, secret) = std::str::from_utf8(key).ok()?.split_once('.')?;
    Some((id.parse().ok()?, secret))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let value = |value: &&str| (header::AUTHORIZATION, HeaderValue::from_str(value).expect("text"));
        values.iter().map(value).collect()
    }

    fn fits(keys: &[Secret], values: &[&str]) -> bool {
        let headers = headers(values);
        bearer(&headers).is_some_and(|key| bootstrap(keys, key, Timestamp::from_millis(2)).is_some())
    }

    #[test]
    fn only_a_whole_active_key_fits() {
        let expired = Secret::new(b"expired".to_vec(), "test").expiring(Timestamp::from_millis(1));
        let keys = [
            Secret::new(b"one".to_vec(), "test"),
            Secret::new(b"two".to_vec(), "test"),
            expired,
            Secret::new(Vec::new(), "test"),
        ];
        for good in ["Bearer one", "bearer two"] {
            assert!(fits(&keys, &[good]), "{good}");
        }
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer on",
            "Bearer onex",
            "Bearer ONE",
            "Basic one",
            "one",
            "Bearer expired",
            "Bearer  one",
        ] {
            assert!(!fits(&keys, &[bad]), "{bad}");
        }
        assert!(!fits(&keys, &[]), "none at all");
        assert!(!fits(&keys, &["Bearer one", "Bearer one"]), "two");
        assert!(!fits(&[], &["Bearer one"]), "no keys");
    }

    #[test]
    fn a_made_key_is_its_id_and_its_secret() {
        let id = KeyId::fresh(Timestamp::from_millis(1));
        let key = format!("{id}.secret.with.dots");
        assert_eq!(split(key.as_bytes()), Some((id, "secret.with.dots")));
        for bad in ["", "gpk_", "gpk_x.y", "secret", &id.to_string()] {
            assert_eq!(split(bad.as_bytes()), None, "{bad}");
        }
    }
}
