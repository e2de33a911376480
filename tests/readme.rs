//! The examples of the README as tests: they compile.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
