//! A stand-in for the crate's errors.

use std::fmt;
use std::time::Duration;

use crate::status::ReferenceStatus;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Clone, Debug)]
pub struct Error(&'static str);

#[derive(Clone, Copy, Debug)]
pub enum ErrorKind {
    Denied,
    Throttled { retry_after: Option<Duration> },
    Unavailable,
}

impl Error {
    pub fn new(_: ErrorKind, clause: &'static str) -> Self {
        Self(clause)
    }

    pub fn with_status(self, _: ReferenceStatus) -> Self {
        self
    }

    pub fn with_help(self, _: &'static str) -> Self {
        self
    }

    pub fn caused_by(self, _: impl Into<String>) -> Self {
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Error {}
