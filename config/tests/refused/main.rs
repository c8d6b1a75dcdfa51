//! Bad configurations: each is a good one with one thing changed, and is refused with exactly these words at this place.

#![expect(clippy::expect_used, reason = "helpers of tests may stop at what they don't expect")]

mod body;
mod destination;
mod file;
mod heal;
mod policy;
mod provider;
mod reference;
mod secret;
mod section;
mod sync;

use std::{os::unix::fs::PermissionsExt, path::Path};

use gatepost_config::{Loaded, Options, Problems};

/// The good one: it uses every section, so that it is the control of every case.
const GOOD: &str = include_str!("good.toml");

/// A change that makes it bad.
struct Case {
    what: &'static str,
    /// Texts of the good one, with what replaces them.
    changes: &'static [(&'static str, &'static str)],
    /// All that is said about it, one problem a line, without the name of the file.
    said: &'static str,
}

fn env(name: &str) -> Option<String> {
    let value = match name {
        "GITHUB_SECRET" => "canary-github-secret",
        "VERIFY_TOKEN" => "canary-verify-token",
        "SIGNING" => "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5",
        "SIGNING_ACME" => "whsec_YWNtZS1jYW5hcnktYWNtZS1jYW5hcnktYWNtZQ==",
        "SIGNING_GARBLED" => "whsec_*canary*canary*canary*",
        "SIGNING_LONG" => return Some(format!("whsec_{}Y2E=", "Y2Fu".repeat(21))),
        "SIGNING_ED25519" => "whsk_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5LWNhbmE=",
        "SIGNING_PUBLIC" => "whpk_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5LWNhbmE=",
        "SIGNING_SHORT" => "whsk_Y2FuYXJ5LWNhbmFyeQ==",
        "TOKEN" => "canary.token.that.nobody.uses",
        "TWO_LINES" => "canary\ntwo-lines",
        "NANGO" => "canary-nango-signing-key",
        "PROXY" => "http://me:canary%21@proxy.example:3128",
        "STANDARD" => "whsec_c3RhbmRhcmQtY2FuYXJ5LXN0YW5kYXJkLWNhbmFyeQ==",
        "STANDARD_SHORT" => "whsec_c2hvcnQtY2FuYXJ5LTE2Yg==",
        "PREFIX" => "whsec_",
        "SEVEN" => "canary7",
        "EMPTY" => "",
        "URL" => "https://hooks.example.com",
        _ => return None,
    };
    Some(value.to_owned())
}

/// Loads a text as if it stood in a folder with a secret of its own.
fn parse(text: &str, folder: &Path) -> Result<Loaded, Problems> {
    gatepost_config::parse(text, &folder.join("gatepost.toml"), &env, Options::default())
}

/// A folder with a file that holds a secret.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "canary-from-a-file\n").expect("writable");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("own file");
    for name in ["client", "other"] {
        let key = rcgen::KeyPair::generate().expect("a key");
        let names = vec!["client.example.com".to_owned()];
        let certificate = rcgen::CertificateParams::new(names).expect("parameters").self_signed(&key).expect("signed");
        std::fs::write(folder.path().join(format!("{name}.pem")), certificate.pem()).expect("writable");
        let path = folder.path().join(format!("{name}.key"));
        std::fs::write(&path, key.serialize_pem()).expect("writable");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("own file");
    }
    folder
}

fn refused(cases: &[Case]) {
    let folder = folder();
    let control = parse(GOOD, folder.path());
    assert!(control.as_ref().is_ok_and(|loaded| loaded.warnings.is_empty()), "the control is good: {control:?}");
    let mut failures = Vec::new();
    for case in cases {
        let text = case.changes.iter().fold(GOOD.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{}: the good one has no {from:?}", case.what);
            text.replacen(from, to, 1)
        });
        let problems = match parse(&text, folder.path()) {
            Ok(_) => "is loaded".to_owned(),
            Err(problems) => problems.to_string(),
        };
        let said = problems.replace(&format!("{}/gatepost.toml:", folder.path().display()), "");
        if said != case.said {
            failures.push(format!("@@{}\n{said}", case.what));
        }
        assert!(!said.contains("canary"), "{}: a secret is shown: {said}", case.what);
    }
    assert!(failures.is_empty(), "{} of {} differ:\n{}\n", failures.len(), cases.len(), failures.join("\n"));
}
