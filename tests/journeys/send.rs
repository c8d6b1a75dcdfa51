//! `gatepost send` through the true binary: a sample of each kind of signature is stored, and refused with another key.

use gatepost_config::{Catalogue, provider::Vector};
use gatepost_gateway::sign::KeyPair;
use gatepost_tests::gatepost::Home;

use crate::setup::SIGNING;

/// A provider for each place and kind of signature that is made with a secret.
const BY_SECRET: [(&str, &str); 9] = [
    ("github", "a header"),
    ("stripe", "a header with its time"),
    ("twilio", "a header, of the URL and a form"),
    ("mailgun", "the body"),
    ("adyen", "each item of the body"),
    ("pandadoc", "the query"),
    ("braintree", "a form"),
    ("meraki", "a token in the body"),
    ("livekit", "a JSON Web Token"),
];

/// A provider for each kind of key pair, with what makes one.
const BY_PAIR: [(&str, &str); 4] = [("discord", "ed25519"), ("sendgrid", "p256"), ("plaid", "p256"), ("wise", "rsa")];

/// Made by `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048`.
const RSA: &str = include_str!("../../gateway/tests/gateway/rsa.pem");

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_of_every_kind_of_signature_is_stored_and_refused_with_another_key() {
    let bench = Home::new("", &[]);
    let mut config =
        "[gateway]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://hooks.example.com\"\n\n[ops]\nlisten = \
                      \"127.0.0.1:0\"\n\n[store]\nengine = \"embedded\"\npath = \"data\"\n\n"
            .to_owned();
    let mut files = vec![("signing".to_owned(), SIGNING.to_owned())];
    for (provider, _) in BY_SECRET {
        let vector = vector(provider);
        integration(&mut config, &mut files, provider, &vector, vector.secret.clone());
    }
    for (provider, kind) in BY_PAIR {
        let private = private_key(&bench, kind);
        let public = KeyPair::read(private.as_bytes()).expect("a private key").public_pem();
        integration(&mut config, &mut files, provider, &vector(provider), public);
        files.push((format!("{provider}.key"), private));
    }
    files.push(("other.key".to_owned(), private_key(&bench, "ed25519")));
    config.push_str(
        "[[destination]]\nid = \"backend\"\nurl = \"http://127.0.0.1:9\"\nprivate = true\nsecrets = [{ file = \
         \"signing\" }]\n\n[[route]]\nid = \"all\"\nforward = [\"backend\"]\n",
    );
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let home = Home::new(&config, &files);
    let gatepost = home.run(&[]).await;
    let to = format!("http://{}", gatepost.gateway().await);
    let send = |args: &[&str]| {
        let output = home.command(&[&["send", "--to", to.as_str()], args].concat());
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).expect("text"))
    };
    for (provider, what) in BY_SECRET {
        let (code, said) = send(&[provider]);
        assert!(code == Some(0) && said.contains("Answer 2"), "{provider} ({what}): {said}");
        assert!(said.contains("stored") || said.contains("unmatched"), "{provider} ({what}): {said}");
    }
    for (provider, kind) in BY_PAIR {
        let key = format!("{provider}.key");
        let (code, said) = send(&[provider, "--key", &key]);
        assert_eq!(code, Some(0), "{provider} ({kind}): {said}");
        let (code, said) = send(&[provider]);
        assert!(code == Some(1) && said.contains("--key FILE"), "{provider} without its key: {said}");
    }
    let (code, said) = send(&["discord", "--key", "other.key"]);
    assert!(code == Some(1) && said.contains("not among the integration's `secrets`"), "another key: {said}");
    let (code, said) = send(&["discord", "--key", "wise.key"]);
    assert!(code == Some(1) && said.contains("Ed25519"), "a key of another kind: {said}");
    let (code, said) = send(&["github", "no-such-event"]);
    assert!(code == Some(1) && said.contains("there are"), "no such sample: {said}");
    gatepost.stop().await;
}

#[test]
fn providers_show_says_what_a_sample_is_signed_with_or_why_there_is_none() {
    let bench = Home::new("", &[]);
    for (provider, words) in [
        ("github", "signs with the integration's secret"),
        ("discord", "a private key (Ed25519)"),
        ("plaid", "a private key (ECDSA on P-256)"),
        ("postal", "RSA with SHA-1, which is only checked here"),
        ("strava", "sends unsigned"),
    ] {
        let output = bench.command(&["providers", "show", provider]);
        let said = String::from_utf8(output.stdout).expect("text");
        assert!(said.contains(words), "{provider}: {said}");
    }
    let output = bench.command(&["secret", "new", "--key-pair", "rsa"]);
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(!output.status.success() && said.contains("openssl genpkey -algorithm RSA"), "{said}");
}

fn private_key(bench: &Home, kind: &str) -> String {
    if kind == "rsa" {
        return RSA.to_owned();
    }
    let output = bench.command(&["secret", "new", "--key-pair", kind]);
    let public = String::from_utf8(output.stderr).expect("text");
    assert!(public.contains("-----BEGIN PUBLIC KEY-----"), "{public}");
    String::from_utf8(output.stdout).expect("text")
}

fn vector(provider: &str) -> Vector {
    Catalogue::builtin().0.get(provider).expect(provider).vectors[0].clone()
}

fn integration(
    config: &mut String,
    files: &mut Vec<(String, String)>,
    provider: &str,
    vector: &Vector,
    secret: String,
) {
    let mut values = Vec::new();
    for (name, value) in &vector.values {
        let file = format!("{provider}-{name}");
        values.push(format!("{name} = {{ file = \"{file}\" }}"));
        files.push((file, value.clone()));
    }
    files.push((provider.to_owned(), secret));
    config.push_str(&format!(
        "[[integration]]\nid = \"{provider}\"\nprovider = \"{provider}\"\nsecrets = [{{ file = \"{provider}\" \
         }}]\nvalues = {{ {} }}\n\n",
        values.join(", ")
    ));
}
