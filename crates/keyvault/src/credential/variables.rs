//! The variables that steps are configured by.

use std::collections::BTreeMap;

use azure_core::credentials::Secret;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;

/// The variables that were set when the credential was made; an empty one counts as not set.
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

    /// Gives what an application with a secret needs; none if nothing of it is set.
    ///
    /// `AZURE_CLIENT_ID` alone names a managed identity, and beside a token file the other two are that one's.
    pub(super) fn secret(&self) -> Result<Option<Application<'_, Secret>>> {
        let others = self.has(TOKEN_FILE) && !self.has(CLIENT_SECRET);
        if others || (!self.has(TENANT) && !self.has(CLIENT_SECRET)) {
            return Ok(None);
        }
        let application = self.application(CLIENT_SECRET)?;
        Ok(Some(Application {
            tenant: application.tenant,
            client: application.client,
            proof: Secret::new(application.proof.to_owned()),
        }))
    }

    /// Gives what a federated token needs; none if there is no file.
    pub(super) fn token_file(&self) -> Result<Option<Application<'_, &str>>> {
        if self.has(TOKEN_FILE) { self.application(TOKEN_FILE).map(Some) } else { Ok(None) }
    }

    fn application(&self, proof: &'static str) -> Result<Application<'_, &str>> {
        match (self.get(TENANT), self.get(CLIENT), self.get(proof)) {
            (Some(tenant), Some(client), Some(proof)) => Ok(Application { tenant, client, proof }),
            _ => Err(self.partial([TENANT, CLIENT, proof])),
        }
    }

    fn partial(&self, names: [&'static str; 3]) -> Error {
        let (set, missing): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| self.has(name));
        let clause = format!("{} set without {}", set.join(" and "), missing.join(" and "));
        let error = Error::from_clause(ErrorKind::Invalid, clause).with_status(ReferenceStatus::MsiNotEnabled);
        if self.has(CERTIFICATE) {
            return error.with_help("a client certificate needs a credential of azure_identity, given in code");
        }
        error.with_help("set what is missing, unset the rest, or choose the step that is meant")
    }
}

/// An application of Entra, and what it proves itself by.
pub(super) struct Application<'a, Proof> {
    pub(super) tenant: &'a str,
    pub(super) client: &'a str,
    pub(super) proof: Proof,
}

const TENANT: &str = "AZURE_TENANT_ID";
pub(super) const CLIENT: &str = "AZURE_CLIENT_ID";
const CLIENT_SECRET: &str = "AZURE_CLIENT_SECRET";
const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
const CERTIFICATE: &str = "AZURE_CLIENT_CERTIFICATE_PATH";

const KNOWN: [&str; 14] = [
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
    "MSI_SECRET",
    "PATH",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_set_names_what_is_missing() {
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
