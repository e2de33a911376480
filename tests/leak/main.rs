//! Everything is done once with secrets and tokens that can be told anywhere, and everything that people see is searched.
//!
//! A program of its own, beside the suite: what is logged, counted and shouted on *every* thread is to be seen, and the
//! subscriber, the logger, the recorder and the panic hook that see it belong to a whole process. Each test has canaries of
//! its own, so that all of them share one log and none is disturbed by another.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops where it stands, helpers included")]

mod adapters;
mod caught;
mod client;
mod credential;
mod faults;
mod live;
mod place;
mod push;
mod record;
mod resolver;
mod scan;
mod sealed;
mod settings;
