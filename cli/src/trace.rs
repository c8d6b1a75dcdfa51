//! `gatepost trace`: the whole way of an event on one screen.

use std::time::Duration;

use gatepost_config::Timestamp;
use serde_json::{Value, json};

use crate::{
    api::{self, field},
    args::ApiArgs,
    exit::Exit,
    style::{self, BAD, BOLD, DIM, GOOD, WARN, paint},
};

#[derive(Debug, clap::Args)]
pub(crate) struct TraceArgs {
    /// Any id: the provider's, req_, evt_, dlv_
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

/// Of what a destination answered to a failed attempt.
const ANSWER_CHARS_MAX: usize = 120;
/// Events that are shown at once: a request may have had many.
const EVENTS_MAX: usize = 20;

/// Finds what the id is of, and shows its way.
pub(crate) async fn trace(args: &TraceArgs) -> Result<(), Exit> {
    let api = &args.api;
    let query = [("q", Some(args.id.clone())), ("limit", Some(EVENTS_MAX.to_string()))];
    let found = api::get(api, &["search"], &query).await?;
    let items = found.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut shown = Vec::new();
    for item in items.iter().filter(|item| is_by_id(item)) {
        let at = item.get("at").and_then(Value::as_str).map(str::to_owned);
        shown.push(api::get(api, &["events", &field(item, "id")], &[("at", at)]).await?);
    }
    let refused = match shown.is_empty() && args.id.starts_with("req_") {
        true => Some(api::get(api, &["requests", &args.id], &[]).await?),
        false => None,
    };
    if shown.is_empty() && refused.is_none() {
        let lag = field(&found, "lag_seconds");
        let what = format!("nothing is known of {}; what came in the last {lag} s may be missing", args.id);
        return Err(Exit::failed(what));
    }
    if api.json {
        api::print(&json!({ "events": shown, "request": refused }));
        return Ok(());
    }
    shown.iter().for_each(event);
    if let Some(request) = &refused {
        refusal(request);
    }
    if found.get("next").is_some_and(Value::is_string) {
        style::note(&format!("more: gatepost search {}", args.id));
    }
    Ok(())
}

/// Words of a body are for `gatepost search`.
fn is_by_id(item: &Value) -> bool {
    let matched = item.get("matched").and_then(Value::as_array);
    matched.into_iter().flatten().any(|why| why != "text")
}

fn event(event: &Value) {
    style::line(&format!(
        "{}  {}  {}",
        paint(BOLD, &field(event, "id")),
        field(event, "type"),
        state(&field(event, "state"))
    ));
    row("received", &format!("{}  {} bytes", field(event, "received_at"), field(event, "bytes")));
    row("request", &field(event, "request"));
    let ids = ["integration", "connection", "tenant", "account"];
    let whose: Vec<_> = ids.iter().map(|name| format!("{name} {}", field(event, name))).collect();
    row("whose", &whose.join(", "));
    row("provider", &format!("{}, its id {}", field(event, "provider"), field(event, "provider_event_id")));
    row("trust", &field(event, "trust"));
    for delivery in event.get("deliveries").and_then(Value::as_array).into_iter().flatten() {
        let (destination, route) = (field(delivery, "destination"), field(delivery, "route"));
        let status = state(&field(delivery, "status"));
        let (what, whither) = match delivery.get("sync").and_then(Value::as_str) {
            Some(sync) => ("sync", format!("{sync} at {destination}")),
            None => ("delivery", format!("to {destination}")),
        };
        row(what, &format!("{}  {whither} by {route}  {status}", field(delivery, "id")));
        for attempt in delivery.get("tries").and_then(Value::as_array).into_iter().flatten() {
            try_of(attempt);
        }
        if let Some(next) = next_of(delivery, Timestamp::now()) {
            row("", &next);
        }
        if delivery.get("reason").is_some_and(Value::is_string) {
            let detail = delivery.get("detail").and_then(Value::as_str).unwrap_or_default();
            row("", &format!("died {} of {} {detail}", field(delivery, "died_at"), field(delivery, "reason")));
        }
    }
}

/// When a delivery that waits for a time goes on.
fn next_of(delivery: &Value, now: Timestamp) -> Option<String> {
    let due = |of: &Value| {
        let at: Timestamp = of.get("next_attempt_at")?.as_str()?.parse().ok()?;
        Some(format!("attempt {} is due at {at} (in {})", field(of, "next_attempt"), words(at.since(now))))
    };
    let behind = |head: &Value| Some(format!("waits behind {}, whose {}", field(head, "delivery"), due(head)?));
    due(delivery).or_else(|| delivery.get("waits_behind").and_then(behind))
}

/// A span as a person says it, rounded up: "4 min".
fn words(span: Duration) -> String {
    let seconds = span.as_millis().div_ceil(1000);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3600)),
    }
}

fn try_of(attempt: &Value) {
    let failed = attempt.get("error").is_some_and(Value::is_string);
    let outcome = match (attempt.get("status").and_then(Value::as_u64), failed) {
        (Some(status), false) => paint(GOOD, &status.to_string()),
        (Some(status), true) => paint(BAD, &status.to_string()),
        (None, _) => paint(BAD, &field(attempt, "error")),
    };
    let (number, at, took) = (field(attempt, "number"), field(attempt, "started_at"), field(attempt, "duration_ms"));
    let answer = attempt.get("response").and_then(Value::as_str).filter(|_| failed).unwrap_or_default();
    let answer: String = answer.chars().take(ANSWER_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    row("", format!("attempt {number}  {at}  {outcome} after {took} ms  {answer}").trim_end());
}

fn refusal(request: &Value) {
    let refusal = request.get("refusal").cloned().unwrap_or_default();
    style::line(&format!("{}  {}", paint(BOLD, &field(request, "id")), paint(BAD, "refused")));
    row("received", &format!("{}  {} bytes", field(&refusal, "received_at"), field(&refusal, "bytes")));
    row("whose", &format!("integration {}", field(&refusal, "integration")));
    row("why", &field(&refusal, "reason"));
    row("more", &format!("gatepost explain {}", field(request, "id")));
}

fn row(name: &str, text: &str) {
    style::line(&format!("  {} {text}", paint(DIM, &format!("{name:<9}"))));
}

fn state(word: &str) -> String {
    let style = match word {
        "delivered" | "synced" => GOOD,
        "dead" => BAD,
        _ => WARN,
    };
    paint(style, word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_says_when_it_goes_on_or_what_it_waits_behind() {
        let now: Timestamp = "2026-11-22T17:00:00Z".parse().expect("a time");
        let due = json!({ "next_attempt_at": "2026-11-22T17:03:30.000Z", "next_attempt": 3 });
        assert_eq!(next_of(&due, now).as_deref(), Some("attempt 3 is due at 2026-11-22T17:03:30.000Z (in 4 min)"));
        let behind = json!({ "next_attempt_at": null, "waits_behind": {
            "delivery": "dlv_1", "next_attempt_at": "2026-11-22T17:00:07.200Z", "next_attempt": 2,
        } });
        assert_eq!(
            next_of(&behind, now).as_deref(),
            Some("waits behind dlv_1, whose attempt 2 is due at 2026-11-22T17:00:07.200Z (in 8 s)")
        );
        assert_eq!(next_of(&json!({ "next_attempt_at": null, "waits_behind": null }), now), None);
    }

    #[test]
    fn spans_are_rounded_up() {
        let spans = [(0, "0 s"), (119, "119 s"), (121, "3 min"), (7200, "2 h"), (7201, "3 h")];
        for (seconds, expected) in spans {
            assert_eq!(words(Duration::from_secs(seconds)), expected);
        }
    }
}
