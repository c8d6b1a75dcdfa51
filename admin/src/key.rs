//! Who may use the API.

use gatepost_config::{Secret, Timestamp};
use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// Whether a request carries one of the keys, as `authorization: Bearer KEY`. Takes the same time whichever it is, and
/// however much of it is right.
pub(crate) fn fits(keys: &[Secret], headers: &HeaderMap) -> bool {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return false };
    let Some(key) = value
        .as_bytes()
        .split_first_chunk::<7>()
        .and_then(|(scheme, key)| scheme.eq_ignore_ascii_case(b"bearer ").then_some(key))
    else {
        return false;
    };
    if key.is_empty() {
        return false;
    }
    let now = Timestamp::now();
    // Hashes have one length, so that the comparison tells nothing of the key's.
    let given = Sha256::digest(key);
    let active = keys.iter().filter(|key| key.is_active(now) && !key.expose().is_empty());
    let found = active.fold(Choice::from(0), |found, key| found | Sha256::digest(key.expose()).ct_eq(&given));
    found.into()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let value = |value: &&str| (header::AUTHORIZATION, HeaderValue::from_str(value).expect("text"));
        values.iter().map(value).collect()
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
            assert!(fits(&keys, &headers(&[good])), "{good}");
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
            assert!(!fits(&keys, &headers(&[bad])), "{bad}");
        }
        assert!(!fits(&keys, &headers(&[])), "none at all");
        assert!(!fits(&keys, &headers(&["Bearer one", "Bearer one"])), "two");
        assert!(!fits(&[], &headers(&["Bearer one"])), "no keys");
    }
}
