//! A hostile world: what comes from outside, and what gets out.

mod cancellation;
mod entries;
mod fleet;
mod lure;
mod matrix;
mod simulation;
mod storm;
