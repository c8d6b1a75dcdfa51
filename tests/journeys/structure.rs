//! The direction of dependencies: config <- { event, outbound } <- { gateway, router, admin } <- cli; tests -> cli's parts.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

#[test]
fn crates_depend_in_one_direction_and_keep_their_secrets() {
    let metadata = MetadataCommand::new()
        .manifest_path(gatepost_tests::judge::folder().join("../Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata");
    let uses: BTreeMap<String, BTreeSet<String>> = metadata
        .packages
        .iter()
        .map(|package| {
            let normal = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
            (package.name.to_string(), normal.map(|dependency| dependency.name.clone()).collect())
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
