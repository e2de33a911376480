//! Secrets that are not in effect, because a value set in code has their key.

use super::Resolver;
use super::resolve::ResolveContext;
use crate::error::{Error, ErrorKind};
use crate::names::IfHidden;
use crate::report::{ReferenceStatus, ReportRow};
use crate::secret::SecretId;
use crate::settings::{ConfigValue, Key, MappedSecrets};

/// A mapped secret that a value set in code hides.
#[derive(Hash)]
pub(super) struct HiddenSecret {
    pub(super) key: Key,
    /// The secret, without a version, so that a rotation makes no new warning.
    secret: SecretId,
    /// Where the value is set.
    place: String,
}

/// Finds the mapped secrets that `values`, which have no references, hide. Ignores a secret whose key the settings type
/// does not have.
pub(super) fn hidden_secrets(values: &[ConfigValue], context: ResolveContext<'_>) -> Vec<HiddenSecret> {
    let (Some(mapped), Some(find_key)) = (context.mapped, context.find_key) else { return Vec::new() };
    if context.if_hidden == IfHidden::Skip {
        return Vec::new();
    }
    let hidden = values.iter().filter(|value| value.is_in_code).flat_map(|value| {
        let secrets = mapped.at_or_below(&value.key).filter(|(key, _)| !find_key(key).is_unused());
        secrets.map(|(key, secret)| HiddenSecret {
            key: key.clone(),
            secret: secret.id().latest(),
            place: value.place(),
        })
    });
    hidden.collect()
}

impl HiddenSecret {
    /// Returns the row of the secret, with the error if the name map refuses hidden secrets.
    pub(super) fn report(&self, if_hidden: IfHidden) -> (ReportRow, Option<Error>) {
        let row = ReportRow::new(self.key.to_string(), self.origin()).about(&self.secret);
        let error = Error::from_clause(ErrorKind::InvalidSettings, "secret is hidden by …", self.clause())
            .about(&self.secret)
            .with_status(ReferenceStatus::OtherReasons)
            .with_help(HELP_WITH_HIDDEN);
        let failed = row.failed(&error);
        match if_hidden {
            IfHidden::Fail => (failed, Some(error)),
            // The value set in code is in effect, and nothing failed.
            IfHidden::Skip | IfHidden::Warn => (ReportRow { status: ReferenceStatus::Initialized, ..failed }, None),
        }
    }

    /// Logs a warning, once for each start.
    pub(super) fn warn(&self, resolver: &Resolver) {
        if resolver.is_new(self) {
            tracing::warn!(setting = %self.key, secret = %self.secret, "{}", self.clause());
        }
    }

    /// Returns where the setting of the secret is written.
    pub(super) fn origin(&self) -> String {
        MappedSecrets::origin(&self.secret)
    }

    fn clause(&self) -> String {
        format!("secret is hidden by {}", self.place)
    }
}

const HELP_WITH_HIDDEN: &str = "remove the value from the code, or let secrets override it with layered_with; \
                                NameMap::hidden decides whether this is a warning";
