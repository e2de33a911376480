//! Why a file cannot be used. No text of the file is quoted, because it may be a secret.

use std::fmt;

use crate::failure::exit_code_of;

/// A file that cannot be read, or a setting in it that collides with another.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The file, and the line if it is known.
    pub(crate) origin: String,
    pub(crate) message: String,
    /// The exit code if this is the only problem: 1 if the file cannot be read, 2 if its content is wrong.
    pub(crate) code: u8,
}

impl Problem {
    /// Creates the problem of an error, which has no value.
    pub(crate) fn of(origin: String, error: &keyvault::Error) -> Self {
        let message = error.advice().map_or_else(|| error.to_string(), |advice| format!("{error}: {advice}"));
        Self { origin, message, code: exit_code_of(error) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

/// The first line that a parser does not accept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SyntaxError {
    pub(super) line: usize,
    pub(super) message: &'static str,
}

impl SyntaxError {
    pub(crate) fn line(&self) -> usize {
        self.line
    }

    pub(crate) fn in_file(&self, file: &str) -> Problem {
        Problem { origin: format!("{file}:{}", self.line), message: self.message.to_owned(), code: 2 }
    }
}
