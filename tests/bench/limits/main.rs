//! What Gatepost is measured against, and what measures it: the limits of HTTP, SQLite and JetStream on this machine, loads
//! that know when each of their webhooks was delivered, a way to fill a store, and one to make it slower.
//!
//! Every subcommand prints a line of JSON; a server prints its address first. `tests/bench/run` puts them together.

mod bare;
mod delay;
mod fill;
mod flow;
mod jetstream;
mod overload;
mod raw_client;
mod sink;
mod sqlite;
mod webhook;

use std::{collections::HashMap, time::Duration};

/// `--name value` pairs.
struct Args(HashMap<String, String>);

impl Args {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("--{name} is missing"))
    }

    fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or_else(|_| panic!("--{name} is not a number"))
    }

    fn count(&self, name: &str) -> usize {
        usize::try_from(self.number(name)).expect("it fits")
    }

    fn seconds(&self) -> Duration {
        Duration::from_secs(self.number("seconds"))
    }
}

fn main() {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let mut args = HashMap::new();
    while let Some(name) = words.next() {
        let name = name.strip_prefix("--").unwrap_or_else(|| panic!("{name}: write --name value")).to_owned();
        args.insert(name, words.next().expect("a value"));
    }
    let args = Args(args);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        match command.as_str() {
            "bare" => bare::serve().await,
            "sink" => sink::serve_alone().await,
            "sqlite" => sqlite::measure(&args),
            "jetstream" => jetstream::measure(&args).await,
            "client" => raw_client::measure(&args).await,
            "flow" => flow::measure(&args).await,
            "fill" => fill::measure(&args).await,
            "delay" => delay::serve(&args).await,
            "overload" => overload::measure(&args).await,
            other => panic!("{other:?} is none of bare, sink, sqlite, jetstream, client, flow, fill, delay, overload"),
        }
    });
}
