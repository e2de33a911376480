//! The vaults that a command may ask.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use keyvault::{
    Checked, Cloud, InMemory, NameMap, NamedSecrets, ReferenceStatus, ReportRow, Resolved, Resolver, Secret,
    SecretClient, SecretId, SecretName, SecretProperties, SecretStore, Template, Vault,
};

use crate::failure::Failure;
use crate::settings::Entry;
use crate::terminal;
use crate::vault::{self, Connection};

/// The vaults, the same for every command that resolves references.
#[derive(Clone, clap::Args)]
pub(crate) struct VaultsArguments {
    /// A vault that may be asked: its name in Azure, or its URL; may be given several times, the first is that of
    /// references that name none
    #[arg(long = "vault", value_name = "URL|NAME", env = "KEYVAULT_VAULT", value_delimiter = ',')]
    vaults: Vec<String>,

    /// Trust the certificate authority in this file, too: an emulator's
    #[arg(long, value_name = "PATH")]
    ca_file: Option<PathBuf>,

    /// Give a secret up after this time
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "30s")]
    timeout: Duration,
}

/// The vaults that were named, and nothing else, to be asked.
pub(crate) struct Vaults {
    resolver: Resolver,
    named: Vec<Vault>,
    asked: Arc<AtomicUsize>,
}

/// What became of the references in some values.
pub(crate) struct Outcome {
    pub(crate) report: Vec<ReportRow>,
    checked: Option<Checked>,
}

/// The settings whose vaults may answer later.
pub(crate) type Waiting = BTreeSet<String>;

impl VaultsArguments {
    /// Gives the vaults in their order, each once.
    pub(crate) fn vaults(&self) -> Result<Vec<Vault>, Failure> {
        let urls = self.vaults.iter().filter(|name| vault::is_url(name));
        let cloud = urls.filter_map(|url| Vault::parse(url).ok()?.cloud()).next().unwrap_or(Cloud::Public);
        let mut vaults = Vec::new();
        for name in self.vaults.iter().filter(|name| !name.is_empty()) {
            let vault = if vault::is_url(name) { Vault::parse(name)? } else { Vault::named(name, cloud)? };
            if !vaults.contains(&vault) {
                vaults.push(vault);
            }
        }
        Ok(vaults)
    }

    pub(crate) fn connection(&self) -> Connection<'_> {
        Connection { ca_file: self.ca_file.as_deref(), timeout: self.timeout }
    }

    /// Makes the vaults to be asked; without I/O to them. None is made ready where none is needed.
    pub(crate) fn build(&self, is_needed: bool) -> Result<Vaults, Failure> {
        let named = if is_needed { self.vaults()? } else { Vec::new() };
        let asked = Arc::new(AtomicUsize::new(0));
        let Some(first) = named.first() else {
            return Ok(Vaults { resolver: InMemory::new(nowhere()?).into(), named, asked });
        };
        let client = self.connection().client(first.origin())?;
        let counted = |client| Counted { client, asked: Arc::clone(&asked) };
        // What was read a moment ago is asked for again only by a check.
        let mut resolver = Resolver::builder(counted(client.clone())).cache_capacity(1_000_000).max_age(A_DAY);
        for vault in &named[1..] {
            resolver = resolver.vault(counted(client.with_vault(vault.origin())?));
        }
        Ok(Vaults { resolver: resolver.build()?, named, asked })
    }

    /// Checks references without a network: their syntax, and whether their vaults are among those named. Where none was
    /// named, every vault of Azure is well.
    pub(crate) fn check_offline(&self, entries: &[Entry]) -> Result<Outcome, Failure> {
        let named = self.vaults()?;
        let nowhere = nowhere()?;
        let referred = vaults_of(entries, &nowhere);
        let allowed: Vec<Vault> = if named.is_empty() {
            std::iter::once(nowhere.clone())
                .chain(referred.iter().filter(|vault| vault.cloud().is_some()).cloned())
                .collect()
        } else {
            named.clone()
        };
        let Some((first, others)) = allowed.split_first() else { return Err(Failure::usage("no vault")) };
        let resolver = others.iter().fold(Resolver::builder(InMemory::new(first.clone())), |resolver, vault| {
            resolver.vault(InMemory::new(vault.clone()))
        });
        let report = resolver.build()?.check_offline(entries.iter().filter_map(Entry::leaf).collect());
        let mut report = advised(report.rows(), &allowed, &referred);
        for row in report.iter_mut().filter(|row| row.vault.as_deref() == Some(nowhere.name())) {
            row.vault = None;
        }
        Ok(Outcome { report, checked: None })
    }
}

const A_DAY: Duration = Duration::from_secs(86_400);

/// Stands for the vault of references that name none where none was given; it is never asked.
fn nowhere() -> keyvault::Result<Vault> {
    Vault::parse("https://no-vault.invalid")
}

impl Vaults {
    /// Resolves every reference in `entries`. That some fail is told in the report; no vault is asked that was not named.
    pub(crate) async fn check<'e>(&self, entries: impl IntoIterator<Item = &'e Entry>) -> Result<Outcome, Failure> {
        let entries: Vec<&Entry> = entries.into_iter().collect();
        let nowhere = nowhere()?;
        let default = self.named.first().unwrap_or(&nowhere);
        let referred = vaults_of(entries.iter().copied(), default);
        let leaves = entries.iter().filter_map(|entry| entry.leaf()).collect();
        if self.named.is_empty() {
            let report = self.resolver.check_offline(leaves);
            let mut report = advised(report.rows(), &[], &referred);
            report.iter_mut().filter(|row| row.vault.as_deref() == Some(nowhere.name())).for_each(no_vault);
            return Ok(Outcome { report, checked: None });
        }
        self.asked.store(0, Ordering::Relaxed);
        let secrets = secrets_of(entries.iter().copied(), default).len();
        let checked = terminal::with_progress(self.resolver.check(leaves), &self.asked, secrets).await;
        let report = advised(checked.report().rows(), &self.named, &referred);
        Ok(Outcome { report, checked: Some(checked) })
    }

    /// Gives the secrets of the default vault that `map` takes.
    pub(crate) async fn named(&self, map: &NameMap) -> Result<NamedSecrets, Failure> {
        if self.named.is_empty() {
            return Err(Failure::usage("secrets by name are those of a vault: name it with --vault"));
        }
        Ok(self.resolver.named(map).await?)
    }

    /// Gives text with its references replaced, by what was read before if there is.
    pub(crate) async fn resolve(&self, text: &str) -> Result<Option<Resolved>, Failure> {
        Ok(self.resolver.resolve(text).await?)
    }
}

impl Outcome {
    /// Names the settings that failed for now only.
    pub(crate) fn waiting(&self) -> Waiting {
        let values = self.checked.iter().flat_map(Checked::values);
        let waiting = values.filter(|(_, value)| value.is_err_and(|error| error.is_transient()));
        waiting.map(|(leaf, _)| leaf.key().to_string()).collect()
    }

    /// Gives every value that was resolved, with its key; none where it is absent.
    pub(crate) fn values(&self) -> impl Iterator<Item = (String, Option<&Resolved>)> {
        let values = self.checked.iter().flat_map(Checked::values);
        values.filter_map(|(leaf, value)| Some((leaf.key().to_string(), value.ok()?)))
    }
}

/// Says on every row what can be done about it here: what core advises to a program is not what a command line has.
fn advised(rows: &[ReportRow], allowed: &[Vault], referred: &BTreeSet<Vault>) -> Vec<ReportRow> {
    let mut rows = rows.to_vec();
    for row in &mut rows {
        let Some(name) = row.vault.as_deref().filter(|_| row.is_failed()) else { continue };
        if allowed.iter().any(|vault| vault.name() == name) {
            continue;
        }
        let vault = referred.iter().find(|vault| vault.name() == name);
        row.detail = Some("this vault was not named on the command line".to_owned());
        row.advice = vault.map(|vault| match vault.cloud() {
            Some(Cloud::Public) => format!("allow it: --vault {name}"),
            Some(_) => format!("allow it: --vault {}", vault.origin()),
            None => format!("no Key Vault has such a host; if it is yours, allow it: --vault {}", vault.origin()),
        });
    }
    rows
}

fn no_vault(row: &mut ReportRow) {
    row.vault = None;
    row.status = ReferenceStatus::VaultNotFound;
    row.detail = Some("the reference names no vault, and none was given".to_owned());
    row.advice = Some("name the vault: --vault NAME, or KEYVAULT_VAULT=NAME".to_owned());
}

fn secrets_of<'e>(entries: impl IntoIterator<Item = &'e Entry>, default: &Vault) -> BTreeSet<SecretId> {
    let cloud = default.cloud().unwrap_or_default();
    let texts = entries.into_iter().filter(|entry| entry.is_marked()).filter_map(|entry| entry.text.as_deref());
    let references = texts.flat_map(|text| Template::scan(text)).filter_map(|(_, reference)| reference.ok());
    references.filter_map(|reference| reference.secret_id(default, cloud).ok()).collect()
}

fn vaults_of<'e>(entries: impl IntoIterator<Item = &'e Entry>, default: &Vault) -> BTreeSet<Vault> {
    secrets_of(entries, default).into_iter().map(|id| id.vault().clone()).collect()
}

/// A client that counts what it was asked.
#[derive(Debug)]
struct Counted {
    client: SecretClient,
    asked: Arc<AtomicUsize>,
}

#[async_trait]
impl SecretStore for Counted {
    fn vault(&self) -> &Vault {
        self.client.vault()
    }

    async fn get(&self, id: &SecretId) -> keyvault::Result<Secret> {
        let secret = SecretStore::get(&self.client, id).await;
        self.asked.fetch_add(1, Ordering::Relaxed);
        secret
    }

    fn list(&self) -> BoxStream<'_, keyvault::Result<SecretProperties>> {
        SecretStore::list(&self.client)
    }

    fn versions(&self, name: &SecretName) -> BoxStream<'_, keyvault::Result<SecretProperties>> {
        SecretStore::versions(&self.client, name)
    }
}
