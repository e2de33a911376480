//! The environment variables that configure the steps.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;

/// The variables that were set when the credential was built. An empty variable counts as not set.
#[derive(Default)]
pub(super) struct Variables(BTreeMap<&'static str, Zeroizing<String>>);

impl Variables {
    pub(super) fn new(value: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &'static str| Some((name, Zeroizing::new(value(name).filter(|value| !value.is_empty())?)));
        Self(KNOWN.into_iter().filter_map(set).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Returns the application with a secret. `None` if its variables are not set.
    ///
    /// `AZURE_CLIENT_ID` alone selects a managed identity; with a token file, the tenant and client belong to that.
    pub(super) fn secret(&self) -> Result<Option<Application<'_>>> {
        let belongs_to_file = self.has(TOKEN_FILE) && !self.has(CLIENT_SECRET);
        if belongs_to_file || (!self.has(TENANT) && !self.has(CLIENT_SECRET)) {
            return Ok(None);
        }
        self.application(CLIENT_SECRET).map(Some)
    }

    /// Returns the application with a federated token. `None` if there is no file.
    pub(super) fn token_file(&self) -> Result<Option<Application<'_>>> {
        if self.has(TOKEN_FILE) { self.application(TOKEN_FILE).map(Some) } else { Ok(None) }
    }

    fn application(&self, variable: &'static str) -> Result<Application<'_>> {
        if let (Some(tenant), Some(client), Some(secret_or_file)) =
            (self.get(TENANT), self.get(CLIENT), self.get(variable))
        {
            return Ok(Application { tenant, client, secret_or_file });
        }
        let (set, missing): (Vec<_>, Vec<_>) = [TENANT, CLIENT, variable].into_iter().partition(|name| self.has(name));
        let clause = format!("{} set without {}", set.join(" and "), missing.join(" and "));
        let help = if self.has(CERTIFICATE) {
            "for a client certificate, pass a credential of azure_identity in code"
        } else {
            "set the missing variables, unset the others, or select the steps in code"
        };
        let error = Error::from_clause(ErrorKind::Invalid, clause).with_help(help);
        Err(error.with_status(ReferenceStatus::MsiNotEnabled))
    }
}

/// An application of Microsoft Entra, and its secret or the file with its token.
pub(super) struct Application<'a> {
    pub(super) tenant: &'a str,
    pub(super) client: &'a str,
    pub(super) secret_or_file: &'a str,
}

const TENANT: &str = "AZURE_TENANT_ID";
/// Also selects a user-assigned managed identity.
pub(super) const CLIENT: &str = "AZURE_CLIENT_ID";
const CLIENT_SECRET: &str = "AZURE_CLIENT_SECRET";
const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
const CERTIFICATE: &str = "AZURE_CLIENT_CERTIFICATE_PATH";

const KNOWN: [&str; 13] = [
    TENANT,
    CLIENT,
    CLIENT_SECRET,
    TOKEN_FILE,
    CERTIFICATE,
    "AZURE_AUTHORITY_HOST",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IDENTITY_SERVER_THUMBPRINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "PATH",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_set_names_the_missing_variables() {
        for (set, secret, file) in [
            (&[][..], Ok(false), Ok(false)),
            (&[CLIENT], Ok(false), Ok(false)),
            (&[TENANT, CLIENT, CLIENT_SECRET], Ok(true), Ok(false)),
            (&[TENANT, CLIENT, TOKEN_FILE], Ok(false), Ok(true)),
            (&[TENANT, CLIENT, CLIENT_SECRET, TOKEN_FILE], Ok(true), Ok(true)),
            (&[TENANT], Err("AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"), Ok(false)),
            (&[TENANT, CLIENT], Err("without AZURE_CLIENT_SECRET"), Ok(false)),
            (&[CLIENT_SECRET], Err("AZURE_TENANT_ID and AZURE_CLIENT_ID"), Ok(false)),
            (&[CLIENT, CLIENT_SECRET], Err("without AZURE_TENANT_ID"), Ok(false)),
            (&[TOKEN_FILE], Ok(false), Err("AZURE_TENANT_ID and AZURE_CLIENT_ID")),
            (&[TENANT, TOKEN_FILE], Ok(false), Err("without AZURE_CLIENT_ID")),
        ] {
            let variables = Variables::new(|name| set.contains(&name).then(|| "canary".to_owned()));
            let check = |found: Result<bool>, expected: Result<bool, &str>| match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{set:?}"),
                (Err(error), Err(missing)) => {
                    assert!(error.to_string().contains(missing), "{set:?}: {error}");
                    assert!(!format!("{error:?}").contains("canary"), "{set:?}");
                }
                (found, expected) => panic!("{set:?}: {found:?}, not {expected:?}"),
            };
            check(variables.secret().map(|found| found.is_some()), secret);
            check(variables.token_file().map(|found| found.is_some()), file);
        }
        assert!(
            Variables::new(|_| Some(String::new())).secret().is_ok_and(|found| found.is_none()),
            "empty is not set"
        );
    }
}
