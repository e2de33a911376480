//! A hostile world: what comes from outside, and what gets out.

mod cancellation;
mod entries;
mod matrix;
mod simulation;
mod storm;
