//! The way out: connections that Gatepost makes, to destinations and to providers, at addresses that were checked when they
//! were dialled.

pub mod guard;
pub mod phases;
pub mod tls;

mod connect;
mod resolve;

pub use self::{
    connect::{Connector, DialError, Stream},
    phases::{Stopwatch, Times},
    resolve::Resolver,
};
