//! Live settings, on vaults in memory and under a paused clock.

mod apart;
mod bad;
mod dates;
mod defects;
mod end;
mod events;
mod failure;
mod freeze;
mod hooks;
mod kept;
mod latest;
mod rejected;
mod revoked;
mod rotation;
mod start;
mod story;
mod together;
mod told;
