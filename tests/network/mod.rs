//! The use of the network: connections, protocol and rate. Reading settings sends nothing.

mod connections;
mod current;
mod rate_limit;
