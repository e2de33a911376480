//! Resources that follow settings, on a vault in memory and under a paused clock.

mod build;
mod end;
mod failure;
mod follow;
mod old;
mod projection;
mod stage;
mod told;
