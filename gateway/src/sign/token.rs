//! Makes JSON Web Tokens, with the claims of the provider's own and the time of now.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gatepost_config::{
    Timestamp,
    provider::{Algorithm, Hash, Jwt, JwtAlgorithm, JwtTime, Scheme, Source},
};
use serde_json::{Map, Value};

use super::{Draft, PairKind, SignError, Signer, SigningKey, condition::is_claim, place::put_value};
use crate::{
    extract::Lookup,
    verify::{Hasher, Keying, parse_all, write},
};

/// How long a token holds, in seconds.
const HOLDS_SECONDS: i64 = 300;

impl Signer<'_> {
    /// Makes the token and writes it where it belongs.
    pub(super) fn put_token(
        &self,
        scheme: &Scheme,
        jwt: &Jwt,
        draft: &Draft,
        signed: &mut Draft,
        now: Timestamp,
    ) -> Result<(), SignError> {
        self.meet_also(scheme, signed)?;
        let payload = match jwt.detached {
            true => URL_SAFE_NO_PAD.encode(&signed.body),
            false => URL_SAFE_NO_PAD.encode(self.claims(scheme, jwt, draft, signed, now)?.to_string()),
        };
        let algorithm = self.algorithm(jwt)?;
        let head = serde_json::json!({ "alg": algorithm.name(), "typ": "JWT" }).to_string();
        let head = URL_SAFE_NO_PAD.encode(head);
        let tag = self.token_tag(jwt, algorithm, format!("{head}.{payload}").as_bytes())?;
        let shown = if jwt.detached { "" } else { &payload };
        let token = format!("{head}.{shown}.{}", URL_SAFE_NO_PAD.encode(tag));
        self.put(&jwt.signature, &write(&jwt.signature, None, token.as_bytes(), self.values), signed)
    }

    /// The algorithm that the key at hand is for.
    fn algorithm(&self, jwt: &Jwt) -> Result<JwtAlgorithm, SignError> {
        let fits = |algorithm: &&JwtAlgorithm| match self.key {
            SigningKey::Secret(_) => **algorithm == JwtAlgorithm::Hs256,
            SigningKey::Pair(pair) => asymmetric(**algorithm).and_then(|a| PairKind::of(a).ok()) == Some(pair.kind()),
            SigningKey::Nothing => false,
        };
        jwt.algorithms.iter().find(fits).copied().ok_or_else(|| {
            let kinds = jwt.algorithms.iter().filter_map(|algorithm| PairKind::of(asymmetric(*algorithm)?).ok());
            kinds.map(PairKind::words).next().map_or(SignError::NoSecretNeeded, SignError::NoPrivateKey)
        })
    }

    fn token_tag(&self, jwt: &Jwt, algorithm: JwtAlgorithm, text: &[u8]) -> Result<Vec<u8>, SignError> {
        match (self.key, asymmetric(algorithm)) {
            (SigningKey::Pair(pair), Some(by)) => pair.sign(by, text).ok_or(SignError::NotMade("that key")),
            (SigningKey::Secret(secret), None) => {
                let key =
                    jwt.key.bytes(secret).map_err(|error| SignError::Secret(secret.source().to_owned(), error))?;
                let mut hasher = Hasher::new(Keying::Keyed, Hash::Sha256, &key).ok_or(SignError::NoSecret)?;
                hasher.update(text);
                Ok(hasher.finish())
            }
            _ => Err(SignError::NoSecret),
        }
    }

    /// The claims of a token of the provider's, at the time of now and about this request.
    fn claims(
        &self,
        scheme: &Scheme,
        jwt: &Jwt,
        draft: &Draft,
        signed: &Draft,
        now: Timestamp,
    ) -> Result<Value, SignError> {
        let vectors = self.provider.vectors.iter().map(|vector| Draft::of_vector(vector, &draft.url));
        let given = std::iter::once(draft.clone()).chain(vectors).find_map(|draft| self.claims_in(jwt, &draft));
        let mut claims = given.unwrap_or_default();
        for time in [JwtTime::Expires, JwtTime::NotBefore, JwtTime::IssuedAt] {
            let aged = time == JwtTime::IssuedAt && jwt.max_age.is_some();
            if claims.contains_key(time.name()) || jwt.required.contains(&time) || aged {
                let at = if time == JwtTime::Expires { now.seconds() + HOLDS_SECONDS } else { now.seconds() };
                claims.insert(time.name().to_owned(), at.into());
            }
        }
        let mut claims = Value::Object(claims);
        for (place, expect) in scheme.also.iter().filter(|(place, _)| is_claim(place)) {
            let Source::Claim(pointer) = &place.source else { continue };
            let there = claims.pointer(&pointer.to_string());
            let there = there.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            match self.wanted(expect, signed)? {
                Some(text) if there.as_ref() != Some(&text) => {
                    put_value(&mut claims, pointer, &text).ok_or_else(|| SignError::NoRoom(place.to_string()))?;
                }
                _ => {}
            }
        }
        Ok(claims)
    }

    fn claims_in(&self, jwt: &Jwt, draft: &Draft) -> Option<Map<String, Value>> {
        let request = draft.request().ok()?;
        let lookup = Lookup::new(self.provider, &request, self.values);
        let text =
            jwt.signature.from.iter().find_map(|place| lookup.find(place).ok()?.map(std::borrow::Cow::into_owned));
        let texts = [text?];
        let groups = parse_all(&jwt.signature, &texts, self.values).ok()?;
        let token = String::from_utf8(groups.first()?.candidates.first()?.clone()).ok()?;
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        serde_json::from_slice(&payload).ok()
    }
}

/// How a private key signs for it.
pub(super) const fn asymmetric(algorithm: JwtAlgorithm) -> Option<Algorithm> {
    match algorithm {
        JwtAlgorithm::Hs256 => None,
        JwtAlgorithm::Rs256 => Some(Algorithm::Rsa(Hash::Sha256)),
        JwtAlgorithm::Rs512 => Some(Algorithm::Rsa(Hash::Sha512)),
        JwtAlgorithm::Es256 => Some(Algorithm::EcdsaRaw),
    }
}
