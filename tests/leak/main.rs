//! No output shows a secret or a token: every operation runs with canaries, and everything that people see is searched.
//!
//! This is a test binary of its own, because the search covers logs, metrics and panics of *every* thread, and the
//! subscriber, the logger, the recorder and the panic hook belong to the whole process. Each test has its own canaries,
//! so that all tests can share one log.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue panics at once, and so do its helpers")]

mod adapters;
mod app_configuration;
mod certificates;
mod client;
mod credential;
mod detection;
mod faults;
mod live;
mod process_output;
mod push;
mod resolver;
mod scan;
mod sealed;
mod settings;
mod vault;
