//! What `gatepost send` makes is accepted by the verifier, for every provider of the catalogue that it is made for.

use std::{path::Path, sync::Arc};

use gatepost_config::{
    Catalogue, Config, Options, Provider, Timestamp,
    provider::{SchemeKind, Vector},
};
use gatepost_gateway::{
    Rehearsal, Rehearsed,
    sign::{Draft, KeyPair, Means, PairKind, Signer, SigningKey, means},
};
use url::Url;

const PUBLIC_URL: &str = "https://hooks.example.com";
/// Another time than the vectors': what is dated must be dated anew.
const AT: Timestamp = Timestamp::from_millis(1_801_000_000_123);
/// Made by `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048`.
const RSA: &[u8] = include_bytes!("rsa.pem");

/// Providers that nothing can be sent as, and why.
const NOT_SENT: [(&str, &str); 3] = [
    ("apple-app-store", "certificates of its own authority"),
    ("postal", "RSA with SHA-1"),
    ("travis-ci", "RSA with SHA-1"),
];

#[test]
fn what_is_sent_is_accepted_for_every_provider_but_the_listed_and_refused_with_another_key() {
    let (mut sent, mut wrong, mut not_sent) = (0, Vec::new(), Vec::new());
    for provider in Catalogue::builtin().0.values() {
        match means(provider) {
            Ok(means) => {
                for (event, trouble) in try_all(provider, means) {
                    sent += 1;
                    wrong.extend(trouble.map(|trouble| format!("{} {event} by {means:?}: {trouble}", provider.name)));
                }
            }
            Err(why) => not_sent.push((provider.name.to_string(), why.to_string())),
        }
    }
    assert!(wrong.is_empty(), "{} of {sent}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(not_sent.len(), NOT_SENT.len(), "{not_sent:?}");
    for ((name, why), (expected, word)) in not_sent.iter().zip(NOT_SENT) {
        assert!(name == expected && why.contains(word), "{name}: {why}");
    }
    assert!(sent >= 230, "only {sent} were sent");
}

/// Signs every sample of a provider, and says what is wrong with each.
fn try_all(provider: &Arc<Provider>, means: Means) -> Vec<(String, Option<String>)> {
    let (pair, other) = match means {
        Means::Pair(kind) => (Some(pair(kind)), Some(pair(kind))),
        Means::Secret | Means::Nothing => (None, None),
    };
    let vector = provider.vectors.first().expect("each has one");
    let secret = pair.as_ref().map_or_else(|| vector.secret.clone(), KeyPair::public_pem);
    let config = config(provider, vector, &secret);
    let judge = Rehearsal::new(&config, &config.integrations[0].id).expect("the integration is there");
    let url: Url = format!("{PUBLIC_URL}/webhooks/proof").parse().expect("a URL");
    let values = &config.integrations[0].values;
    let key = match (&pair, means) {
        (Some(pair), _) => SigningKey::Pair(pair),
        (None, Means::Nothing) => SigningKey::Nothing,
        (None, _) => SigningKey::Secret(&config.integrations[0].secrets[0]),
    };
    let wrong_secret = gatepost_config::Secret::new(other_secret(&vector.secret), "another");
    let wrong_key = match &other {
        Some(other) => SigningKey::Pair(other),
        None => SigningKey::Secret(&wrong_secret),
    };
    let judged = |key: SigningKey<'_>, draft: &Draft| -> Result<Rehearsed, String> {
        let signer = Signer { provider, values, public_url: None, key };
        let signed = signer.sign(draft, AT).map_err(|error| error.to_string())?;
        let request = signed.request().map_err(|error| error.to_string())?;
        judge.judge(request, AT).map_err(|turned| format!("{turned:?}: {signed:?}"))
    };
    let trouble = |draft: &Draft| match judged(key, draft) {
        Err(trouble) => Some(trouble),
        Ok(Rehearsed::Handshake { .. }) => Some("was answered as a handshake".to_owned()),
        Ok(Rehearsed::Events(events)) if events.is_empty() => Some("gave no event".to_owned()),
        Ok(Rehearsed::Events(_)) if means == Means::Nothing || pair.as_ref().is_some_and(is_rsa) => None,
        Ok(Rehearsed::Events(_)) => match judged(wrong_key, draft) {
            Ok(_) => Some("is accepted with another key too".to_owned()),
            Err(_) => None,
        },
    };
    Draft::all(provider, &url, AT).iter().map(|(event, draft)| (event.clone(), trouble(draft))).collect()
}

/// There is only one RSA key here: its other key would be itself.
fn is_rsa(pair: &KeyPair) -> bool {
    pair.kind() == PairKind::Rsa
}

fn pair(kind: PairKind) -> KeyPair {
    match kind {
        PairKind::Rsa => KeyPair::read(RSA).expect("a key"),
        kind => KeyPair::read(kind.fresh().expect("a key").as_bytes()).expect("what was made is read"),
    }
}

/// Another secret of the same form.
fn other_secret(secret: &str) -> Vec<u8> {
    let mut other = secret.as_bytes().to_vec();
    let at = other.len() / 2;
    other[at] = if other[at] == b'a' { b'b' } else { b'a' };
    other
}

fn config(provider: &Provider, vector: &Vector, secret: &str) -> Config {
    let unverified = provider.schemes.iter().any(|scheme| matches!(scheme.kind, SchemeKind::None));
    let values: Vec<String> = provider.values.keys().map(|name| format!("{name} = {{ env = \"{name}\" }}")).collect();
    let text = format!(
        "[gateway]\npublic_url = \"{PUBLIC_URL}\"\n[[integration]]\nid = \"proof\"\nprovider = \"{}\"\n\
         secrets = [{{ env = \"SECRET\" }}]\nunverified = {unverified}\nvalues = {{ {} }}\n",
        provider.name,
        values.join(", ")
    );
    let env = |name: &str| match name {
        "SECRET" => Some(secret.to_owned()),
        name => Some(vector.values.get(name).cloned().unwrap_or_else(|| format!("no-value-of-{name}"))),
    };
    let loaded = gatepost_config::parse(&text, Path::new("gatepost.toml"), &env, Options::default());
    loaded.unwrap_or_else(|problems| panic!("{}: {problems}", provider.name)).config
}

#[test]
fn a_private_key_is_read_as_openssl_writes_it_and_what_is_none_is_refused_with_the_remedy() {
    assert_eq!(KeyPair::read(RSA).expect("a key").kind(), PairKind::Rsa);
    for (text, why) in [
        ("", "no private key in PEM"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "no private key in PEM"),
        ("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----", "openssl pkcs8 -topk8"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "not a whole one"),
    ] {
        let error = KeyPair::read(text.as_bytes()).expect_err(text).to_string();
        assert!(error.contains(why), "{text:?}: {error}");
    }
    assert!(PairKind::Rsa.fresh().expect_err("ring can't").to_string().contains("openssl genpkey"));
}
