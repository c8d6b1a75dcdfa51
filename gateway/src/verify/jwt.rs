//! JSON Web Tokens, strictly: the algorithms are the provider's file's, and keys that a token brings along are not
//! looked at.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gatepost_config::{
    Timestamp,
    provider::{Algorithm, Hash, Jwt, JwtAlgorithm, JwtTime, Pointer},
};
use subtle::ConstantTimeEq;

use super::{
    Look, active_keys,
    asymmetric::public_keys,
    chain::Shown,
    hash::{Hasher, Keying},
    parse, signature_texts,
};
use crate::{
    extract::json::{self, Trie},
    reason::Reason,
};

/// How far clocks may differ, in seconds.
const LEEWAY_SECONDS: i64 = 60;

/// A token, taken apart.
struct Token<'a> {
    /// What is signed, but for a detached payload.
    head: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
    algorithm: JwtAlgorithm,
    key_id: Option<String>,
    /// Its certificates, as JSON.
    certificates: Option<String>,
}

/// Checks a request's token: its claims as JSON, none of a detached one.
pub(super) fn check(rule: &Jwt, look: &Look<'_>, now: Timestamp) -> Result<Option<Vec<u8>>, Reason> {
    let texts = signature_texts(&rule.signature, &look.lookup())?;
    let groups = parse::parse_all(&rule.signature, &texts, look.judge.values)?;
    let [group] = groups.as_slice() else { return Err(Reason::SignatureDuplicated) };
    let [text] = group.candidates.as_slice() else { return Err(Reason::SignatureMalformed) };
    let token = take_apart(rule, text)?;
    let body = rule.detached.then(|| URL_SAFE_NO_PAD.encode(&look.request.body));
    let payload = body.as_deref().unwrap_or(token.payload);
    if rule.detached && !token.payload.is_empty() {
        return Err(Reason::SignatureMalformed);
    }
    let signed = format!("{}.{payload}", token.head);
    check_signature(rule, &token, signed.as_bytes(), look, now)?;
    if rule.detached {
        return Ok(None);
    }
    let claims = URL_SAFE_NO_PAD.decode(payload).map_err(|_| Reason::TokenMalformed)?;
    check_times(rule, &claims, now)?;
    Ok(Some(claims))
}

fn take_apart<'a>(rule: &Jwt, text: &'a [u8]) -> Result<Token<'a>, Reason> {
    let text = std::str::from_utf8(text).map_err(|_| Reason::SignatureMalformed)?;
    let mut parts = text.split('.');
    let (Some(head), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Reason::SignatureMalformed);
    };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Reason::SignatureMalformed);
    let decoded = decode(head)?;
    let pointers = ["alg", "kid", "crit", "b64", "x5c"].map(|name| Pointer(vec![name.to_owned()]));
    let trie = Trie::new(pointers.iter());
    let found = json::scan(&trie, &decoded).map_err(|_| Reason::SignatureMalformed)?;
    let [name, key_id, critical, b64, certificates] = pointers.each_ref().map(|pointer| found.get(&trie, pointer));
    // What must be understood is not, whatever it is.
    if critical.is_some() || b64.is_some() {
        return Err(Reason::SignatureMalformed);
    }
    let string = |raw: &str| serde_json::from_str::<String>(raw).map_err(|_| Reason::SignatureMalformed);
    let name = string(name.ok_or(Reason::SignatureMalformed)?)?;
    let algorithm = rule.algorithms.iter().find(|algorithm| algorithm.name() == name);
    Ok(Token {
        head,
        payload,
        signature: decode(signature)?,
        algorithm: *algorithm.ok_or(Reason::AlgorithmRefused)?,
        key_id: key_id.map(string).transpose()?,
        certificates: certificates.map(str::to_owned),
    })
}

fn check_signature(rule: &Jwt, token: &Token<'_>, text: &[u8], look: &Look<'_>, now: Timestamp) -> Result<(), Reason> {
    let algorithm = match token.algorithm {
        JwtAlgorithm::Hs256 => {
            let mut matched = subtle::Choice::from(0);
            for key in active_keys(look.judge, &rule.key, now)? {
                let mut hasher = Hasher::new(Keying::Keyed, Hash::Sha256, &key).ok_or(Reason::SecretMalformed)?;
                hasher.update(text);
                matched |= hasher.finish().ct_eq(&token.signature);
            }
            return if bool::from(matched) { Ok(()) } else { Err(Reason::SignatureMismatch) };
        }
        JwtAlgorithm::Rs256 => Algorithm::Rsa(Hash::Sha256),
        JwtAlgorithm::Rs512 => Algorithm::Rsa(Hash::Sha512),
        JwtAlgorithm::Es256 => Algorithm::EcdsaRaw,
    };
    let shown = rule.chain.as_ref().map(|_| Shown::read(token.certificates.as_deref())).transpose()?;
    let keys = match &shown {
        Some(shown) => shown.keys(now),
        None => public_keys(look.judge, now)?,
    };
    // A key without an id may be the one; a key with another id is not.
    let fits = |id: &Option<String>| id.is_none() || token.key_id.is_none() || *id == token.key_id;
    let mut fitting = keys.iter().filter(|key| fits(&key.id)).peekable();
    if fitting.peek().is_none() {
        return Err(Reason::KeyUnknown);
    }
    if !fitting.any(|key| key.verifies(algorithm, text, &token.signature)) {
        return Err(Reason::SignatureMismatch);
    }
    match (&rule.chain, shown) {
        (Some(chain), Some(shown)) => shown.check(chain, look.judge, now),
        _ => Ok(()),
    }
}

fn check_times(rule: &Jwt, claims: &[u8], now: Timestamp) -> Result<(), Reason> {
    let times = [JwtTime::Expires, JwtTime::NotBefore, JwtTime::IssuedAt];
    let pointers = times.map(|time| Pointer(vec![time.name().to_owned()]));
    let trie = Trie::new(pointers.iter());
    let found = json::scan(&trie, claims).map_err(|_| Reason::TokenMalformed)?;
    for (time, pointer) in times.iter().zip(&pointers) {
        let at = match found.get(&trie, pointer) {
            Some(raw) => seconds(raw).ok_or(Reason::TokenMalformed)?,
            None if rule.required.contains(time) => return Err(Reason::TimestampMissing),
            None if *time == JwtTime::IssuedAt && rule.max_age.is_some() => return Err(Reason::TimestampMissing),
            None => continue,
        };
        let age = now.seconds().saturating_sub(at);
        let age_max = rule.max_age.map_or(i64::MAX, |age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        match time {
            JwtTime::Expires if age > LEEWAY_SECONDS => return Err(Reason::TimestampStale),
            JwtTime::IssuedAt if age > age_max => return Err(Reason::TimestampStale),
            JwtTime::NotBefore | JwtTime::IssuedAt if age < -LEEWAY_SECONDS => return Err(Reason::TimestampFuture),
            JwtTime::Expires | JwtTime::NotBefore | JwtTime::IssuedAt => {}
        }
    }
    Ok(())
}

/// Seconds since the epoch: digits, and a fraction that doesn't count.
fn seconds(raw: &str) -> Option<i64> {
    let (whole, fraction) = raw.split_once('.').unwrap_or((raw, "0"));
    let digits = |text: &str| !text.is_empty() && text.len() <= 11 && text.bytes().all(|b| b.is_ascii_digit());
    (digits(whole) && fraction.bytes().all(|b| b.is_ascii_digit())).then(|| whole.parse().ok()).flatten()
}
