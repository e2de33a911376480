//! Every operation of a client: what it sends, what it makes of the answer, and what it does when that fails.

mod blocking;
#[cfg(unix)]
mod credential;
mod lifecycle;
mod oracle;
mod pages;
mod recording;
mod refusals;
mod repeats;
mod spans;
mod telemetry;
mod waiting;
