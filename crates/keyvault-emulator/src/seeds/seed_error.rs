//! The mistake in a seed.

use std::error::Error;
use std::fmt;

/// The mistake in a [`Seed`](crate::Seed): its place and what was expected, never the value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SeedError {
    place: String,
    problem: String,
}

impl SeedError {
    pub(super) fn new(place: &str, problem: impl Into<String>) -> Self {
        Self { place: place.to_owned(), problem: problem.into() }
    }
}

impl fmt::Display for SeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl Error for SeedError {}
