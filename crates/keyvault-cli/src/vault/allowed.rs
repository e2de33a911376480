//! Resolving references against the vaults of `--vault`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keyvault::certificate::Certificate;
use keyvault::report::ReportRow;
use keyvault::resolver::Checked;
use keyvault::settings::{MappedSecrets, Resolved};
use keyvault::{Error, InMemory, NameMap, Resolver, SecretClient, SecretId, Template, Vault};

use super::advice::{NO_VAULT, advise, require_vault};
use super::arguments::AllowedVaultsArguments;
use super::counting_store::CountingStore;
use crate::failure::{Failure, exit_code_of};
use crate::report::ExitCodes;
use crate::settings::Entry;
use crate::terminal;

/// The vaults of `--vault`, the only ones that are contacted.
pub(crate) struct AllowedVaults {
    resolver: Resolver,
    vaults: Vec<Vault>,
    /// The number of secrets fetched by the current check.
    fetched: Arc<AtomicUsize>,
}

/// The outcome of a check: one row for each reference, and the resolved values.
pub(crate) struct CheckOutcome {
    pub(crate) report: Vec<ReportRow>,
    /// `None` if there are references and no vault was contacted.
    checked: Option<Checked>,
    /// The settings that need a default vault when no vault was given.
    without_vault: Vec<String>,
}

impl AllowedVaultsArguments {
    /// Creates the clients. Does no I/O to a vault, and creates no client if `is_needed` is false.
    pub(crate) fn connect(&self, is_needed: bool) -> Result<AllowedVaults, Failure> {
        let vaults = if is_needed { self.vaults()? } else { Vec::new() };
        let fetched = Arc::new(AtomicUsize::new(0));
        let Some(first) = vaults.first() else {
            return Ok(AllowedVaults { resolver: InMemory::new(placeholder_vault()?).into(), vaults, fetched });
        };
        let client = self.connection.client(first.origin())?;
        let store = |client: SecretClient| CountingStore {
            client,
            fetched: Arc::clone(&fetched),
            timeout: self.connection.timeout(),
        };
        // A check fetches each secret anew. `resolve` then uses what the check fetched, however long ago that was.
        let mut resolver = Resolver::builder(store(client.clone())).cache_capacity(1_000_000).max_age(A_DAY);
        for vault in &vaults[1..] {
            resolver = resolver.vault(store(client.with_vault(vault.origin())?));
        }
        Ok(AllowedVaults { resolver: resolver.build()?, vaults, fetched })
    }

    /// Checks references without a network: their syntax, and that their vaults are among those of `--vault`. Without a
    /// `--vault` every Azure vault is allowed.
    pub(crate) fn check_offline(&self, entries: &[Entry]) -> Result<CheckOutcome, Failure> {
        let placeholder = placeholder_vault()?;
        let referenced = vaults_of(entries, &placeholder);
        let mut allowed = self.vaults()?;
        if allowed.is_empty() {
            allowed.push(placeholder.clone());
            allowed.extend(referenced.iter().filter(|vault| vault.cloud().is_some()).cloned());
        }
        let default = InMemory::new(allowed[0].clone());
        let resolver = allowed[1..]
            .iter()
            .fold(Resolver::builder(default), |resolver, vault| resolver.vault(InMemory::new(vault.clone())));
        let report = resolver.build()?.check_offline(entries.iter().filter_map(Entry::config_value).collect());
        let mut report = report.rows().to_vec();
        advise(&mut report, &allowed, &referenced);
        for row in report.iter_mut().filter(|row| row.vault.as_deref() == Some(placeholder.name())) {
            row.vault = None;
        }
        Ok(CheckOutcome { report, checked: None, without_vault: Vec::new() })
    }
}

const A_DAY: Duration = Duration::from_secs(86_400);

/// Returns the default vault where `--vault` gives none. It is never contacted.
fn placeholder_vault() -> keyvault::Result<Vault> {
    Ok(Vault::parse("https://no-vault.invalid")?)
}

impl AllowedVaults {
    /// Resolves every reference in `entries`. A reference that fails is a row of the report.
    pub(crate) async fn check<'e>(
        &self,
        entries: impl IntoIterator<Item = &'e Entry>,
    ) -> Result<CheckOutcome, Failure> {
        let entries: Vec<&Entry> = entries.into_iter().collect();
        let placeholder = placeholder_vault()?;
        let default = self.vaults.first().unwrap_or(&placeholder);
        let referenced = vaults_of(entries.iter().copied(), default);
        let values = || entries.iter().filter_map(|entry| entry.config_value()).collect();
        if self.vaults.is_empty() {
            let mut report = self.resolver.check_offline(values()).rows().to_vec();
            advise(&mut report, &[], &referenced);
            let mut without_vault = Vec::new();
            for row in report.iter_mut().filter(|row| row.vault.as_deref() == Some(placeholder.name())) {
                require_vault(row);
                without_vault.push(row.setting.clone());
            }
            // Without a reference there may be escaped ones.
            let checked = if report.is_empty() { Some(self.resolver.check(values()).await) } else { None };
            return Ok(CheckOutcome { report, checked, without_vault });
        }
        self.fetched.store(0, Ordering::Relaxed);
        let total = secrets_of(entries.iter().copied(), default).len();
        let checked = terminal::with_progress(self.resolver.check(values()), &self.fetched, total).await;
        let mut report = checked.report().rows().to_vec();
        advise(&mut report, &self.vaults, &referenced);
        Ok(CheckOutcome { report, checked: Some(checked), without_vault: Vec::new() })
    }

    /// Returns the certificates with a private key among the secrets that `outcome` of `entries` resolved. Costs no
    /// request, because the check has fetched them.
    pub(crate) async fn certificates(&self, entries: &[Entry], outcome: &CheckOutcome) -> Vec<(SecretId, Certificate)> {
        let Some(default) = self.vaults.first() else { return Vec::new() };
        let resolved = outcome.values().filter_map(|(_, resolved)| resolved).flat_map(Resolved::secrets);
        let resolved: BTreeSet<SecretId> = resolved.map(SecretId::latest).collect();
        let mut certificates = Vec::new();
        for id in secrets_of(entries, default) {
            if resolved.contains(&id.latest())
                && let Ok(secret) = self.resolver.get(&id).await
                && let Ok(certificate) = Certificate::from_secret(&secret)
            {
                certificates.push((id, certificate));
            }
        }
        certificates
    }

    /// Fetches the secrets of the default vault that `map` selects by name.
    pub(crate) async fn mapped(&self, map: &NameMap) -> Result<MappedSecrets, Failure> {
        if self.vaults.is_empty() {
            return Err(Failure::usage("--prefix and --all need a vault: name it with --vault"));
        }
        Ok(self.resolver.mapped(map).await?)
    }

    /// Resolves the references in `text`, from the cache where it has the secret.
    pub(crate) async fn resolve(&self, text: &str) -> Result<Option<Resolved>, Failure> {
        Ok(self.resolver.resolve(text).await?)
    }
}

impl CheckOutcome {
    /// Returns the exit codes of the settings that failed.
    pub(crate) fn exit_codes(&self) -> ExitCodes {
        let values = self.checked.iter().flat_map(Checked::values);
        let failed = values.filter_map(|(value, resolved)| Some((value.key().to_string(), resolved.err()?)));
        let failed = failed.flat_map(|(key, error)| codes_of(&key, error));
        // A missing --vault is wrong usage.
        let without_vault = self.without_vault.iter().map(|key| ((key.clone(), NO_VAULT.as_str()), 2));
        failed.chain(without_vault).collect()
    }

    /// Returns every resolved value with its setting. The value is `None` if it is optional and its secret is missing.
    pub(crate) fn values(&self) -> impl Iterator<Item = (String, Option<&Resolved>)> {
        let values = self.checked.iter().flat_map(Checked::values);
        values.filter_map(|(value, resolved)| Some((value.key().to_string(), resolved.ok()?)))
    }
}

/// Returns the exit codes of an error and of the failures that it joins.
fn codes_of(key: &str, error: &Error) -> Vec<((String, &'static str), u8)> {
    let failures = if error.failures().is_empty() { std::slice::from_ref(error) } else { error.failures() };
    let code = |error: &Error| ((key.to_owned(), error.status().as_str()), exit_code_of(error));
    failures.iter().map(code).collect()
}

fn secrets_of<'e>(entries: impl IntoIterator<Item = &'e Entry>, default: &Vault) -> BTreeSet<SecretId> {
    let cloud = default.cloud().unwrap_or_default();
    let texts = entries.into_iter().filter(|entry| entry.may_contain_reference());
    let texts = texts.filter_map(|entry| entry.text.as_deref());
    let references = texts.flat_map(|text| Template::scan(text)).filter_map(|(_, reference)| reference.ok());
    references.filter_map(|reference| reference.secret_id(default, cloud).ok()).collect()
}

fn vaults_of<'e>(entries: impl IntoIterator<Item = &'e Entry>, default: &Vault) -> BTreeSet<Vault> {
    secrets_of(entries, default).into_iter().map(|id| id.vault().clone()).collect()
}
