//! The README's examples, as tests: they compile, or the tests fail.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
