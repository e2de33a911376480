//! Promises that hold in a hostile environment.

mod cancellation;
mod fleet;
mod fuzz_corpus;
mod large_input;
mod matrix;
mod simulation;
mod throttling;
mod token_theft;
