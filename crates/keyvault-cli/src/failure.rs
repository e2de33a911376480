//! Why a command failed, and its exit code.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use keyvault::secret::ParseError;
use keyvault::{Error, ErrorKind, ReferenceStatus};

use crate::settings::Problem;

/// The reason a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments or files that the user gave are wrong.
    Usage(String),
    /// An operation of this machine failed: a file, a pipe, a port.
    Io(io::Error),
    /// A vault or the connection to it failed.
    Vault(Error),
    /// References cannot be resolved: the report, and the exit code that they have in common.
    References { report: String, code: u8 },
    /// Another failure that has an exit code of its own.
    Other { text: String, code: u8 },
}

impl Failure {
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// Adds the path to `error`, because the system's error text does not contain it.
    pub(crate) fn of_file(path: &Path, error: io::Error) -> Self {
        Self::Io(io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Io(_) => 1,
            Self::Vault(error) => exit_code_of(error),
            Self::References { code, .. } | Self::Other { code, .. } => *code,
        }
    }
}

/// Returns the exit code of an error, which is the same in every command.
pub(crate) fn exit_code_of(error: &Error) -> u8 {
    match (error.kind(), error.status()) {
        (ErrorKind::Throttled { .. } | ErrorKind::Unavailable, _) => 5,
        _ if error.is_transient() => 5,
        (_, ReferenceStatus::MsiNotEnabled | ReferenceStatus::UnauthorizedClient) => 4,
        // Without a status no request was sent, so the arguments are wrong.
        (ErrorKind::Invalid, _) if error.http_status().is_none() => 2,
        (ErrorKind::NotFound, _) => 3,
        (ErrorKind::Denied, _) => 4,
        (_, ReferenceStatus::VaultNotFound | ReferenceStatus::FetchTimedOut) => 5,
        _ => 1,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Vault(error)
    }
}

impl From<ParseError> for Failure {
    fn from(error: ParseError) -> Self {
        Self::Vault(error.into())
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
