//! The catalogue as people and machines read it, and providers of the operator's own.

use std::{path::Path, time::Duration};

use gatepost_config::Catalogue;
use gatepost_tests::{
    gatepost::{Gatepost, Home},
    post,
    wait::eventually,
};
use serde_json::Value;

use crate::explain::{hex, hmac_sha256};

const PATIENCE: Duration = Duration::from_secs(20);
const SECRET: &str = "the secret of acme";
const CONFIG: &str = "[gateway]\nlisten = \"127.0.0.1:0\"\n\n[ops]\nlisten = \"127.0.0.1:0\"\n\n\
    [catalogue]\npath = \"providers\"\n\n\
    [[integration]]\nid = \"acme\"\nprovider = \"acme\"\nsecrets = [{ file = \"secret\" }]\n\n\
    [[integration]]\nid = \"gh\"\nprovider = \"github\"\nsecrets = [{ file = \"secret\" }]\n";

/// Acme's file, with the name of its signature's header.
fn acme(header: &str) -> String {
    format!(
        "title = \"Acme\"\n[[scheme]]\nid = \"v1\"\nkind = \"hmac\"\nhash = \"sha256\"\n\
         signature = {{ from = \"header:{header}\", encoding = \"hex\" }}\nsigned = \"{{body}}\"\n\
         [event]\ntype = \"json:/type\"\n"
    )
}

fn home() -> Home {
    let home = Home::new(CONFIG, &[("secret", SECRET)]);
    std::fs::create_dir(home.path("providers")).expect("writable");
    home.write("providers/acme.toml", &acme("x-acme"));
    home
}

fn json(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn bare() -> Home {
    let home = Home::new("", &[]);
    std::fs::remove_file(home.path("gatepost.toml")).expect("there");
    home
}

#[test]
fn list_and_show_tell_all_of_the_catalogue() {
    let home = bare();
    let catalogue = Catalogue::builtin().0;
    let list = json(&home.command(&["providers", "list", "--json"]));
    let list = list.as_array().expect("a list");
    assert_eq!(list.len(), catalogue.len());
    for (entry, provider) in list.iter().zip(catalogue.values()) {
        assert_eq!(entry["name"], provider.name.as_str());
        assert_eq!(entry["title"], provider.title);
        assert_eq!(entry["vectors"], provider.vectors.len());
        assert!(entry["kinds"].as_array().is_some_and(|kinds| !kinds.is_empty()), "{entry}");
        assert!(["verified", "authenticated", "unverified"].contains(&entry["trust"].as_str().expect("a word")));
        assert_ne!(entry["confidence"], "unknown");
    }
    let text = String::from_utf8(home.command(&["providers", "list"]).stdout).expect("text");
    assert!(text.lines().any(|line| line.starts_with("github ") && line.contains("hmac-sha256")), "{text}");

    let slack = json(&home.command(&["providers", "show", "slack", "--json"]));
    assert_eq!(slack["deadline"], "3s");
    assert_eq!(slack["schemes"][0]["kind"], "hmac-sha256");
    assert!(slack["schemes"][0]["words"].to_string().contains("v0:{header:x-slack-request-timestamp}:{body}"));
    let text = String::from_utf8(home.command(&["providers", "show", "slack"]).stdout).expect("text");
    assert!(text.contains("# Slack") && text.contains("api.slack.com/apps"), "{text}");
    let output = home.command(&["providers", "show", "slak"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no provider \"slak\""), "{said}");
}

#[test]
fn every_file_of_the_catalogue_stands_the_check() {
    let home = bare();
    let catalogue = Catalogue::builtin().0;
    let files: Vec<String> = catalogue.keys().map(|name| format!("config/providers/{name}.toml")).collect();
    let files: Vec<_> = files.iter().map(|file| repository().join(file)).collect();
    let files = files.iter().map(|file| file.to_str().expect("text"));
    let output = home.command(&["providers", "check", "--json"].into_iter().chain(files).collect::<Vec<_>>());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let reports: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("a report")).collect();
    assert_eq!((output.status.code(), reports.len()), (Some(0), catalogue.len()), "{output:?}");
    for (report, name) in reports.iter().zip(catalogue.keys()) {
        assert_eq!((&report["name"], &report["valid"]), (&name.as_str().into(), &Value::Bool(true)), "{report}");
        assert!(report["proofs"].as_array().is_some_and(|proofs| !proofs.is_empty()), "{name}: {report}");
    }
}

#[test]
fn check_names_the_place_of_what_is_wrong_and_the_vector_that_fails() {
    let home = bare();
    let good = std::fs::read_to_string(repository().join("config/providers/github.toml")).expect("readable");
    let good = good.replace("type = \"github.", "type = \"acme-hub.");
    let check = |text: &str| {
        home.write("acme-hub.toml", text);
        home.command(&["providers", "check", "acme-hub.toml", "--json"])
    };
    let output = check(&good);
    assert!(output.status.success(), "{output:?}");

    let output = check(&good.replace("hash = \"sha256\"", "hash = \"sha257\""));
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output);
    let line = 1 + good.lines().position(|line| line.starts_with("hash")).expect("there");
    assert_eq!(report["problems"][0]["line"], line, "{report}");
    assert!(report["problems"][0]["key"].as_str().is_some_and(|key| key.contains("hash")), "{report}");
    assert!(String::from_utf8_lossy(&output.stderr).contains(&format!("acme-hub.toml:{line}:")));

    let output = check(&good.replace("sha256=10adaa44", "sha256=10adaa45"));
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output);
    assert!(report["proofs"][0]["failures"][0].as_str().is_some_and(|f| f.contains("signature_mismatch")), "{report}");
    let output = check(&good.replace("account = \"12345678\"", "account = \"12345679\""));
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output);
    assert!(report["proofs"][0]["failures"][0].as_str().is_some_and(|f| f.contains("account")), "{report}");
    let output = check(
        &good
            .replace("signed = \"{body}\"", "signed = \"\"")
            .replace("secret_scope", "trust = \"authenticated\"\nsecret_scope"),
    );
    assert_eq!(output.status.code(), Some(1), "a text that signs nothing: {output:?}");
    assert_eq!(home.command(&["providers", "check", "missing.toml"]).status.code(), Some(1));

    home.write("acme-hub.toml", &good);
    let output = home.command(&["providers", "check", "missing.toml", "acme-hub.toml", "--json"]);
    assert_eq!(output.status.code(), Some(1), "one of them is bad");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let valid = said.lines().map(|line| serde_json::from_str::<Value>(line).expect("a report")["valid"].clone());
    assert_eq!(valid.collect::<Vec<_>>(), [Value::Bool(false), Value::Bool(true)], "the other is proven all the same");
}

async fn posted(gatepost: &Gatepost, integration: &str, header: &str, prefix: &str) -> u16 {
    let body = b"{\"type\":\"x\"}";
    let signature = format!("{prefix}{}", hex(&hmac_sha256(SECRET.as_bytes(), body)));
    let path = format!("/webhooks/{integration}");
    let headers = [(header, signature.as_str()), ("content-type", "application/json")];
    let answer = post::post(&gatepost.gateway().await, &path, &headers, (&body[..]).into()).await;
    answer.expect("an answer").status.as_u16()
}

async fn said(gatepost: &Gatepost, what: &str) -> String {
    let found = eventually(what, PATIENCE, async || gatepost.log().into_iter().find(|line| line.contains(what)));
    found.await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_the_folder_is_served_taken_up_when_it_changes_and_refused_when_it_is_bad() {
    let home = home();
    let gatepost = home.run(&["gateway"]).await;
    assert_eq!(posted(&gatepost, "acme", "x-acme", "").await, 200);
    assert_eq!(posted(&gatepost, "acme", "x-acme-2", "").await, 401);

    home.write("providers/acme.toml", &acme("x-acme-2"));
    eventually("the new file", PATIENCE, async || {
        (posted(&gatepost, "acme", "x-acme-2", "").await == 200).then_some(())
    })
    .await;
    assert_eq!(posted(&gatepost, "acme", "x-acme", "").await, 401);

    home.write("providers/acme.toml", &acme("x-acme-3").replace("sha256", "sha257"));
    let line = said(&gatepost, "acme goes on as it was").await;
    assert!(line.contains("acme.toml"), "{line}");
    said(&gatepost, "acme.toml:5:").await;
    assert_eq!(posted(&gatepost, "acme", "x-acme-2", "").await, 200, "the last good one");
    assert_eq!(posted(&gatepost, "gh", "x-hub-signature-256", "sha256=").await, 200, "the rest");

    // Another integration is taken up although the file is still bad.
    let more = "\n[[integration]]\nid = \"gh-2\"\nprovider = \"github\"\nsecrets = [{ file = \"secret\" }]\n";
    home.write("gatepost.toml", &format!("{CONFIG}{more}"));
    eventually("the new integration", PATIENCE, async || {
        (posted(&gatepost, "gh-2", "x-hub-signature-256", "sha256=").await == 200).then_some(())
    })
    .await;
    assert_eq!(posted(&gatepost, "acme", "x-acme-2", "").await, 200);

    home.write("providers/acme.toml", &acme("x-acme-3"));
    eventually("the file that was put right", PATIENCE, async || {
        (posted(&gatepost, "acme", "x-acme-3", "").await == 200).then_some(())
    })
    .await;
    home.write("providers/github.toml", &acme("x-own-hub"));
    eventually("a new file in a built-in's place", PATIENCE, async || {
        (posted(&gatepost, "gh", "x-own-hub", "").await == 200).then_some(())
    })
    .await;
    std::fs::remove_file(home.path("providers/github.toml")).expect("there");
    eventually("the built-in one again", PATIENCE, async || {
        (posted(&gatepost, "gh", "x-hub-signature-256", "sha256=").await == 200).then_some(())
    })
    .await;
    gatepost.stop().await;
}

#[test]
fn at_the_first_load_a_bad_file_stops_only_those_who_need_it() {
    let home = home();
    let output = home.command(&["check"]);
    assert!(output.status.success(), "{output:?}");

    home.write("providers/unused.toml", "title = 1\n");
    let output = home.command(&["check"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("unused.toml:1:") && said.contains("unused is not served"), "{said}");

    // A bad file in the place of a built-in provider does not fall back to the built-in one.
    home.write("providers/github.toml", "title = 1\n");
    let output = home.command(&["check"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("github.toml:1:") && said.contains("whose own file is refused"), "{said}");

    std::fs::remove_dir_all(home.path("providers")).expect("there");
    let output = home.command(&["check"]);
    assert_eq!(output.status.code(), Some(78), "no folder: {output:?}");
}

#[test]
fn the_provider_that_contributing_md_adds_is_proven_and_listed_and_was_lacking() {
    let guide = std::fs::read_to_string(repository().join("CONTRIBUTING.md")).expect("the guide");
    let (_, rest) = guide.split_once("```toml\n").expect("the provider's file");
    let (file, _) = rest.split_once("```\n").expect("its end");
    assert!(!Catalogue::builtin().0.contains_key("uploadcare"), "choose another provider for CONTRIBUTING.md");
    let home = Home::new("[catalogue]\npath = \"providers\"\n", &[]);
    std::fs::create_dir(home.path("providers")).expect("writable");
    home.write("providers/uploadcare.toml", file);
    let output = home.command(&["providers", "check", "providers/uploadcare.toml", "--json"]);
    let report = json(&output);
    assert!(output.status.success() && report["problems"] == serde_json::json!([]), "{report}");
    assert!(report["proofs"][0]["tried"].as_u64().is_some_and(|tried| tried > 100), "{report}");
    let shown = json(&home.command(&["providers", "show", "uploadcare", "--json"]));
    assert_eq!((&shown["kinds"][0], &shown["trust"]), (&"hmac-sha256".into(), &"verified".into()));
}

#[test]
fn list_shows_the_operator_s_own_providers_too() {
    let home = home();
    let list = json(&home.command(&["providers", "list", "--json"]));
    assert!(list.as_array().expect("a list").iter().any(|entry| entry["name"] == "acme"));
}

#[test]
fn the_documentation_of_every_provider_is_the_generated_one() {
    let home = bare();
    let output = home.command(&["providers", "docs", "pages"]);
    assert!(output.status.success(), "{output:?}");
    let (made, kept) = (home.path("pages"), repository().join("docs/providers"));
    let update = "run `gatepost providers docs docs/providers`";
    let names = |folder: &Path| -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap_or_else(|_| panic!("{} is missing; {update}", folder.display()))
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    if gatepost_config::std_env("UPDATE").is_some() {
        let output = home.command(&["providers", "docs", kept.to_str().expect("text")]);
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(names(&made), names(&kept), "{update}");
    for name in names(&made) {
        let (made, kept) = (std::fs::read_to_string(made.join(&name)), std::fs::read_to_string(kept.join(&name)));
        assert!(made.expect("text") == kept.expect("text"), "{name} is not the generated one; {update}");
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository")
}
