//! The error of this crate, sorted by what the caller can do about it.
//!
//! Read [`ErrorKind`] in `kind` first, then [`Error`]. `report` writes the text of an error, for a log and for a
//! person.

mod kind;
mod report;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub use self::kind::ErrorKind;
use crate::report::{ReferenceStatus, Report};
use crate::secret::{ParseError, SecretId};
use crate::time::runtime_fault;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

const RUNTIME_HELP: &str = "await it on a tokio runtime built with enable_all; a program without one calls \
     start_blocking or keyvault::blocking";

/// The reason that an operation failed.
///
/// An error holds no secret value, token or body, and never repeats input that failed to parse. `Clone` is cheap: all
/// callers that joined one request get the same error.
///
/// `Display` is one clause and leaves the cause to [`source`](std::error::Error::source). `Debug` is the whole
/// [report](Error::report), because `main` prints it when it returns an error.
#[derive(Clone)]
pub struct Error(Arc<ErrorInner>);

#[derive(Clone)]
struct ErrorInner {
    kind: ErrorKind,
    /// The heading of the section about the error in the troubleshooting guide: the fixed part of `clause`.
    heading: &'static str,
    clause: Cow<'static, str>,
    status: Option<ReferenceStatus>,
    secret: Option<SecretId>,
    setting: Option<Setting>,
    answer: Option<ServiceAnswer>,
    cause: Option<Cause>,
    help: Option<Cow<'static, str>>,
    failures: Vec<Error>,
    report: Option<Arc<Report>>,
}

#[derive(Clone)]
struct Setting {
    key: String,
    place: String,
}

/// The codes and identifiers in a vault's error response. Its message is never kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ServiceAnswer {
    pub(crate) http_status: u16,
    pub(crate) code: Option<String>,
    pub(crate) inner_code: Option<String>,
    pub(crate) request_id: Option<String>,
}

impl ServiceAnswer {
    /// Returns `text` if it has the form of a code, such as `ForbiddenByRbac`: capitalized words.
    ///
    /// Anything else in its place could be a token or a value, and an error must not carry it.
    pub(crate) fn code_of(text: &str) -> Option<String> {
        let is_short = (1..=64).contains(&text.len());
        let mut words = text.split_inclusive(|c: char| c.is_ascii_lowercase()).peekable();
        let is_capital = |piece: &str| piece.len() == 1 || piece.len() == 2 && piece.as_bytes()[0].is_ascii_uppercase();
        let begins = words.peek().is_some_and(|first| first.len() == 2);
        let is_code = is_short && begins && words.all(is_capital) && text.ends_with(|c: char| c.is_ascii_lowercase());
        is_code.then(|| text.to_owned())
    }
}

/// The technical reason of an error, in words that hold no value.
#[derive(Clone, Debug)]
struct Cause(String);

impl Error {
    /// Creates an error, for an implementation of [`SecretStore`](crate::SecretStore).
    ///
    /// `clause` is lower case and describes what happened: `"secret not found"`. It is `'static` so that no value can
    /// be formatted into it; name the secret with [`about`](Error::about).
    pub fn new(kind: ErrorKind, clause: &'static str) -> Self {
        Self::from_clause(kind, clause, clause)
    }

    /// Creates an error with a formatted clause. The caller ensures that it consists of names, keys and our own words.
    ///
    /// `heading` is that of the section in the troubleshooting guide, `docs/troubleshooting.md`.
    #[doc(hidden)]
    pub fn from_clause(kind: ErrorKind, heading: &'static str, clause: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(ErrorInner {
            kind,
            heading,
            clause: clause.into(),
            status: None,
            secret: None,
            setting: None,
            answer: None,
            cause: None,
            help: None,
            failures: Vec::new(),
            report: None,
        }))
    }

    pub(crate) fn invalid(clause: &'static str) -> Self {
        Self::new(ErrorKind::Invalid, clause)
    }

    /// Checks that the caller runs on a tokio runtime with timers.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) with the remedy.
    #[doc(hidden)]
    pub fn unless_on_runtime() -> Result<()> {
        match runtime_fault() {
            None => Ok(()),
            Some(fault) => Err(Self::invalid(fault).with_help(RUNTIME_HELP)),
        }
    }

    /// Joins the failures of one load into one error. `None` if there are no failures.
    #[doc(hidden)]
    pub fn join(failures: Vec<Error>) -> Option<Self> {
        let first = failures.first()?;
        if failures.len() == 1 {
            return Some(first.clone());
        }
        let permanent = failures.iter().find(|failure| !failure.is_transient());
        let kind = permanent.unwrap_or(first).kind();
        let clause = format!("{} settings could not be loaded", failures.len());
        Some(Self::from_clause(kind, "settings could not be loaded", clause).with(|inner| inner.failures = failures))
    }

    /// Sets the secret that this error is about.
    #[must_use]
    pub fn about(self, secret: &SecretId) -> Self {
        self.with(|inner| inner.secret = Some(secret.clone()))
    }

    /// Sets the secret that this error and each of its failures are about.
    #[must_use]
    pub(crate) fn all_about(self, secret: &SecretId) -> Self {
        self.about(secret).with(|inner| {
            inner.failures = inner.failures.drain(..).map(|failure| failure.about(secret)).collect();
        })
    }

    /// Sets the setting that this error is about, and where it is written.
    #[doc(hidden)]
    #[must_use]
    pub fn at(self, key: impl Into<String>, place: impl Into<String>) -> Self {
        let (key, place) = (key.into(), place.into());
        self.with(|inner| inner.setting = Some(Setting { key, place }))
    }

    /// Sets the status, if it differs from the default one of the kind: a disabled secret is
    /// [`NotFound`](ErrorKind::NotFound) with [`AccessToKeyVaultDenied`](ReferenceStatus::AccessToKeyVaultDenied).
    #[must_use]
    pub fn with_status(self, status: ReferenceStatus) -> Self {
        self.with(|inner| inner.status = Some(status))
    }

    /// Adds which of several references in one text is meant, counted from 1.
    #[must_use]
    pub(crate) fn in_text(self, ordinal: usize, count: usize) -> Self {
        self.with(|inner| inner.clause = format!("{}, in reference {ordinal} of {count}", inner.clause).into())
    }

    /// Adds the name of a secret that exists and is spelled much like the missing one.
    #[must_use]
    pub(crate) fn with_near_name(self, name: &str) -> Self {
        self.with(|inner| inner.clause = format!("{}, did you mean {name}?", inner.clause).into())
    }

    #[must_use]
    pub(crate) fn with_answer(self, answer: ServiceAnswer) -> Self {
        self.with(|inner| inner.answer = Some(answer))
    }

    /// Sets the technical reason. The caller ensures that it holds no value, as for a clause.
    #[doc(hidden)]
    #[must_use]
    pub fn caused_by(self, cause: impl Into<String>) -> Self {
        self.with(|inner| inner.cause = Some(Cause(cause.into())))
    }

    /// Sets what to do about the error, in place of the default advice for its status.
    #[doc(hidden)]
    #[must_use]
    pub fn with_help(self, help: impl Into<Option<&'static str>>) -> Self {
        self.with(|inner| inner.help = help.into().map(Cow::Borrowed))
    }

    /// Sets the advice of another error.
    #[must_use]
    pub(crate) fn with_help_of(self, other: &Error) -> Self {
        self.with(|inner| inner.help = other.advice().map(|advice| Cow::Owned(advice.to_owned())))
    }

    /// Attaches the report of the load that failed.
    #[must_use]
    pub(crate) fn with_load_report(self, report: Arc<Report>) -> Self {
        self.with(|inner| inner.report = Some(report))
    }

    /// Changes this copy of an error that other callers may have too.
    fn with(mut self, change: impl FnOnce(&mut ErrorInner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Returns the kind: what the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns whether the same call may succeed later without any other change.
    pub fn is_transient(&self) -> bool {
        match self.0.kind {
            ErrorKind::Throttled { .. } | ErrorKind::Unavailable => true,
            // Both operations finish on their own within seconds.
            ErrorKind::Conflict => {
                matches!(self.inner_code(), Some("ObjectIsBeingDeleted" | "ObjectIsBeingRecovered"))
            }
            _ => false,
        }
    }

    /// Returns the status that App Service would show for the reference.
    pub fn status(&self) -> ReferenceStatus {
        let pinned = self.secret().is_some_and(|id| id.version().is_some());
        self.0.status.unwrap_or(match self.0.kind {
            ErrorKind::Denied => ReferenceStatus::AccessToKeyVaultDenied,
            ErrorKind::Invalid => ReferenceStatus::InvalidSyntax,
            ErrorKind::NotFound if pinned => ReferenceStatus::SecretVersionNotFound,
            ErrorKind::NotFound => ReferenceStatus::SecretNotFound,
            _ => ReferenceStatus::OtherReasons,
        })
    }

    /// Returns whether the vault has no such secret or version. A disabled secret exists.
    pub(crate) fn is_missing(&self) -> bool {
        use ReferenceStatus::{SecretNotFound, SecretVersionNotFound};
        self.kind() == ErrorKind::NotFound && matches!(self.status(), SecretNotFound | SecretVersionNotFound)
    }

    /// Returns whether the secret exists and is disabled: the kind says that there is no value, the status that there
    /// is a secret.
    pub(crate) fn is_disabled(&self) -> bool {
        self.kind() == ErrorKind::NotFound && self.status() == ReferenceStatus::AccessToKeyVaultDenied
    }

    /// Returns the secret that the error is about, if there is one.
    pub fn secret(&self) -> Option<&SecretId> {
        self.0.secret.as_ref()
    }

    /// Returns whether a store of settings could not be read.
    pub(crate) fn is_of_store(&self) -> bool {
        self.secret().is_some_and(|id| id.name().is_of_store())
    }

    /// Returns the key of the setting that could not be loaded: `database.password`.
    pub fn setting(&self) -> Option<&str> {
        self.0.setting.as_ref().map(|setting| setting.key.as_str())
    }

    /// Returns where that setting is written: a file, a variable, a vault.
    pub fn origin(&self) -> Option<&str> {
        self.0.setting.as_ref().map(|setting| setting.place.as_str())
    }

    /// Returns the HTTP status of the vault's response, if there was one.
    pub fn http_status(&self) -> Option<u16> {
        self.0.answer.as_ref().map(|answer| answer.http_status)
    }

    /// Returns the vault's own code for the error: `Forbidden`, `SecretNotFound`.
    pub fn code(&self) -> Option<&str> {
        self.0.answer.as_ref()?.code.as_deref()
    }

    /// Returns the vault's innermost code for the error: `ForbiddenByRbac`, `SecretDisabled`.
    pub fn inner_code(&self) -> Option<&str> {
        self.0.answer.as_ref()?.inner_code.as_deref()
    }

    /// Returns the `x-ms-request-id` of the refused request, which Azure support asks for.
    pub fn request_id(&self) -> Option<&str> {
        self.0.answer.as_ref()?.request_id.as_deref()
    }

    /// Returns every failure of the load: one for each setting that could not be loaded, or this error alone.
    pub fn failures(&self) -> &[Error] {
        if self.0.failures.is_empty() { std::slice::from_ref(self) } else { &self.0.failures }
    }

    /// Returns the report of the load that failed, with the resolved references too. `None` if the load failed before
    /// its references were read, or if the error is not that of a load.
    pub fn load_report(&self) -> Option<&Report> {
        self.0.report.as_deref()
    }

    pub(crate) fn shared_load_report(&self) -> Option<Arc<Report>> {
        self.0.report.clone()
    }

    /// Returns the heading of the section in the troubleshooting guide.
    pub(crate) fn heading(&self) -> &'static str {
        self.0.heading
    }

    /// Returns what happened, without the setting and the secret.
    pub(crate) fn detail(&self) -> String {
        match &self.0.cause {
            Some(Cause(cause)) => format!("{}, caused by: {cause}", self.0.clause),
            None => self.0.clause.to_string(),
        }
    }
}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        Self::invalid(error.clause()).with_help(error.help())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_ref().map(|cause| cause as _)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Cause {}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(url: &str) -> SecretId {
        SecretId::parse(url).unwrap()
    }

    #[test]
    fn display_is_one_clause_without_the_cause() {
        let error = Error::new(ErrorKind::NotFound, "secret not found")
            .about(&id("https://contoso.vault.azure.net/secrets/db-password"))
            .caused_by("the vault answered 404");
        assert_eq!(error.to_string(), "secret not found: db-password in contoso");
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), "the vault answered 404");
    }

    #[test]
    fn a_permanent_failure_decides_the_kind_of_a_joined_error() {
        let down = Error::new(ErrorKind::Unavailable, "vault could not be reached");
        let denied = Error::new(ErrorKind::Denied, "access denied").at("a.b", "settings.toml");
        let joined = Error::join(vec![down.clone(), denied]).unwrap();
        assert_eq!(joined.kind(), ErrorKind::Denied);
        assert!(!joined.is_transient());
        assert_eq!(joined.failures().len(), 2);
        assert!(Error::join(vec![down.clone(), down]).unwrap().is_transient());
        assert!(Error::join(vec![]).is_none());
        assert!(joined.report().contains("a.b  (settings.toml)"), "{joined:?}");
    }

    #[test]
    fn a_missing_version_differs_from_a_missing_secret() {
        let missing = Error::new(ErrorKind::NotFound, "secret not found");
        let id = id("https://contoso.vault.azure.net/secrets/a/0123");
        assert_eq!(missing.status(), ReferenceStatus::SecretNotFound);
        assert_eq!(missing.about(&id).status(), ReferenceStatus::SecretVersionNotFound);
    }
}
