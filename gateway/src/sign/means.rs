//! What a sample of a provider is signed with, or why there can be none.

use gatepost_config::{
    Provider, Timestamp,
    provider::{Algorithm, JwtAlgorithm, Scheme, SchemeKind},
};
use url::Url;

use super::{Draft, PairKind, token::asymmetric};

/// What samples of a provider are signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// The integration's secret.
    Secret,
    /// A private key whose public key is the integration's secret.
    Pair(PairKind),
    /// Nothing: its requests are not signed.
    Nothing,
}

/// Why no sample of a provider can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// Nothing here makes such signatures.
    #[error("it signs by {0}, which is only checked here, never made")]
    NotMade(&'static str),
    /// Its file has neither.
    #[error("its file has neither a [[sample]] nor a posted [[vector]] of an event")]
    NoSample,
}

/// What samples of a provider are signed with.
///
/// # Errors
/// Why there can be none.
pub fn means(provider: &Provider) -> Result<Means, Unsendable> {
    let anywhere = Url::parse("http://localhost/").map_err(|_| Unsendable::NoSample)?;
    if Draft::all(provider, &anywhere, Timestamp::from_millis(0)).is_empty() {
        return Err(Unsendable::NoSample);
    }
    let mut refused = None;
    for scheme in &provider.schemes {
        match of_scheme(scheme) {
            Ok(means) => return Ok(means),
            Err(why) => refused = Some(why),
        }
    }
    refused.map_or(Ok(Means::Nothing), |why| Err(Unsendable::NotMade(why)))
}

fn of_scheme(scheme: &Scheme) -> Result<Means, &'static str> {
    let pair = |algorithm: Algorithm| PairKind::of(algorithm).map(Means::Pair);
    match &scheme.kind {
        SchemeKind::Hmac { .. } | SchemeKind::Digest { .. } | SchemeKind::Token { .. } => Ok(Means::Secret),
        SchemeKind::PublicKey { algorithm, .. } => pair(*algorithm),
        SchemeKind::Jwt(jwt) if jwt.chain.is_some() => Err("certificates of its own authority"),
        SchemeKind::Jwt(jwt) if jwt.algorithms.contains(&JwtAlgorithm::Hs256) => Ok(Means::Secret),
        SchemeKind::Jwt(jwt) => jwt.algorithms.iter().find_map(|a| asymmetric(*a)).map_or(Ok(Means::Secret), pair),
        SchemeKind::None => Ok(Means::Nothing),
    }
}
