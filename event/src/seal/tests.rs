use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::SecretPurpose;

fn name(connection: Option<&str>) -> SecretName {
    SecretName {
        integration: "asana".parse().expect("an id"),
        connection: connection.map(|id| id.parse().expect("an id")),
        purpose: SecretPurpose::Captured,
    }
}

fn master(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec(), "the test")
}

fn keyring(keys: &[&str]) -> Keyring {
    Keyring::new(&keys.iter().map(|text| master(text)).collect::<Vec<_>>())
}

const NOW: Timestamp = Timestamp::from_millis(1_795_367_045_000);

#[test]
fn what_is_sealed_opens_again_and_shows_nothing() {
    let keys = keyring(&["the first master key of nobody"]);
    let sealed = keys.seal(name(Some("acme")), b"captured-secret", NOW).expect("it is sealed");
    assert_eq!(keys.open(&sealed).expect("it opens").expose(), b"captured-secret");
    let shown = format!("{sealed:?} {keys:?} {}", serde_json::to_string(&sealed).expect("JSON"));
    assert!(!shown.contains("captured-secret") && !shown.contains(&STANDARD.encode("captured-secret")), "{shown}");
    let again = keys.seal(name(Some("acme")), b"captured-secret", NOW).expect("it is sealed");
    assert_ne!(sealed.sealed, again.sealed, "no nonce is used twice");
}

#[test]
fn a_record_opens_under_its_own_name_only_and_unchanged_only() {
    let keys = keyring(&["the first master key of nobody"]);
    let sealed = keys.seal(name(Some("acme")), b"captured-secret", NOW).expect("it is sealed");
    for other in [name(Some("bolt")), name(None)] {
        let moved = SealedSecret { name: other, ..sealed.clone() };
        assert_eq!(keys.open(&moved).map(drop), Err(SealError::Broken));
    }
    let bytes = STANDARD.decode(&sealed.sealed).expect("base64");
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let changed = SealedSecret { sealed: STANDARD.encode(changed), ..sealed.clone() };
        assert_eq!(keys.open(&changed).map(drop), Err(SealError::Broken), "byte {at}");
    }
    let cut = SealedSecret { sealed: STANDARD.encode(&bytes[..10]), ..sealed.clone() };
    assert_eq!(keys.open(&cut).map(drop), Err(SealError::Broken));
    keys.open(&sealed).expect("the control opens");
}

#[test]
fn the_first_key_seals_and_all_open() {
    let (old, new) = ("the old master key of nobody", "the new master key of nobody");
    let sealed = keyring(&[old]).seal(name(None), b"captured-secret", NOW).expect("it is sealed");
    let both = keyring(&[new, old]);
    assert_eq!(both.open(&sealed).expect("it opens").expose(), b"captured-secret");
    let later = both.seal(name(None), b"captured-secret", NOW).expect("it is sealed");
    assert_eq!(later.key_id, master(new).key_id());
    keyring(&[new]).open(&later).expect("the new key alone opens it");
    assert_eq!(keyring(&[new]).open(&sealed).map(drop), Err(SealError::UnknownKey(master(old).key_id())));
    assert_eq!(keyring(&[]).seal(name(None), b"x", NOW).map(drop), Err(SealError::NoKey));
}

#[test]
fn a_folder_s_own_key_is_made_once_for_this_user_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(own_key::read(folder.path()).expect("readable").is_none());
    let made = own_key::read_or_make(folder.path()).expect("it is made");
    assert_eq!(own_key::read_or_make(folder.path()).expect("it is read"), made);
    let file = folder.path().join("master.key");
    let mode = std::fs::metadata(&file).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 1, "nothing else is left");
    std::fs::write(&file, "cut").expect("written");
    assert!(own_key::read_or_make(folder.path()).is_err(), "a broken key is never replaced");
}
