//! The error of parsing an identifier.

use std::fmt;

/// The reason that text is not a valid vault URL, secret URL, secret name or version.
///
/// The message never repeats the text, because a pasted secret is the usual bad input. `?` converts it into
/// [`Error`](crate::Error) with the kind [`Invalid`](crate::ErrorKind::Invalid).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ParseError {
    clause: &'static str,
    help: Option<&'static str>,
}

impl ParseError {
    #[doc(hidden)]
    pub fn new(clause: &'static str) -> Self {
        Self { clause, help: None }
    }

    #[doc(hidden)]
    #[must_use]
    pub fn with_help(self, help: &'static str) -> Self {
        Self { help: Some(help), ..self }
    }

    /// Returns what is wrong, in one lower-case clause.
    pub fn clause(&self) -> &'static str {
        self.clause
    }

    /// Returns what to do about it, if there is more to say than the clause does.
    pub fn help(&self) -> Option<&'static str> {
        self.help
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.clause)
    }
}

impl std::error::Error for ParseError {}
