//! A hostile world: what comes from outside, and what gets out.

mod cancellation;
mod entries;
mod lure;
mod fleet;
mod matrix;
mod simulation;
mod storm;
