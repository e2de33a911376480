//! Derived resources that follow settings, on a vault in memory and under a paused clock.

mod draining;
mod failed_builds;
mod first_build;
mod health_and_metrics;
mod projection;
mod replacement;
mod retry;
mod service;
mod shutdown;
mod spans;
