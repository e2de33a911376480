//! How the network is used: connections, protocol, pace, and the way of a read that needs none.

mod connections;
mod pace;
mod reader;
