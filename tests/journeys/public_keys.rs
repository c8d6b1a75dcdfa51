//! A malformed public key is refused when the configuration is loaded, not when the first request comes.

use gatepost_config::Catalogue;
use gatepost_tests::gatepost::Home;

use crate::setup::SIGNING;

#[test]
fn a_secret_that_is_no_public_key_of_its_kind_is_refused_with_its_place_and_the_remedy() {
    let good = secret("discord");
    let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----";
    let rows = [
        ("discord", good[..63].to_owned(), "no public key of Ed25519"),
        ("discord", good.replace(&good[..2], "zz"), "no public key of Ed25519"),
        ("discord", private.to_owned(), "the public one of Ed25519 is asked for"),
        ("discord", secret("sendgrid"), "holds a public key of P-256, and Ed25519 is asked for"),
        ("sendgrid", secret("sendgrid")[..60].to_owned(), "no public key of P-256"),
        ("wise", secret("wise").replace("-----END", ""), "no public key of RSA"),
        ("plaid", good.clone(), "holds a public key of Ed25519, and P-256 is asked for"),
    ];
    for (provider, secret, why) in rows {
        let (code, said) = check(provider, &secret);
        assert_eq!(code, Some(78), "{provider}, {why}: {said}");
        for part in [why, "secrets[0]", "gatepost.toml:", "copy all of the public key that"] {
            assert!(said.contains(part), "{provider}: no {part:?} in: {said}");
        }
        assert!(!said.contains(&secret), "the key itself is printed: {said}");
    }
}

#[test]
fn every_public_key_of_the_catalogue_s_vectors_is_taken() {
    for provider in
        ["discord", "telnyx", "sendgrid", "circle", "wise", "highlevel", "fireblocks", "plaid", "gong", "wix"]
    {
        let (code, said) = check(provider, &secret(provider));
        assert_eq!(code, Some(0), "{provider}: {said}");
    }
}

fn secret(provider: &str) -> String {
    Catalogue::builtin().0.get(provider).expect(provider).vectors[0].secret.clone()
}

fn check(provider: &str, secret: &str) -> (Option<i32>, String) {
    let config = format!(
        "[gateway]\npublic_url = \"https://hooks.example.com\"\n\n[store]\nengine = \"embedded\"\npath = \"data\"\n\n\
         [[integration]]\nid = \"it\"\nprovider = \"{provider}\"\nsecrets = [{{ file = \"key\" }}]\n\n\
         [[destination]]\nid = \"backend\"\nurl = \"http://127.0.0.1:9\"\nprivate = true\nsecrets = [{{ file = \
         \"signing\" }}]\n\n[[route]]\nid = \"all\"\nforward = [\"backend\"]\n"
    );
    let home = Home::new(&config, &[("key", secret), ("signing", SIGNING)]);
    let output = home.command(&["check"]);
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).expect("text"))
}
