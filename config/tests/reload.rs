//! A configuration that follows its file.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may stop at what they don't expect"
)]

use std::{os::unix::fs::PermissionsExt, sync::Arc};

use gatepost_config::{
    Options, Problems, load,
    reload::{Reload, Reloader, watch},
};
use tempfile::TempDir;

const GOOD: &str = "[gateway]\nlisten = \"127.0.0.1:8080\"\n\n[[integration]]\nid = \"gh\"\nprovider = \"github\"\n\
                    secrets = [{ file = \"secret\" }]\n";

fn write(folder: &TempDir, name: &str, text: &str) {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("writable");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("own file");
}

fn start() -> (TempDir, Reloader) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(&folder, "gatepost.toml", GOOD);
    write(&folder, "secret", "the first secret of all\n");
    let path = folder.path().join("gatepost.toml");
    let initial = load(&path, &no_env, Options::default()).unwrap_or_else(|problems| panic!("{problems}"));
    let reloader = watch(&path, initial, no_env, Options::default());
    (folder, reloader)
}

fn no_env(_: &str) -> Option<String> {
    None
}

fn secret(reloader: &Reloader) -> Vec<u8> {
    reloader.live().get().integrations[0].secrets[0].expose().to_vec()
}

fn warnings(reload: Result<Reload, Problems>) -> Problems {
    match reload {
        Ok(Reload::Replaced { warnings, .. }) => warnings,
        other => panic!("not replaced: {other:?}"),
    }
}

#[test]
fn what_has_not_changed_is_not_read_again() {
    let (folder, reloader) = start();
    let before = reloader.live().get();
    assert!(matches!(reloader.poll(), Ok(Reload::Unchanged)));
    write(&folder, "gatepost.toml", GOOD);
    assert!(matches!(reloader.poll(), Ok(Reload::Unchanged)), "the same content at another time");
    assert!(Arc::ptr_eq(&before, &reloader.live().get()));

    write(&folder, "gatepost.toml", &GOOD.replace("\"gh\"", "\"github\""));
    assert!(warnings(reloader.poll()).is_empty());
    assert_eq!(reloader.live().get().integrations[0].id.as_str(), "github");
    assert_eq!(before.integrations[0].id.as_str(), "gh", "who works by the old one still does");
    assert!(matches!(reloader.poll(), Ok(Reload::Unchanged)));
}

#[test]
fn a_secret_that_changes_in_its_own_file_is_taken_up() {
    let (folder, reloader) = start();
    assert_eq!(secret(&reloader), b"the first secret of all");
    write(&folder, "secret", "the second secret of all\n");
    assert!(warnings(reloader.poll()).is_empty());
    assert_eq!(secret(&reloader), b"the second secret of all");
}

#[test]
fn a_bad_file_is_told_once_and_the_last_good_one_stays_in_use() {
    let (folder, reloader) = start();
    let before = reloader.live().get();
    write(&folder, "gatepost.toml", &GOOD.replace("github", "githup"));
    assert!(reloader.poll().is_err());
    assert!(matches!(reloader.poll(), Ok(Reload::Unchanged)), "it is not told every second");
    assert!(reloader.reload().is_err(), "but to who asks");
    assert!(Arc::ptr_eq(&before, &reloader.live().get()));

    std::fs::remove_file(folder.path().join("gatepost.toml")).expect("there");
    assert!(reloader.poll().is_err());
    assert!(matches!(reloader.poll(), Ok(Reload::Unchanged)));
    std::fs::write(folder.path().join("gatepost.toml"), b"# \xff\n").expect("writable");
    assert!(reloader.poll().is_err(), "not UTF-8");
    assert!(matches!(reloader.poll(), Ok(Reload::Unchanged)));

    write(&folder, "gatepost.toml", GOOD);
    write(&folder, "secret", "short");
    assert!(reloader.poll().is_err(), "a secret of five bytes");
    assert!(Arc::ptr_eq(&before, &reloader.live().get()));
    write(&folder, "secret", "long enough for anybody");
    assert!(warnings(reloader.poll()).is_empty(), "a fixed secret is noticed too");
    assert_eq!(secret(&reloader), b"long enough for anybody");
}

#[test]
fn what_needs_a_restart_is_named_and_kept_while_the_rest_changes() {
    let (folder, reloader) = start();
    let changed = GOOD.replace(":8080", ":8088").replace("\"gh\"", "\"github\"")
        + "[store]\npath = \"elsewhere\"\n[retention]\nevents = \"1d\"\n";
    write(&folder, "gatepost.toml", &changed);
    let warnings = warnings(reloader.poll());
    let named: Vec<&str> = warnings.iter().map(|warning| warning.key.as_str()).collect();
    assert_eq!(named, ["gateway.listen", "retention", "store"]);
    let config = reloader.live().get();
    assert_eq!(config.gateway.listen.port(), 8080);
    assert_eq!(config.store.engine, gatepost_config::Engine::Embedded { path: folder.path().join("data") });
    assert_eq!(config.integrations[0].id.as_str(), "github");
}
