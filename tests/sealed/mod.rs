//! The sealed snapshot: a start on either framework while no vault can be reached.

mod failure_delay;
mod key_placement;
mod outage;
mod refusals;
mod sealed_file;
mod service;
mod setting_stores;
