//! What the soak judges by.

#![allow(dead_code, reason = "shared with the program, which needs all of it")]

#[path = "../soak/sample.rs"]
mod sample;
#[path = "../soak/verdict.rs"]
mod verdict;
