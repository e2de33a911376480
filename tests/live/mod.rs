//! Live settings, on vaults in memory and under a paused clock.

mod end;
mod events;
mod failure;
mod hooks;
mod rotation;
mod start;
mod story;
