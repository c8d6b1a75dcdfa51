//! The committed copy of the API's document is the one that is served. `UPDATE=1 cargo test -p gatepost-admin` writes it.

use std::{fs, path::Path};

#[test]
#[expect(clippy::disallowed_methods, reason = "the test's own switch")]
fn the_committed_document_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let document = serde_json::to_string_pretty(gatepost_admin::openapi()).expect("JSON") + "\n";
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &document).expect("writable");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == document, "openapi.json is not up to date: run UPDATE=1 cargo test -p gatepost-admin");
}
