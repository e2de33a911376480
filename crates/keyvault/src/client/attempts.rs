//! The attempts of one operation, and the error if all of them fail.

use super::operation::{Idempotency, Operation};
use super::response::FailedAttempt;
use crate::error::{Error, ErrorKind};
use crate::report::ReferenceStatus;

/// The attempts of one operation so far.
pub(super) struct Attempts {
    operation: Operation,
    pub(super) count: u32,
    last_error: Option<Error>,
    is_in_flight: bool,
    /// Whether the vault may have carried out a failed attempt.
    may_have_succeeded: bool,
}

impl Attempts {
    pub(super) fn new(operation: Operation) -> Self {
        Self { operation, count: 0, last_error: None, is_in_flight: false, may_have_succeeded: false }
    }

    pub(super) fn begin(&mut self) {
        self.count += 1;
        self.is_in_flight = true;
    }

    /// Records an attempt that will be repeated.
    pub(super) fn failed(&mut self, attempt: FailedAttempt) {
        self.is_in_flight = false;
        self.may_have_succeeded |= attempt.may_have_succeeded;
        self.last_error = Some(attempt.error);
    }

    /// Returns the error of the attempt before, if this failure is only the echo of a success: a repeated delete that
    /// finds nothing to delete.
    pub(super) fn error_before_echo(&self, attempt: &FailedAttempt) -> Option<Error> {
        let is_not_found = attempt.error.http_status() == Some(404) && attempt.error.kind() == ErrorKind::NotFound;
        let is_removal = self.operation.idempotency() == Idempotency::NotFoundOnRepeat;
        let before = self.last_error.clone().filter(|_| is_removal && self.may_have_succeeded && is_not_found)?;
        Some(self.qualify(before))
    }

    /// Returns the error of the operation after its last attempt.
    pub(super) fn final_error(&mut self, attempt: FailedAttempt) -> Error {
        self.may_have_succeeded |= attempt.may_have_succeeded;
        if self.may_have_succeeded { self.qualify(attempt.error) } else { attempt.error }
    }

    /// Returns the error of an operation that reached its deadline.
    pub(super) fn timed_out(&self) -> Error {
        let error = match &self.last_error {
            Some(last) => timed_out().caused_by(format!("before that: {last}")),
            None => timed_out(),
        };
        if self.may_have_succeeded || self.is_in_flight { self.qualify(error) } else { error }
    }

    /// Adds that the vault may have carried out the operation, unless a repeat is harmless.
    fn qualify(&self, error: Error) -> Error {
        match self.operation.idempotency() {
            Idempotency::Idempotent => error,
            _ => error.with_help("the vault may have carried it out: check before you repeat it"),
        }
    }
}

/// The error of a request that the vault did not answer in time.
pub(super) fn timed_out() -> Error {
    Error::new(ErrorKind::Unavailable, "vault did not answer in time").with_status(ReferenceStatus::FetchTimedOut)
}
