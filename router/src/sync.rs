//! Syncs: many webhooks, one run, none missed.
//!
//! An event that makes a sync stale is owed a task in the lane of that sync of its connection. Whoever owns the engine's
//! shard waits for more of them ([`board`]), notes the last task of the lane, asks the engine for a run ([`run`]), and
//! ends as synced what stood in the lane up to that task once a run that began afterwards is known to have succeeded.
//! What arrived meanwhile is still there, and owed one more. All of it is in the store, so a crash costs a run at worst.

pub(crate) mod board;
pub(crate) mod conduct;
pub(crate) mod engine;
mod give_up;
pub(crate) mod heard;
mod http;
mod lane;
pub(crate) mod live;
mod nango;
mod nats;
mod pace;
mod record;
mod run;
pub(crate) mod wish;
mod worked;
