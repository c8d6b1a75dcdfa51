//! The steps of each webhook, as the roles report them (`tracing` target `gatepost::step`).

use std::{collections::BTreeMap, fmt, time::Instant};

use tokio::sync::mpsc;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer, filter,
    layer::{Context, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

/// Where roles report steps.
const TARGET: &str = "gatepost::step";
/// Steps waiting to be printed; more are dropped, since narration must never hold up the work it narrates.
const STEPS_WAITING_MAX: usize = 4096;

/// One step of one webhook.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// When.
    pub(crate) at: Instant,
    /// `received`, `verified`, ...
    pub(crate) word: String,
    /// What is known: `request`, `event`, and more by step.
    pub(crate) fields: BTreeMap<String, String>,
}

impl Step {
    /// A field's text; empty when the step doesn't have it.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// Where other parts of `dev` report steps of their own.
pub(crate) type Report = mpsc::Sender<Step>;

/// Starts logging: steps to the receiver, warnings and errors to standard error.
pub(crate) fn listen() -> (Report, mpsc::Receiver<Step>) {
    let (report, steps) = mpsc::channel(STEPS_WAITING_MAX);
    let collect = Collect { report: report.clone() };
    let only_steps = filter::Targets::new().with_target(TARGET, Level::DEBUG);
    let problems = filter::Targets::new().with_default(Level::WARN).with_target(TARGET, filter::LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    tracing_subscriber::registry().with(collect.with_filter(only_steps)).with(lines.with_filter(problems)).init();
    (report, steps)
}

struct Collect {
    report: Report,
}

impl<S: Subscriber> Layer<S> for Collect {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        let word = fields.0.remove("step").unwrap_or_default();
        fields.0.remove("message");
        let _ = self.report.try_send(Step { at: Instant::now(), word, fields: fields.0 });
    }
}

struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}
