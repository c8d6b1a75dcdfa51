//! What stands in `deploy`, as it stands: the servers of `deploy/nats` with each role in a process of its own, as the user made
//! for it; configuration files that check likes; alert rules on metrics that there are.

use std::{collections::BTreeSet, path::Path, process::Command};

use gatepost_tests::{
    backend::Backend,
    corpus,
    gatepost::binary,
    judge,
    nats_server::{DEPLOYED_PASSWORD, NatsCluster, NatsServer, Options},
};

use crate::setup::{self, PATIENCE, SECRET, SIGNING, unmatched};

#[tokio::test(flavor = "multi_thread")]
async fn on_one_deployed_server_every_role_does_its_work_as_its_own_user() {
    let server = NatsServer::start_with(Options::deployed("single.conf")).await;
    every_role_does_its_work(std::slice::from_ref(&server)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_deployed_cluster_every_role_does_its_work_as_its_own_user() {
    let cluster = NatsCluster::start_with(&vec![Options::deployed("cluster.conf"); 3]).await;
    every_role_does_its_work(&cluster.servers).await;
}

async fn every_role_does_its_work(servers: &[NatsServer]) {
    let payloads = corpus::github(SECRET);
    let installations: BTreeSet<u64> = payloads.iter().filter_map(|payload| payload.installation).collect();
    let backend = Backend::start().await;
    let home = |user: &str| setup::home(&section(servers, user), "park", &installations, &backend);
    let refused = home("gateway").command(&["store", "init"]);
    assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stdout));
    home("setup").init_store();

    let (as_gateway, as_router) = (home("gateway"), home("router"));
    let gateway = as_gateway.run(&["gateway"]).await;
    let router = as_router.run(&["router"]).await;
    let address = gateway.gateway().await;
    for (payload, answer) in payloads.iter().zip(corpus::post_all(&payloads, &address, "github").await) {
        assert_eq!(answer.status.as_u16(), 200, "{}", payload.webhook.event);
    }
    let deliveries = backend.wait_for(133, PATIENCE).await;
    assert_eq!(deliveries.len(), 133, "each exactly once");
    judge::accept_all(SIGNING, &deliveries);
    gateway.stop().await;
    router.stop().await;

    let store = setup::open(&home("admin")).await;
    assert_eq!(unmatched(&store).await.len(), 196);
    store.close().await;
}

fn section(servers: &[NatsServer], user: &str) -> String {
    let urls: Vec<_> = servers.iter().map(|server| server.url_as(&format!("{user}:{DEPLOYED_PASSWORD}"))).collect();
    format!(
        "engine = \"nats\"\nurl = {urls:?}\nreplicas = {}\ndurability = \"fsync\"\nmonitor_url = \"{}\"\n\
         partitions = 4\nshards = 4",
        servers.len(),
        servers[0].monitor_url()
    )
}

#[test]
fn the_configuration_files_are_good() {
    for file in ["docker/gatepost.toml", "kubernetes/gatepost.toml"] {
        let mut command = Command::new(binary());
        command.arg("--config").arg(deploy(file)).args(["check", "--without-secrets"]);
        let output = command.env("GATEPOST_NATS_URL", "nats://gateway:secret@nats:4222").output().expect("it runs");
        assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn alert_rules_are_on_metrics_that_there_are() {
    let rules = std::fs::read_to_string(deploy("prometheus/alerts.yaml")).expect("there");
    let of_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let names = rules.split(|c| !of_name(c)).filter(|word| word.starts_with("gatepost_"));
    let names: BTreeSet<&str> = names.map(|name| name.trim_end_matches("_bucket")).collect();
    assert!(names.len() >= 8, "{names:?}");
    let code: String =
        ["gateway/src", "router/src", "admin/src"].iter().map(|folder| source(&deploy("..").join(folder))).collect();
    let unknown: Vec<_> = names.iter().filter(|name| !code.contains(&format!("\"{name}\""))).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

fn deploy(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(file)
}

/// All code below a folder.
fn source(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable").path());
    let read = |path: std::path::PathBuf| match path.is_dir() {
        true => source(&path),
        false => std::fs::read_to_string(&path).unwrap_or_default(),
    };
    entries.map(read).collect()
}
