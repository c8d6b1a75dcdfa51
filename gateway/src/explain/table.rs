//! The table of all codes, `docs/reasons.md`, made from the types.

use std::fmt::Write as _;

use super::{Cause, remedy};
use crate::reason::Reason;

const HEAD: &str = "\
# Why a request was refused

Made from `gateway/src/reason.rs` and `gateway/src/explain/cause.rs`; don't edit
(`UPDATE=1 cargo test -p gatepost-gateway --lib explain`).

Codes are stable. The gateway records one of the first table with every request it refuses, in quarantine and metrics, and
answers 401 without it: who forges learns nothing. `gatepost explain` gives the same code, or a finer one of the second
table: it judges the request as the gateway does, then tries what would have made it verify, and the first change that
does names the cause. In `--json` the gateway's code is `refusal`, the finer one `reason`.

    gatepost explain req_01m84g7qdnf539fkwz7kgtx2ej
    gatepost explain --provider github --secret-file secret --at 2026-11-22T17:04:05Z request.http

`req_...` is a refused request that is kept, judged by the configuration that `--config` names. `request.http` is the raw
request: request line, headers, an empty line, the body byte for byte.

";

/// The whole page.
fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("## What the gateway records\n\n| code | meaning | what to do |\n|---|---|---|\n");
    for reason in Reason::ALL {
        // Writing to a String can't fail.
        let _ = writeln!(page, "| `{}` | {} | {} |", reason.code(), reason.about().trim(), remedy(*reason));
    }
    page.push_str("\n## What `explain` finds besides\n\n| code | meaning | what to do |\n|---|---|---|\n");
    for cause in Cause::ALL {
        let _ = writeln!(page, "| `{}` | {} | {} |", cause.code(), cause.about().trim(), cause.remedy());
    }
    page
}

#[test]
fn the_page_of_all_codes_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reasons.md");
    if gatepost_config::std_env("UPDATE").is_some() {
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")).expect("writable");
        std::fs::write(path, page()).expect("writable");
    }
    let kept = std::fs::read_to_string(path).expect("docs/reasons.md");
    assert!(kept == page(), "UPDATE=1 cargo test -p gatepost-gateway --lib explain");
}

#[test]
fn every_code_is_one_word_and_nobody_else_s() {
    let mut codes: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    codes.extend(Cause::ALL.iter().map(|cause| cause.code()));
    let all = codes.len();
    assert!(codes.iter().all(|code| code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), all);
}
