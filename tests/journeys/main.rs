//! Journeys of webhooks through the true binary.

mod access;
mod batches;
mod binding;
mod bodies;
mod canary;
mod commands;
mod connections;
mod corpus;
mod deployed;
mod document;
mod explain;
mod forgery;
mod handshakes;
mod history;
mod hostile;
mod keys;
mod made;
mod operate;
mod providers;
mod public_keys;
mod redelivery;
mod replay;
mod send;
mod setup;
mod standing;
mod structure;
