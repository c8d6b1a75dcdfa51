//! The direction of dependencies: config <- { event, outbound } <- { gateway, router, admin } <- cli; tests -> cli's parts.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

/// The workspace as cargo describes it. Read without a crate for it: that one would give serde_json a feature which the
/// product is built without, and everything would be built twice.
fn metadata() -> Value {
    let manifest = gatepost_tests::judge::folder().join("../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .output();
    serde_json::from_slice(&output.expect("cargo runs").stdout).expect("cargo metadata")
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

#[test]
fn crates_depend_in_one_direction_and_keep_their_secrets() {
    let metadata = metadata();
    let uses: BTreeMap<String, BTreeSet<String>> = metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            // Those for tests and build scripts have a kind.
            let normal = dependencies.iter().filter(|dependency| dependency["kind"].is_null());
            (text(&package["name"]), normal.map(|dependency| text(&dependency["name"])).collect())
        })
        .collect();
    let own = |name: &str| -> BTreeSet<&str> {
        let ours = uses[name].iter().filter_map(|dependency| dependency.strip_prefix("gatepost-"));
        ours.collect()
    };
    assert_eq!(own("gatepost-config"), BTreeSet::from([]));
    assert_eq!(own("gatepost-event"), BTreeSet::from(["config"]));
    assert_eq!(own("gatepost-outbound"), BTreeSet::from(["config"]));
    assert_eq!(own("gatepost-gateway"), BTreeSet::from(["config", "event", "outbound"]));
    assert_eq!(own("gatepost-router"), BTreeSet::from(["config", "event", "outbound"]));
    assert_eq!(own("gatepost-admin"), BTreeSet::from(["config", "event"]));
    assert_eq!(own("gatepost-cli"), BTreeSet::from(["admin", "config", "event", "gateway", "router"]));

    let product = uses.iter().filter(|(name, _)| *name != "gatepost-tests");
    for (name, dependencies) in product {
        for engine in ["async-nats", "rusqlite"] {
            // The history is a file of the API's own.
            let may = name == "gatepost-event" || (name == "gatepost-admin" && engine == "rusqlite");
            assert_eq!(dependencies.contains(engine), may, "{name} and {engine}");
        }
    }
}
