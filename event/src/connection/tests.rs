mod beside;
mod steps;

use gatepost_config::{Secret, Timestamp};

use super::{Claim, Linked};
use crate::{Keyring, SealError};

fn linked(connection: &str) -> Linked {
    let id = |text: &str| text.parse().expect("an id");
    Linked::new(
        id("github"),
        connection.parse().expect("an id"),
        "acme".parse().expect("an id"),
        Timestamp::from_millis(1),
    )
}

#[test]
fn no_two_accounts_share_a_claim() {
    let github = "github".parse().expect("an id");
    let long = "x".repeat(600);
    let hashed = Claim::entry_id(&github, &long);
    assert!(hashed.starts_with('#'), "{hashed}");
    let odd = ["1", "01", "1 ", "A", "a", "é", "e\u{301}", "/", "//", &hashed, &long, &"x".repeat(601)];
    let ids: std::collections::BTreeSet<_> = odd.iter().map(|account| Claim::entry_id(&github, account)).collect();
    assert_eq!(ids.len(), odd.len());
    assert_eq!(Claim::entry_id(&"git".parse().expect("an id"), "hub/1"), "git/hub/1");
}

#[test]
fn a_connection_s_secret_opens_in_its_own_record_only() {
    let keys = Keyring::new(&[Secret::new(vec![7; 32], "test")]);
    let (ours, theirs) = (linked("ours"), linked("theirs"));
    let until = Timestamp::from_millis(9_000);
    let sealed = ours.seal(&keys, b"a signing secret", Some(until), Timestamp::from_millis(1)).expect("it is sealed");
    let opened = ours.open(&keys, &sealed).expect("it is opened");
    assert_eq!((opened.expose(), opened.until()), (&b"a signing secret"[..], Some(until)));
    assert_eq!(theirs.open(&keys, &sealed), Err(SealError::Broken));
    let mut renamed = sealed.clone();
    renamed.sealed.name = theirs.secret_name();
    assert_eq!(theirs.open(&keys, &renamed), Err(SealError::Broken));
}
