//! A backup of the embedded store that is made while Gatepost runs, as docs/operating.md says, and what is restored of it.

use std::{collections::BTreeSet, path::Path};

use gatepost_tests::{backend::Backend, github::Webhook, judge};
use rusqlite::{Connection, OpenFlags};

use crate::setup::{self, Engine, Journey, PATIENCE, SECRET, SIGNING};

/// Beyond what is kept in the database itself.
const LARGE: usize = 2 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_when_a_backup_was_made_is_delivered_by_what_is_restored() {
    let journey = Journey::new(Engine::Embedded, "forward", &BTreeSet::new()).await;
    journey.backend.answer(503);
    let gatepost = journey.run().await;
    let address = gatepost.gateway().await;
    for n in 0..3 {
        let body = format!("{{\"n\":{n},\"text\":\"{}\"}}", "x".repeat(if n == 0 { LARGE } else { 10 }));
        let webhook = Webhook::signed(SECRET, "push", &format!("kept-{n}"), body);
        assert_eq!(webhook.post(&address, "github").await.expect("an answer").status.as_u16(), 200);
    }
    let backend = Backend::start().await;
    let restored = setup::home(&journey.engine.section(), "forward", &BTreeSet::new(), &backend);
    backup(&journey.home.path("data"), &restored.path("data"));
    gatepost.stop().await;

    let output = restored.command(&["store", "check"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("the database is sound"), "{said}");
    let gatepost = restored.run(&[]).await;
    let deliveries = backend.wait_for(3, PATIENCE).await;
    let numbers: BTreeSet<i64> = deliveries.iter().filter_map(|got| got.envelope()["data"]["n"].as_i64()).collect();
    assert_eq!(numbers, BTreeSet::from([0, 1, 2]));
    judge::accept_all(SIGNING, &deliveries);
    gatepost.stop().await;
}

fn backup(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("bodies")).expect("writable");
    let store = Connection::open_with_flags(from.join("gatepost.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("open");
    store.execute("VACUUM INTO ?1", [to.join("gatepost.db").to_str().expect("text")]).expect("a copy");
    std::fs::create_dir_all(to.join("frames")).expect("writable");
    for file in std::fs::read_dir(from.join("frames")).expect("there") {
        let file = file.expect("readable");
        std::fs::copy(file.path(), to.join("frames").join(file.file_name())).expect("a copy");
    }
    let bodies: Vec<_> = std::fs::read_dir(from.join("bodies")).expect("there").collect();
    assert!(!bodies.is_empty(), "a large body has a file of its own");
    for body in bodies {
        let body = body.expect("readable");
        std::fs::copy(body.path(), to.join("bodies").join(body.file_name())).expect("a copy");
    }
}
