//! The text of an error: one clause for `Display`, and a report for a person.

use std::fmt;

use super::{Cause, Error, ErrorKind, Setting};
use crate::report::ReferenceStatus;

impl Error {
    /// Returns what to do about the error, if there is more to say than its clause does.
    pub fn advice(&self) -> Option<&'static str> {
        self.0.help.or(match self.status() {
            ReferenceStatus::MsiNotEnabled => {
                Some("check the credential: run `az login` on a laptop, assign a managed identity in Azure")
            }
            ReferenceStatus::UnauthorizedClient => Some("check that the credential's tenant is the vault's"),
            ReferenceStatus::VaultNotFound => Some("check the vault's name and that its host resolves"),
            _ => None,
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
