//! The API's document against the true binary: what it allows is accepted, what it forbids is refused, and every answer is
//! as it says.

use std::{collections::BTreeSet, process::Command};

use gatepost_tests::judge;
use serde_json::json;

use crate::{
    access::{Api, KEY},
    setup::{Engine, Journey},
};

/// Requests made up for each route, beside those for the limits of each field.
const EXAMPLES: &str = "3";

#[tokio::test(flavor = "multi_thread")]
async fn the_binary_does_what_its_document_says() {
    let journey = Journey::new(Engine::Embedded, "park", &BTreeSet::from([1])).await;
    let mut file = std::fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
    file += "\n[admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{ file = \"api\" }]\nwrong_keys_a_minute = 1000000\n";
    journey.home.write("api", KEY);
    journey.home.write("gatepost.toml", &file);
    let gatepost = journey.run().await;
    let api = Api::of(&gatepost).await;
    let (_, key) = api.key(&json!({ "name": "schemathesis", "scopes": ["admin"] })).await;
    let document = format!("http://{}/v1/openapi.json", gatepost.address("admin").await);
    let folder = journey.home.path("");
    let output = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(judge::tool("python/bin/schemathesis"));
        command.arg("--config-file").arg(judge::folder().join("python/schemathesis.toml")).arg("run").arg(document);
        command.args(["--phases", "coverage,fuzzing", "--max-examples", EXAMPLES, "--seed", "5"]);
        // One worker: with more, Python 3.11 loses count of its own recursion when two of them parse at once.
        command.args(["--workers", "1"]);
        command.args(["--no-color", "--generation-database", "none"]);
        let python = judge::folder().join("python");
        command
            .current_dir(folder)
            .env("PYTHONPATH", &python)
            .env("SCHEMATHESIS_HOOKS", "hooks")
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("GATEPOST_API_KEY", key).output().expect("run tests/install first")
    });
    let output = output.await.expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Coverage") && said.contains("Fuzzing"), "{said}");
    gatepost.stop().await;
}
