//! What a provider's file says, in words.

use gatepost_config::{
    Provider,
    provider::{
        Algorithm, Confidence, Encoding, Expect, Hash, HostPattern, Identity, Key, KeyForm, Keys, Location, Method,
        Parse, Scheme, SchemeKind, SecretScope, Signature, Trust,
    },
};
use gatepost_gateway::sign::{Means, means};

/// The kind of a check, in one word.
pub(super) fn kind(scheme: &Scheme) -> String {
    match &scheme.kind {
        SchemeKind::Hmac { hash, .. } => format!("hmac-{}", hash_word(*hash).to_ascii_lowercase().replace('-', "")),
        SchemeKind::Digest { hash, .. } => {
            format!("digest-{}", hash_word(*hash).to_ascii_lowercase().replace('-', ""))
        }
        SchemeKind::PublicKey { algorithm, .. } => match algorithm {
            Algorithm::Ed25519 => "ed25519".to_owned(),
            Algorithm::EcdsaDer | Algorithm::EcdsaRaw => "ecdsa".to_owned(),
            Algorithm::Rsa(hash) => format!("rsa-{}", hash_word(*hash).to_ascii_lowercase().replace('-', "")),
        },
        SchemeKind::Jwt(_) => "jwt".to_owned(),
        SchemeKind::Token { .. } => "token".to_owned(),
        SchemeKind::None => "none".to_owned(),
    }
}

/// The kinds of a provider's checks, each once.
pub(super) fn kinds(provider: &Provider) -> Vec<String> {
    let mut kinds: Vec<String> = Vec::new();
    for kind in provider.schemes.iter().map(kind) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() { vec!["none".to_owned()] } else { kinds }
}

pub(super) const fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::Verified => "verified",
        Trust::Authenticated => "authenticated",
        Trust::Unverified => "unverified",
    }
}

/// What the trust label means.
pub(super) const fn trust_meaning(trust: Trust) -> &'static str {
    match trust {
        Trust::Verified => "the signature covers the body",
        Trust::Authenticated => "the sender shows a secret; the body is not covered",
        Trust::Unverified => "nothing is checked: an integration needs `unverified = true`",
    }
}

pub(super) const fn confidence(confidence: Option<Confidence>) -> &'static str {
    match confidence {
        Some(Confidence::OfficialSdk) => "official-sdk",
        Some(Confidence::OfficialDoc) => "official-doc",
        Some(Confidence::ThirdParty) => "third-party",
        Some(Confidence::Memory) => "memory",
        None => "unknown",
    }
}

/// Where the facts come from, in words.
pub(super) const fn confidence_meaning(confidence: Option<Confidence>) -> &'static str {
    match confidence {
        Some(Confidence::OfficialSdk) => "the provider's own code",
        Some(Confidence::OfficialDoc) => "the provider's own documentation",
        Some(Confidence::ThirdParty) => "others that verify its webhooks",
        Some(Confidence::Memory) => "what is commonly said: check it before you rely on it",
        None => "nobody has said",
    }
}

pub(super) const fn scope(scope: SecretScope) -> &'static str {
    match scope {
        SecretScope::App => "one secret for every account",
        SecretScope::Connection => "each connection may have its own secret",
    }
}

pub(super) const fn method(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Options => "OPTIONS",
        Method::Post => "POST",
        Method::Put => "PUT",
    }
}

/// How a scheme checks, in sentences.
pub(super) fn signature(scheme: &Scheme) -> Vec<String> {
    let mut lines = Vec::new();
    if !scheme.when.is_empty() {
        lines.push(format!("Applies when {}.", conditions(&scheme.when)));
    }
    if let Some(array) = &scheme.each {
        lines.push(format!("Every element of `json:{array}` is checked, and all must pass."));
    }
    match &scheme.kind {
        SchemeKind::Hmac { hash, signature, .. } => {
            lines.push(format!("HMAC-{} in {}.", hash_word(*hash), written(signature)));
        }
        SchemeKind::Digest { hash, signature, .. } => {
            lines.push(format!("A plain {} that the secret is part of, in {}.", hash_word(*hash), written(signature)));
        }
        SchemeKind::PublicKey { algorithm, signature, .. } => {
            let algorithm = match algorithm {
                Algorithm::Ed25519 => "Ed25519".to_owned(),
                Algorithm::EcdsaDer | Algorithm::EcdsaRaw => "ECDSA on P-256 with SHA-256".to_owned(),
                Algorithm::Rsa(hash) => format!("RSA with {}", hash_word(*hash)),
            };
            lines.push(format!("{algorithm} in {}. The secret is the provider's public key.", written(signature)));
        }
        SchemeKind::Jwt(jwt) => {
            let algorithms: Vec<&str> = jwt.algorithms.iter().map(|algorithm| algorithm.name()).collect();
            lines.push(format!("A JSON Web Token ({}) in {}.", algorithms.join(", "), written(&jwt.signature)));
            let required: Vec<&str> = jwt.required.iter().map(|time| time.name()).collect();
            if !required.is_empty() {
                lines.push(format!("It must carry {}.", required.join(", ")));
            }
            if let Some(age) = jwt.max_age {
                lines.push(format!("It may be {} old.", gatepost_config::units::format_span(age)));
            }
        }
        SchemeKind::Token { signature } => lines.push(format!("The secret itself in {}.", written(signature))),
        SchemeKind::None => lines.push("Nothing is checked.".to_owned()),
    }
    let signed: Vec<String> = scheme.kind.signed().iter().map(|signed| format!("`{signed}`")).collect();
    if !signed.is_empty() {
        lines.push(format!("Signed: {}", signed.join(" or ")));
    }
    if let Some(key) = scheme.kind.key() {
        lines.push(format!("Key: {}.", key_words(key)));
    }
    if let Some(rule) = scheme.kind.timestamp() {
        let span = gatepost_config::units::format_span(rule.tolerance);
        lines.push(format!("Its time, at `{}`, may be {span} from now either way.", rule.from));
    }
    if !scheme.also.is_empty() {
        lines.push(format!("Besides, {} must hold.", conditions(&scheme.also)));
    }
    lines
}

/// Conditions, joined.
pub(super) fn conditions(conditions: &[(Location, Expect)]) -> String {
    let each = |(place, expect): &(Location, Expect)| match expect {
        Expect::Present => format!("`{place}` is there"),
        Expect::Absent => format!("`{place}` is not there"),
        Expect::Equals(text) => format!("`{place}` is `{text}`"),
        Expect::Value(name) => format!("`{place}` is the value `{name}`"),
        Expect::OneOf(name) => format!("`{place}` is one of the value `{name}`"),
        Expect::Text { template, or_empty } => {
            let absent = if *or_empty { " (or absent with an empty body)" } else { "" };
            format!("`{place}` is `{template}`{absent}")
        }
    };
    conditions.iter().map(each).collect::<Vec<_>>().join(" and ")
}

fn hash_word(hash: Hash) -> &'static str {
    match hash {
        Hash::Md5 => "MD5",
        Hash::Sha1 => "SHA-1",
        Hash::Sha256 => "SHA-256",
        Hash::Sha512 => "SHA-512",
    }
}

fn key_words(key: &Key) -> String {
    let mut words = match key.form {
        KeyForm::Utf8 => "the secret's text as it stands",
        KeyForm::Base64 => "the secret decoded from base64",
        KeyForm::Hex => "the secret decoded from hexadecimal",
        KeyForm::Sha1 => "the SHA-1 of the secret",
        KeyForm::Sha256 => "the SHA-256 of the secret",
        KeyForm::Nfkd => "the secret's text in Unicode's form NFKD",
    }
    .to_owned();
    if let Some(prefix) = &key.strip_prefix {
        words.push_str(&format!(", without `{prefix}`"));
    }
    if !key.suffix.is_empty() {
        words.push_str(&format!(", then `{}`", key.suffix));
    }
    words
}

/// Where a signature stands and how it is written.
fn written(signature: &Signature) -> String {
    let encoding = match signature.encoding {
        Encoding::Hex => "hexadecimal",
        Encoding::Base64 => "base64",
        Encoding::Base64Url => "URL-safe base64",
        Encoding::Plain => "as it is",
    };
    let form = match &signature.parse {
        Parse::Plain { prefix, .. } if prefix.is_empty() => encoding.to_owned(),
        Parse::Plain { prefix, optional: true } => format!("{encoding}, with or without `{prefix}` before it"),
        Parse::Plain { prefix, .. } => format!("{encoding} after `{prefix}`"),
        Parse::Pairs { key, separator } => format!("{encoding} as `{key}=` among pairs split at `{separator}`"),
        Parse::Groups { key, .. } => format!("{encoding} as `{key}=` in each of several groups"),
        Parse::Versioned { version } => format!("{encoding} after `{version},` in a list split at spaces"),
        Parse::List { separator } => format!("{encoding}, several split at `{separator}`"),
        Parse::Positional { separator } => format!("{encoding} after the first part, split at `{separator}`"),
        Parse::Keyed { value, .. } => format!("{encoding} beside the public key `{value}`"),
    };
    let places: Vec<String> = signature.from.iter().map(|place| format!("`{place}`")).collect();
    format!("{}, {form}", places.join(" or "))
}

/// Places, the first of which counts.
pub(super) fn places(places: &[Location]) -> String {
    places.iter().map(|place| format!("`{place}`")).collect::<Vec<_>>().join(", else ")
}

/// What names an event.
pub(super) fn ids(ids: &[Identity]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", else ")
}

/// Where published keys are, and what they must be.
pub(super) fn keys(keys: &Keys) -> String {
    let listed = |all: &[HostPattern]| all.iter().map(|host| format!("`{host}`")).collect::<Vec<_>>().join(", ");
    let mut words = format!("Its keys are fetched from `{}`", keys.url);
    if keys.is_named_by_request() {
        words += &format!(", which must be of {}", listed(&keys.hosts));
    }
    if let Some(rule) = &keys.certificate {
        let chain = if rule.chain { " and lead to an authority that the system trusts" } else { "" };
        words += &format!("; a certificate must be valid, be issued to {}{chain}", listed(&rule.names));
    }
    words + ". A secret pins them instead."
}

/// What samples of a provider are signed with, or why none can be sent.
pub(super) fn sending(provider: &Provider) -> String {
    match means(provider) {
        Ok(Means::Secret) => "signs with the integration's secret".to_owned(),
        Ok(Means::Nothing) => "sends unsigned, as the provider does".to_owned(),
        Ok(Means::Pair(kind)) => {
            format!("signs with `--key FILE`, a private key ({}) whose public key is the secret", kind.words())
        }
        Err(why) => format!("can't be used: {why}"),
    }
}
