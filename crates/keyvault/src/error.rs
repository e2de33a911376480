//! The error of this crate, sorted by what the caller can do about it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::report::{ReferenceStatus, Report};
use crate::secret::{ParseError, SecretId};

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of an [`Error`]: what the caller can do about it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorKind {
    /// The name is that of a deleted secret, or an operation on it is still running: recover, purge, or wait.
    Conflict,
    /// The credential may not read this secret: grant access, then retry.
    Denied,
    /// A name, reference or setting is malformed: fix it; a retry cannot help.
    Invalid,
    /// The vault has no such secret or version, or it is disabled or deleted.
    NotFound,
    /// The secrets arrived but do not make valid settings.
    InvalidSettings,
    /// The vault asked us to slow down, and said how long to wait if it knew.
    Throttled {
        /// How long the vault asked us to wait.
        retry_after: Option<Duration>,
    },
    /// The vault could not be reached or failed: the last good settings still stand.
    Unavailable,
}

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
    clause: Cow<'static, str>,
    status: Option<ReferenceStatus>,
    secret: Option<SecretId>,
    setting: Option<Setting>,
    answer: Option<ServiceAnswer>,
    cause: Option<Cause>,
    help: Option<&'static str>,
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
    /// Returns `text` if it has the form of a code, such as `ForbiddenByRbac`: capitalised words.
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
        Self::from_clause(kind, Cow::Borrowed(clause))
    }

    /// Creates an error with a formatted clause. The caller ensures that it consists of names, keys and our own words.
    pub(crate) fn from_clause(kind: ErrorKind, clause: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(ErrorInner {
            kind,
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

    /// Joins the failures of one load into one error. `None` if there are no failures.
    pub(crate) fn join(failures: Vec<Error>) -> Option<Self> {
        let first = failures.first()?;
        if failures.len() == 1 {
            return Some(first.clone());
        }
        let permanent = failures.iter().find(|failure| !failure.is_transient());
        let kind = permanent.unwrap_or(first).kind();
        let clause = format!("{} settings could not be loaded", failures.len());
        let mut joined = Self::from_clause(kind, clause);
        Arc::make_mut(&mut joined.0).failures = failures;
        Some(joined)
    }

    /// Sets the secret that this error is about.
    #[must_use]
    pub fn about(mut self, secret: &SecretId) -> Self {
        Arc::make_mut(&mut self.0).secret = Some(secret.clone());
        self
    }

    /// Sets the setting that this error is about, and where it is written.
    #[must_use]
    pub(crate) fn at(mut self, key: impl Into<String>, place: impl Into<String>) -> Self {
        let (key, place) = (key.into(), place.into());
        Arc::make_mut(&mut self.0).setting = Some(Setting { key, place });
        self
    }

    /// Sets the status, if it differs from the default one of the kind: a disabled secret is
    /// [`NotFound`](ErrorKind::NotFound) with [`AccessToKeyVaultDenied`](ReferenceStatus::AccessToKeyVaultDenied).
    #[must_use]
    pub fn with_status(mut self, status: ReferenceStatus) -> Self {
        Arc::make_mut(&mut self.0).status = Some(status);
        self
    }

    /// Adds which of several references in one text is meant, counted from 1.
    #[must_use]
    pub(crate) fn in_text(mut self, ordinal: usize, count: usize) -> Self {
        let inner = Arc::make_mut(&mut self.0);
        inner.clause = format!("{}, in reference {ordinal} of {count}", inner.clause).into();
        self
    }

    #[must_use]
    pub(crate) fn with_answer(mut self, answer: ServiceAnswer) -> Self {
        Arc::make_mut(&mut self.0).answer = Some(answer);
        self
    }

    /// Sets the technical reason. The caller ensures that it holds no value, as for a clause.
    #[must_use]
    pub(crate) fn caused_by(mut self, cause: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.0).cause = Some(Cause(cause.into()));
        self
    }

    /// Sets what to do about the error, in place of the default advice for its codes.
    #[must_use]
    pub(crate) fn with_help(mut self, help: &'static str) -> Self {
        Arc::make_mut(&mut self.0).help = Some(help);
        self
    }

    /// Attaches the report of the load that failed.
    #[must_use]
    pub(crate) fn with_load_report(mut self, report: Arc<Report>) -> Self {
        Arc::make_mut(&mut self.0).report = Some(report);
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

    /// Returns what happened, without the setting and the secret.
    pub(crate) fn detail(&self) -> String {
        match &self.0.cause {
            Some(Cause(cause)) => format!("{}, caused by: {cause}", self.0.clause),
            None => self.0.clause.to_string(),
        }
    }

    /// Returns what to do about the error, if there is more to say than its clause does.
    pub fn advice(&self) -> Option<&'static str> {
        if self.0.help.is_some() {
            return self.0.help;
        }
        Some(match (self.inner_code(), self.status()) {
            (Some("ForbiddenByRbac"), _) => {
                "grant the identity the role Key Vault Secrets User on the vault; a new role takes minutes to apply"
            }
            (Some("AccessDenied"), _) => {
                "give the identity the secret permissions Get and, to load by name, List in the vault's access policy"
            }
            (Some("ForbiddenByFirewall"), _) => {
                "let this address through the vault's firewall, or reach it by a private endpoint"
            }
            (Some("ForbiddenByConnection"), _) => "the vault's public access is off: reach it by its private endpoint",
            (Some("SecretDisabled"), _) => "enable the secret, or refer to another version",
            (_, ReferenceStatus::MsiNotEnabled) => {
                "check the credential: run `az login` on a laptop, assign a managed identity in Azure"
            }
            (_, ReferenceStatus::UnauthorizedClient) => "check that the credential's tenant is the vault's",
            (_, ReferenceStatus::VaultNotFound) => "check the vault's name and that its host resolves",
            _ => return None,
        })
    }

    /// Returns a full report for a person: every failure with its setting, origin, status, cause and advice.
    pub fn report(&self) -> String {
        let mut report = String::new();
        if !self.0.failures.is_empty() {
            report.push_str(&format!("{}:\n", self.0.clause));
        }
        for failure in self.failures() {
            failure.report_one(&mut report);
        }
        if let Some(load) = self.load_report() {
            let (all, failed) = (load.rows().len(), load.rows().iter().filter(|row| row.is_failed()).count());
            if failed > 0 && failed < all {
                report.push_str(&format!("{} of {all} references and secrets mapped by name resolved\n", all - failed));
            }
        }
        report.truncate(report.trim_end().len());
        report
    }

    fn report_one(&self, report: &mut String) {
        let inner = &self.0;
        let indent = if let Some(Setting { key, place }) = &inner.setting {
            report.push_str(&format!("  {key}  ({place})\n"));
            "      "
        } else {
            ""
        };
        if self.is_of_reference() {
            report.push_str(&format!("{indent}{}: {}\n", self.status(), self.what()));
        } else {
            report.push_str(&format!("{indent}{}\n", self.what()));
        }
        if let Some(Cause(cause)) = &inner.cause {
            report.push_str(&format!("{indent}caused by: {cause}\n"));
        }
        if let Some(id) = self.request_id() {
            report.push_str(&format!("{indent}request id: {id}\n"));
        }
        if let Some(advice) = self.advice() {
            report.push_str(&format!("{indent}help: {advice}\n"));
        }
    }

    /// Returns whether the status of a reference belongs in the message. It adds nothing to a value of a wrong type.
    fn is_of_reference(&self) -> bool {
        self.0.kind != ErrorKind::InvalidSettings || self.0.status.is_some()
    }

    /// Returns the clause and the secret, without the setting.
    fn what(&self) -> String {
        match &self.0.secret {
            Some(secret) => format!("{}: {secret}", self.0.clause),
            None => self.0.clause.to_string(),
        }
    }
}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        let invalid = Self::invalid(error.clause());
        match error.help() {
            Some(help) => invalid.with_help(help),
            None => invalid,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Setting { key, place }) = &self.0.setting {
            write!(f, "{key} from {place}: ")?;
            if self.is_of_reference() {
                write!(f, "{}: ", self.status())?;
            }
        }
        f.write_str(&self.what())?;
        for (i, failure) in self.0.failures.iter().enumerate() {
            write!(f, "{} {failure}", if i == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.report())
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
