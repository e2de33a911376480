//! A start while no vault can be reached: from the sealed snapshot, by either framework, and by nothing else.

mod delay;
mod depot;
mod file;
mod key;
mod outage;
mod refusals;
