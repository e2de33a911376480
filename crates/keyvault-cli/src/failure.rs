//! Why a command failed, and what it ends with.

use std::fmt;
use std::io;
use std::process::ExitCode;

use keyvault::{Error, ErrorKind};

use crate::settings::Problem;

/// What a command ends with if it does not work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was called in a way that cannot work.
    Usage(String),
    /// This machine failed: a file, a pipe, a port.
    Io(io::Error),
    /// The vault, or the way to it.
    Vault(Error),
    /// References that cannot be resolved: the report, and what they have in common.
    References { report: String, code: u8 },
    /// Something else that has a code of its own: a program that could not be started, a file that cannot be read.
    Other { text: String, code: u8 },
}

impl Failure {
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// Names the file that could not be used, as the system's own error does not.
    pub(crate) fn of_file(path: &std::path::Path, error: io::Error) -> Self {
        Self::Io(io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Io(_) => 1,
            Self::Vault(error) => match error.kind() {
                // What the vault refuses was not necessarily wrong usage; what never reached it was.
                ErrorKind::Invalid if error.http_status().is_none() => 2,
                ErrorKind::NotFound => 3,
                ErrorKind::Denied => 4,
                ErrorKind::Throttled { .. } | ErrorKind::Unavailable => 5,
                _ => 1,
            },
            Self::References { code, .. } | Self::Other { code, .. } => *code,
        })
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Vault(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Other { text: problem.to_string(), code: problem.code }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Other { text, .. } => f.write_str(text),
            Self::Io(error) => error.fmt(f),
            Self::Vault(error) => f.write_str(&error.report()),
            Self::References { report, .. } => f.write_str(report.trim_end()),
        }
    }
}
