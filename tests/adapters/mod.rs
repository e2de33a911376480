//! Both frameworks do the whole job: every story is told once and holds on each.

mod app_configuration;
mod broken;
mod figments;
mod lines;
mod load_report;
mod many;
mod names;
mod optional;
mod order;
mod origins;
mod policies;
mod random;
mod redaction;
mod references;
mod refresh;
mod report;
mod shop;
mod syntax;
mod values;
