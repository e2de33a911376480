//! Certificates in the forms that other tools write, with the command `openssl` as the oracle.
//!
//! Without `openssl` the tests are skipped, and with the variable `CI` they fail.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue panics at once, and so do its helpers")]

mod authority;
mod bad_input;
mod chains;
mod connection;
mod foreign_tools;
mod forms;
mod handshakes;
mod health;
mod openssl;
mod output;
mod providers;
mod renewals;
mod settings;
