//! The admin API: what an operator's tools see of events and deliveries, and ask for.
//!
//! It reads the store and writes wishes into its registry; routers fulfil them. It never uses the gateway or the router.

mod deliveries;
mod destinations;
mod events;
mod key;
mod listener;
mod page;
mod problem;
mod replays;
mod serve;

pub use serve::{RunError, run};
