//! The text of an error: one clause for `Display`, and a report for a person.

use std::fmt;

use super::{Cause, Error, ErrorKind, Setting};
use crate::report::ReferenceStatus;

impl Error {
    /// Returns what to do about the error, if there is more to say than its clause does.
    ///
    /// [`help_url`](Error::help_url) leads to more than one line of advice.
    pub fn advice(&self) -> Option<&str> {
        self.0.help.as_deref().or(match self.status() {
            ReferenceStatus::MsiNotEnabled => {
                Some("check the credential: run `az login` on a laptop, assign a managed identity in Azure")
            }
            ReferenceStatus::UnauthorizedClient => Some("check that the credential's tenant is the vault's"),
            ReferenceStatus::VaultNotFound => Some("check the vault's name and that its host resolves"),
            _ => None,
        })
    }

    /// Returns the address of the section about this error in the troubleshooting guide.
    ///
    /// The guide is the one of this version of the crate, in its repository. Until the manifest of the crate names a
    /// repository, the address is relative to its root: `docs/troubleshooting.md#secret-not-found`. The guide has no
    /// section for an error that [`Error::new`] created outside of this crate, so it opens at its top.
    pub fn help_url(&self) -> String {
        let root = match (option_env!("CARGO_PKG_REPOSITORY"), option_env!("CARGO_PKG_VERSION")) {
            (Some(repository), Some(version)) => guide_root(repository, version),
            _ => String::new(),
        };
        format!("{root}{GUIDE}#{}", anchor(self.0.heading))
    }

    /// Returns a full report for a person: every failure with its setting, origin, status, cause and advice, and the
    /// sections of the troubleshooting guide about them.
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
        let mut urls: Vec<String> = Vec::new();
        for url in self.failures().iter().map(Error::help_url) {
            if !urls.contains(&url) {
                urls.push(url);
            }
        }
        urls.iter().for_each(|url| report.push_str(&format!("see: {url}\n")));
        report.truncate(report.trim_end().len());
        report
    }

    fn report_one(&self, report: &mut String) {
        let mut indent = "";
        if let Some(Setting { key, place }) = &self.0.setting {
            report.push_str(&format!("  {key}  ({place})\n"));
            indent = "      ";
        }
        let lines = [
            Some(format!("{}{}", self.status_prefix(), self.what())),
            self.0.cause.as_ref().map(|Cause(cause)| format!("caused by: {cause}")),
            self.request_id().map(|id| format!("request id: {id}")),
            self.advice().map(|advice| format!("help: {advice}")),
        ];
        for line in lines.into_iter().flatten() {
            report.push_str(&format!("{indent}{line}\n"));
        }
    }

    /// Returns the status of the reference as a label. Empty if it adds nothing to the clause or does not fit it: for a
    /// value of a wrong type, where there is no reference, and without an identity or a reason that App Service knows.
    fn status_prefix(&self) -> String {
        let status = self.status();
        let fits = match status {
            ReferenceStatus::MsiNotEnabled | ReferenceStatus::OtherReasons => false,
            ReferenceStatus::InvalidSyntax => self.0.setting.is_some(),
            _ => self.0.kind != ErrorKind::InvalidSettings || self.0.status.is_some(),
        };
        if fits { format!("{status}: ") } else { String::new() }
    }

    /// Returns the clause and the secret, without the setting.
    fn what(&self) -> String {
        match &self.0.secret {
            Some(secret) => format!("{}: {secret}", self.0.clause),
            None => self.0.clause.to_string(),
        }
    }
}

/// The troubleshooting guide, in the repository of the crate.
const GUIDE: &str = "docs/troubleshooting.md";

/// Returns the address of the files of `version` in `repository`. Empty if the manifest names no repository yet: it has
/// a placeholder, which is another user's name on GitHub.
fn guide_root(repository: &str, version: &str) -> String {
    if repository.is_empty() || repository.contains("/OWNER/") {
        return String::new();
    }
    format!("{}/blob/v{version}/", repository.trim_end_matches('/'))
}

/// Returns the anchor that Markdown renderers give to a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Setting { key, place }) = &self.0.setting {
            write!(f, "{key} from {place}: {}", self.status_prefix())?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretId;

    #[test]
    fn a_label_is_one_that_fits() {
        let id = SecretId::parse("https://contoso.vault.azure.net/secrets/a").unwrap();
        let no_identity = Error::new(ErrorKind::Denied, "no credential was found");
        for (error, report) in [
            (Error::invalid("secret client has no credential"), "secret client has no credential"),
            (
                no_identity.with_status(ReferenceStatus::MsiNotEnabled).with_help("sign in").about(&id),
                "no credential was found: a in contoso\nhelp: sign in",
            ),
            (
                Error::new(ErrorKind::Unavailable, "vault could not be reached").about(&id),
                "vault could not be reached: a in contoso",
            ),
            (
                Error::new(ErrorKind::NotFound, "secret not found").about(&id),
                "SecretNotFound: secret not found: a in contoso",
            ),
            (
                Error::invalid("reference has no closing parenthesis").at("a.b", "settings.toml"),
                "  a.b  (settings.toml)\n      InvalidSyntax: reference has no closing parenthesis",
            ),
        ] {
            assert_eq!(error.report(), format!("{report}\nsee: {}", error.help_url()));
        }
    }

    #[test]
    fn an_error_leads_to_its_section_of_the_guide() {
        let missing = Error::new(ErrorKind::NotFound, "secret not found");
        let near = missing.clone().with_near_name("db-password").in_text(1, 2);
        let unresolved = Error::invalid("vault's host name cannot be resolved");
        for (error, end) in [
            (&missing, "docs/troubleshooting.md#secret-not-found"),
            (&near, "docs/troubleshooting.md#secret-not-found"),
            (&unresolved, "docs/troubleshooting.md#vaults-host-name-cannot-be-resolved"),
        ] {
            assert!(error.help_url().ends_with(end), "{}", error.help_url());
        }
    }

    #[test]
    fn a_placeholder_is_no_address() {
        for (repository, root) in [
            ("https://github.com/contoso/keyvault", "https://github.com/contoso/keyvault/blob/v0.1.0/"),
            ("https://github.com/contoso/keyvault/", "https://github.com/contoso/keyvault/blob/v0.1.0/"),
            ("https://github.com/OWNER/keyvault", ""),
            ("", ""),
        ] {
            assert_eq!(guide_root(repository, "0.1.0"), root, "{repository}");
        }
        let url = Error::new(ErrorKind::NotFound, "secret not found").help_url();
        assert!(!url.contains("OWNER"), "{url}");
    }

    #[test]
    fn a_report_names_each_section_once() {
        let missing = |key| Error::new(ErrorKind::NotFound, "secret not found").at(key, "settings.toml");
        let denied = Error::new(ErrorKind::Denied, "access denied").at("c", "settings.toml");
        let report = Error::join(vec![missing("a"), missing("b"), denied.clone()]).unwrap().report();
        let see: Vec<&str> = report.lines().filter(|line| line.starts_with("see: ")).collect();
        assert_eq!(see, [missing("a"), denied].map(|error| format!("see: {}", error.help_url())), "{report}");
    }
}
