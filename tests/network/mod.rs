//! The use of the network: compression, connections, protocol and rate. Reading settings sends nothing.

mod compression;
mod connections;
mod current;
mod rate_limit;
