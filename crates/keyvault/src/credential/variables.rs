//! The environment variables that configure the steps.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::step::StepOutcome;

/// The variables that were set when the credential was built. A blank variable counts as not set.
#[derive(Default)]
pub(super) struct Variables(BTreeMap<&'static str, Zeroizing<String>>);

impl Variables {
    pub(super) fn new(value: impl Fn(&str) -> Option<String>) -> Self {
        let set =
            |name: &'static str| Some((name, Zeroizing::new(value(name).filter(|value| !value.trim().is_empty())?)));
        Self(VARIABLES.into_iter().chain([SELECTION, IN_GITHUB, IN_PIPELINES, "PATH"]).filter_map(set).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Returns the application with a secret, or why there is none.
    ///
    /// `AZURE_CLIENT_ID` alone selects a managed identity; with a token file, the tenant and client belong to that.
    pub(super) fn secret(&self) -> Result<Application<'_>, StepOutcome> {
        if self.has(CERTIFICATE) && !self.has(CLIENT_SECRET) {
            let reason = format!("{CERTIFICATE} is not supported: pass a credential of azure_identity in code");
            return Err(StepOutcome::Unusable(reason));
        }
        let belongs_to_file = self.has(TOKEN_FILE) && !self.has(CLIENT_SECRET);
        if belongs_to_file || (!self.has(TENANT) && !self.has(CLIENT_SECRET)) {
            return Err(StepOutcome::DoesNotApply(format!("{CLIENT_SECRET} is not set")));
        }
        self.application(CLIENT_SECRET)
    }

    /// Returns the application with a federated token in a file, or why there is none.
    pub(super) fn token_file(&self) -> Result<Application<'_>, StepOutcome> {
        let is_not_set = || StepOutcome::DoesNotApply(format!("{TOKEN_FILE} is not set"));
        if self.has(TOKEN_FILE) { self.application(TOKEN_FILE) } else { Err(is_not_set()) }
    }

    /// Returns the application that three variables name, or those that are missing.
    fn application(&self, variable: &'static str) -> Result<Application<'_>, StepOutcome> {
        if let (Some(tenant), Some(client), Some(secret_or_file)) =
            (self.get(TENANT), self.get(CLIENT), self.get(variable))
        {
            return Ok(Application { tenant, client, secret_or_file });
        }
        let (set, missing): (Vec<_>, Vec<_>) = [TENANT, CLIENT, variable].into_iter().partition(|name| self.has(name));
        let verb = if set.len() == 1 { "is" } else { "are" };
        let (set, missing) = (set.join(" and "), missing.join(" and "));
        Err(StepOutcome::Unusable(format!("{set} {verb} set without {missing}")))
    }
}

/// An application of Microsoft Entra, and its secret or the file with its token.
pub(super) struct Application<'a> {
    pub(super) tenant: &'a str,
    pub(super) client: &'a str,
    pub(super) secret_or_file: &'a str,
}

pub(super) const TENANT: &str = "AZURE_TENANT_ID";
/// Also selects a user-assigned managed identity.
pub(super) const CLIENT: &str = "AZURE_CLIENT_ID";
const CLIENT_SECRET: &str = "AZURE_CLIENT_SECRET";
const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
const CERTIFICATE: &str = "AZURE_CLIENT_CERTIFICATE_PATH";

/// Selects the steps, as in the other SDKs of Azure.
pub(super) const SELECTION: &str = "AZURE_TOKEN_CREDENTIALS";

/// `true` in a job of GitHub Actions.
pub(super) const IN_GITHUB: &str = "GITHUB_ACTIONS";
/// `True` in a job of Azure Pipelines.
pub(super) const IN_PIPELINES: &str = "TF_BUILD";

/// The variables that describe an identity.
pub(super) const VARIABLES: [&str; 20] = [
    TENANT,
    CLIENT,
    CLIENT_SECRET,
    TOKEN_FILE,
    CERTIFICATE,
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "AZURESUBSCRIPTION_CLIENT_ID",
    "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID",
    "AZURESUBSCRIPTION_TENANT_ID",
    "AZURE_AUTHORITY_HOST",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IDENTITY_SERVER_THUMBPRINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "MSI_SECRET",
    "SYSTEM_ACCESSTOKEN",
    "SYSTEM_OIDCREQUESTURI",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_set_names_the_missing_variables() {
        let no_secret = "AZURE_CLIENT_SECRET is not set";
        let no_file = "AZURE_FEDERATED_TOKEN_FILE is not set";
        for (set, secret, file) in [
            (&[][..], Err(no_secret), Err(no_file)),
            (&[CLIENT], Err(no_secret), Err(no_file)),
            (&[TENANT, CLIENT, CLIENT_SECRET], Ok(()), Err(no_file)),
            (&[TENANT, CLIENT, TOKEN_FILE], Err(no_secret), Ok(())),
            (&[TENANT, CLIENT, CLIENT_SECRET, TOKEN_FILE], Ok(()), Ok(())),
            (&[TENANT], Err("AZURE_TENANT_ID is set without AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"), Err(no_file)),
            (
                &[TENANT, CLIENT],
                Err("AZURE_TENANT_ID and AZURE_CLIENT_ID are set without AZURE_CLIENT_SECRET"),
                Err(no_file),
            ),
            (
                &[CLIENT_SECRET],
                Err("AZURE_CLIENT_SECRET is set without AZURE_TENANT_ID and AZURE_CLIENT_ID"),
                Err(no_file),
            ),
            (
                &[TOKEN_FILE],
                Err(no_secret),
                Err("AZURE_FEDERATED_TOKEN_FILE is set without AZURE_TENANT_ID and AZURE_CLIENT_ID"),
            ),
            (
                &[TENANT, CLIENT, CERTIFICATE],
                Err("AZURE_CLIENT_CERTIFICATE_PATH is not supported: pass a credential of azure_identity in code"),
                Err(no_file),
            ),
        ] {
            let variables = Variables::new(|name| set.contains(&name).then(|| "canary".to_owned()));
            assert_eq!(reason(variables.secret()).as_deref(), secret.err(), "{set:?}");
            assert_eq!(reason(variables.token_file()).as_deref(), file.err(), "{set:?}");
        }
        for blank in ["", " ", "\n"] {
            assert_eq!(reason(Variables::new(|_| Some(blank.to_owned())).secret()).as_deref(), Some(no_secret));
        }
    }

    /// Returns why there is no application. What is not set at all does not apply; anything else is unusable.
    fn reason(application: Result<Application<'_>, StepOutcome>) -> Option<String> {
        let (reason, is_unset) = match application.err()? {
            StepOutcome::DoesNotApply(reason) => (reason, true),
            StepOutcome::Unusable(reason) => (reason, false),
            other => panic!("{other:?}"),
        };
        assert_eq!(reason.ends_with("is not set"), is_unset, "{reason}");
        Some(reason)
    }
}
