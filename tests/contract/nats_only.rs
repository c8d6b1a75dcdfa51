//! What only the NATS engine promises.

mod behind;
mod checks;
mod cluster;
mod faults;
mod leases;
mod ledger;
mod steps;
