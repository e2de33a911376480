//! Every operation of a client: its request, its result and its failures.

mod blocking;
#[cfg(unix)]
mod default_credential;
mod error_advice;
mod lifecycle;
mod official_client;
mod open_telemetry;
mod page_tokens;
mod pollers;
mod recording;
mod retries;
mod tracing_spans;
#[cfg(unix)]
mod unusable_steps;
