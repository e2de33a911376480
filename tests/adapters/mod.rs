//! Both adapters keep the same promises: every test runs on each framework.

mod app_configuration;
mod blocking;
mod buffered_values;
mod failure_report;
mod figment_features;
mod layer_order;
mod lists;
mod load_report;
mod name_mapping;
mod optional_references;
mod origins;
mod policies;
mod random_trees;
mod redaction;
mod references;
mod refresh;
mod scale;
mod service;
mod shared_vault;
mod source_lines;
mod spelling;
mod syntax;
mod text;
mod unreadable_layers;
mod values;
mod wrong_types;
