//! What `dev` prints: one block a sample, one line a step, or one JSON object a step.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::steps::Step;
use crate::style::{self, BAD, BOLD, DIM, GOOD};

/// Prints steps for people or for machines.
pub(crate) struct Narrator {
    json: bool,
}

impl Narrator {
    /// For machines when `json`.
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// A remark that belongs to no sample.
    pub(crate) fn remark(&self, text: &str) {
        if !self.json {
            style::line(text);
        }
    }

    /// A sample begins.
    pub(crate) fn begin(&self, provider: &str, sample: &str) {
        self.remark(&format!("\n{} {}", style::paint(BOLD, provider), style::paint(DIM, sample)));
    }

    /// A step of a sample, with the time since it was posted.
    pub(crate) fn step(&self, provider: &str, posted: Instant, step: &Step) {
        let elapsed = step.at.saturating_duration_since(posted);
        if self.json {
            style::line(&object(provider, elapsed, step).to_string());
            return;
        }
        let mark = if bad(step) { style::paint(BAD, "✗") } else { style::paint(GOOD, "✓") };
        let word = format!("{:<11}", step.word);
        let time = style::paint(DIM, &format!("{:>8.1} ms", millis(elapsed)));
        style::line(&format!("  {mark} {word}{time}  {}", detail(step)));
    }

    /// A sample didn't get through in time.
    pub(crate) fn failed(&self, provider: &str, why: &str) {
        if self.json {
            style::line(&json!({"provider": provider, "step": "failed", "why": why}).to_string());
        } else {
            style::line(&format!("  {} {why}", style::paint(BAD, "✗")));
        }
    }

    /// How many samples got through.
    pub(crate) fn summary(&self, passed: usize, all: usize, judge: &str) {
        if self.json {
            style::line(&json!({"step": "summary", "samples": all, "delivered": passed}).to_string());
            return;
        }
        let style = if passed == all { GOOD } else { BAD };
        style::line(&format!("\n{}", style::paint(style, &format!("{passed} of {all} samples {judge}."))));
    }
}

fn object(provider: &str, elapsed: Duration, step: &Step) -> Value {
    let mut object = Map::new();
    if !provider.is_empty() {
        object.insert("provider".to_owned(), provider.into());
    }
    object.insert("step".to_owned(), step.word.clone().into());
    object.insert("ms".to_owned(), json!((millis(elapsed) * 1000.0).round() / 1000.0));
    object.extend(step.fields.iter().map(|(name, value)| (name.clone(), value.clone().into())));
    Value::Object(object)
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

fn bad(step: &Step) -> bool {
    match step.word.as_str() {
        "refused" | "dead" | "retrying" => true,
        "checked" => step.field("result") != "genuine",
        _ => false,
    }
}

/// The step's fields as a person would say them.
fn detail(step: &Step) -> String {
    let of = |name| step.field(name);
    match step.word.as_str() {
        "received" => format!("{} bytes for {} {}", of("bytes"), of("integration"), dim(of("request"))),
        "verified" => format!("signature is genuine {}", dim(&format!("scheme {}", of("scheme")))),
        "attributed" => format!("connection {} {}", of("connection"), dim(&format!("account {}", of("account")))),
        "stored" => format!("{} {}", of("event"), dim(of("result"))),
        "routed" => format!("to {} destination(s)", of("destinations")),
        "delivered" => {
            format!("{} answered {} {}", of("destination"), of("status"), dim(&format!("attempt {}", of("attempt"))))
        }
        "retrying" => format!("{}: {}; next try {}", of("destination"), of("error"), of("due")),
        "dead" => format!("{}: {}", of("destination"), of("reason")),
        "refused" => of("reason").to_owned(),
        "checked" => format!("backend: signature is {}", of("result")),
        _ => step.fields.iter().map(|(name, value)| format!("{name}={value} ")).collect(),
    }
}

fn dim(text: &str) -> String {
    style::paint(DIM, text)
}
