//! Live settings, on vaults in memory and under a paused clock.

mod debounce;
mod durations;
mod end_of_runtime;
mod expiry_and_intervals;
mod failed_refresh;
mod fairness;
mod faulty_application;
mod fixed;
mod health_and_metrics;
mod isolation;
mod keep_last_good;
mod latest_version;
mod lost_updates;
mod push_events;
mod rejected_credentials;
mod revocation;
mod rotation;
mod service;
mod setting_stores;
mod shutdown;
mod spans;
mod start_up;
mod suspended_process;
mod two_vaults;
mod validation;
mod without_runtime;
