//! Values with references, resolved or only parsed for a report.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::Resolver;
use super::fetch_plan::FetchPlan;
use super::loader::Loader;
use super::report_rows::report;
use super::resolve::{FailureCount, ResolveContext, parse, resolve};
use crate::error::{Error, Result};
use crate::report::{Report, ReportRow};
use crate::settings::{ConfigValue, Resolved, Terms, ValueContent, locate};

/// The result of [`Resolver::check`]: the report of every reference, and the text of every string.
pub struct Checked {
    values: Vec<(ConfigValue, Result<Option<Resolved>>)>,
    report: Report,
}

impl Checked {
    /// Returns the report of every reference.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Returns every string with its references replaced, in the order of the keys.
    ///
    /// A string is `None` if an optional secret does not exist, and an error if it cannot be resolved. Strings without
    /// references are returned unchanged; values that are not strings are left out.
    pub fn values(&self) -> impl Iterator<Item = (&ConfigValue, Result<Option<&Resolved>, &Error>)> {
        self.values.iter().map(|(value, text)| (value, text.as_ref().map(Option::as_ref)))
    }
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked").field("report", &self.report).finish_non_exhaustive()
    }
}

impl Resolver {
    /// Resolves every reference in `values`. A failure of one does not fail the others: the report shows each.
    ///
    /// Costs one request for each distinct secret.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the requests for which no other caller waits. Secrets that arrived stay in the
    /// cache.
    pub async fn check(&self, values: Vec<ConfigValue>) -> Checked {
        let plan = FetchPlan::full(Arc::default(), SystemTime::now());
        let loader = Loader::new(self, &plan);
        let mut texts = Vec::new();
        let literal = |value: ConfigValue, _| {
            if let ValueContent::Text(text) = &value.content {
                let text = Resolved::literal(text);
                texts.push((value, Ok(Some(text))));
            }
        };
        let values = self.with_joined_tables(values);
        let (resolved, rows) = resolve(&loader, values, ResolveContext::default(), literal).await;
        texts.extend(resolved.into_iter().map(|value| (value.value, value.text)));
        texts.sort_by(|(one, _), (other, _)| one.key.cmp(&other.key));
        Checked { values: texts, report: report(rows, &[]) }
    }

    /// Checks the syntax and the vault of every reference in `values`, without a request. A reference that passes has
    /// the status [`Initialized`](crate::ReferenceStatus::Initialized).
    pub fn check_offline(&self, mut values: Vec<ConfigValue>) -> Report {
        locate(&mut values);
        let mut rows = Vec::new();
        for value in self.with_joined_tables(values) {
            match &value.content {
                ValueContent::Mapped(secret) => rows.push(ReportRow::of(&value).about(secret.id())),
                ValueContent::Earlier(secret) => rows.push(ReportRow::of(&value).about(secret)),
                ValueContent::Text(_) | ValueContent::Other(_) => {}
            }
            let mut failures = FailureCount::default();
            for parsed in parse(self, &value, Terms::default()).into_iter().flat_map(|parsed| parsed.references) {
                let row = ReportRow::of(&value);
                let row = match parsed {
                    Ok(reference) => {
                        let id = self.secret_id(&reference).and_then(|id| self.store(&id).map(|_| id));
                        let row = row.referring(&reference);
                        match id {
                            Ok(id) => row.about(&id),
                            Err(error) => row.failed(&error),
                        }
                    }
                    Err(error) => row.failed(&error),
                };
                if !row.is_failed() || failures.is_reported() {
                    rows.push(row);
                }
            }
            rows.extend(failures.others().map(|error| ReportRow::of(&value).failed(&error)));
        }
        Report::new(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Key;
    use crate::store::InMemory;

    /// One value with 52,428 unclosed references once gave 52,428 failures, after 15 seconds.
    #[tokio::test]
    async fn one_value_reports_few_failures_however_many_references_fail() {
        let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
        let resolver = Resolver::from(vault);
        for piece in ["@KeyVault(", "@KeyVault(SecretName=missing)", "@KeyVault(VaultName=other;SecretName=a)"] {
            let value = || vec![ConfigValue::text(Key::root().member("a"), "a test", piece.repeat(5_000))];
            let others = "4990 more references in the same text cannot be resolved";
            let checked = resolver.check(value()).await;
            let error = checked.values().next().unwrap().1.unwrap_err();
            assert_eq!(error.failures().len(), 11, "{piece}");
            assert!(error.to_string().contains(others), "{piece}: {error}");
            assert_eq!(checked.report().rows().len(), 11, "{piece}");
            let offline = resolver.check_offline(value());
            let failed = if piece.contains("missing") { 0 } else { 11 };
            assert_eq!(offline.rows().iter().filter(|row| row.is_failed()).count(), failed, "{piece}");
        }
    }

    #[test]
    fn the_host_of_a_private_endpoint_gets_the_vaults_own_host_as_advice() {
        let resolver = Resolver::from(InMemory::new("https://contoso.vault.azure.net".parse().unwrap()));
        for host in ["contoso.privatelink.vaultcore.azure.net", "contoso.privatelink.vault.azure.net"] {
            let text = format!("@KeyVault(SecretUri=https://{host}/secrets/a)");
            let report = resolver.check_offline(vec![ConfigValue::text(Key::root().member("a"), "a test", text)]);
            let row = report.rows()[0].clone();
            assert!(row.detail.unwrap().contains("private endpoint"), "{host}");
            assert!(row.advice.unwrap().contains("contoso.vault.azure.net"), "{host}");
        }
    }

    #[tokio::test]
    async fn strings_are_returned_in_the_order_of_their_keys() {
        let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
        vault.set("user", "app").unwrap();
        let value = |key: &str, text: &str| ConfigValue::text(Key::root().member(key), "a test", text);
        let values = vec![
            value("d", "plain"),
            value("c", "@KeyVault(SecretName=user)"),
            value("b", "@KeyVault(SecretName"),
            ConfigValue::other(Key::root().member("e"), "a test", 1),
            value("a", "plain, too"),
        ];
        let checked = Resolver::from(vault).check(values).await;
        let values = checked.values().map(|(value, text)| {
            let text = text.ok().flatten().map(|text| text.expose_secret().to_owned());
            (value.key.to_string(), text)
        });
        let expected = [("a", Some("plain, too")), ("b", None), ("c", Some("app")), ("d", Some("plain"))];
        let expected = expected.map(|(key, text)| (key.to_owned(), text.map(str::to_owned)));
        assert_eq!(values.collect::<Vec<_>>(), expected);
    }
}
