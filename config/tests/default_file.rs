//! The default file is made from the types, is up to date, and tells the truth.

use std::path::Path;

use gatepost_config::{Engine, Loaded, Options, Problems, Router, default_file, std_env};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gatepost.default.toml");

fn parse(text: &str) -> Result<Loaded, Problems> {
    let env = |name: &str| match name {
        "GATEPOST_SIGNING_SECRET" => Some("whsec_YW4gZXhhbXBsZSBvZiBhIHNpZ25pbmcga2V5".to_owned()),
        _ => Some("an example of a secret".to_owned()),
    };
    gatepost_config::parse(text, Path::new(FILE), &env, Options { without_secrets: true, ..Options::default() })
}

/// The settings of a file that shows them commented out.
fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_committed_file_is_the_generated_one() {
    let generated = default_file();
    if std_env("UPDATE").is_some() {
        std::fs::write(FILE, &generated).expect("writable");
    }
    let committed = std::fs::read_to_string(FILE).expect("config/gatepost.default.toml");
    assert!(committed == generated, "UPDATE=1 cargo test -p gatepost-config --test default_file");
}

#[test]
fn the_file_as_it_stands_is_all_defaults() {
    let text = default_file();
    assert!(text.lines().all(|line| line.len() <= 120), "it fits a screen");
    let shown = parse(&text).unwrap_or_else(|problems| panic!("{problems}"));
    let empty = parse("").unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(format!("{:?}", shown.config), format!("{:?}", empty.config));
}

#[test]
fn every_example_in_it_is_valid_and_every_default_is_the_default() {
    let text = uncommented(&default_file());
    let (before, nats) = text.split_once("# With engine = \"nats\"").expect("the settings of NATS");
    let (_, after) = nats.split_once("# How long what is finished").expect("the section after");
    // A route to the operator's own destinations can't name a tenant's.
    let mine = |text: &str| text.replacen("tenant = \"acme-inc\"\n\n# Where deliveries", "\n# Where deliveries", 1);

    let embedded = parse(&mine(&format!("{before}\n# {after}"))).unwrap_or_else(|problems| panic!("{problems}")).config;
    let empty = parse("").unwrap_or_else(|problems| panic!("{problems}")).config;
    assert_eq!(Router { egress_proxy: None, ..embedded.router }, empty.router);
    assert_eq!(embedded.retention, empty.retention);
    assert_eq!(embedded.store.engine, empty.store.engine);
    assert_eq!(embedded.gateway.answer_deadline, empty.gateway.answer_deadline);
    assert_eq!((embedded.integrations.len(), embedded.connections.len()), (1, 1));
    assert_eq!((embedded.destinations.len(), embedded.routes.len()), (1, 1));

    let nats = text.replace("engine = \"embedded\"\n", "engine = \"nats\"\n").replace("path = \"data\"\n", "");
    let nats = parse(&mine(&nats)).unwrap_or_else(|problems| panic!("{problems}")).config;
    assert!(matches!(nats.store.engine, Engine::Nats(_)));
}
