//! How many messages a stream holds, in all and by subject.

use std::{collections::HashMap, time::Instant};

use serde::Deserialize;
use serde_json::json;

use super::link::Link;
use crate::StoreError;

/// A stream's numbers at one moment.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Messages in all.
    pub(super) messages: u64,
    /// The first message's place, or one after the last when there is none.
    pub(super) first: u64,
    /// The last message's place.
    pub(super) last: u64,
    /// When the stream was made.
    pub(super) created: String,
    /// Messages by subject, of the subjects that match.
    pub(super) subjects: HashMap<String, u64>,
}

#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    created: String,
    state: State,
    /// Subjects in all; only when they were asked for.
    #[serde(default)]
    total: usize,
}

#[derive(Deserialize)]
struct State {
    messages: u64,
    first_seq: u64,
    last_seq: u64,
    #[serde(default)]
    subjects: HashMap<String, u64>,
}

/// Asks for a stream's numbers; the subjects come in pages.
pub(super) async fn tally(link: &Link, stream: &str, filter: &str, deadline: Instant) -> Result<Tally, StoreError> {
    let api = format!("STREAM.INFO.{stream}");
    let mut tally = Tally::default();
    let mut offset = 0;
    loop {
        let request = json!({ "subjects_filter": filter, "offset": offset });
        let page: Info = link.api(&api, &request, deadline).await?;
        (tally.messages, tally.first, tally.last) = (page.state.messages, page.state.first_seq, page.state.last_seq);
        tally.created = page.created;
        let found = page.state.subjects.len();
        tally.subjects.extend(page.state.subjects);
        offset += found;
        if found == 0 || offset >= page.total {
            return Ok(tally);
        }
    }
}

/// A stream's numbers without its subjects.
pub(super) async fn numbers(link: &Link, stream: &str, deadline: Instant) -> Result<Tally, StoreError> {
    let page: Info = link.api(&format!("STREAM.INFO.{stream}"), &json!({}), deadline).await?;
    Ok(Tally {
        messages: page.state.messages,
        first: page.state.first_seq,
        last: page.state.last_seq,
        created: page.created,
        subjects: HashMap::new(),
    })
}
