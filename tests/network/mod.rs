//! The use of the network: connections, protocol and rate. Reading settings uses none.

mod connections;
mod current;
mod rate_limit;
