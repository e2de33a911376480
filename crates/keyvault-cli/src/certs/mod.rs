//! `keyvault certs`: writes certificates as files and keeps them up to date.
//!
//! In reading order: `config` reads the settings of the VM extension. `target` is one certificate with its files,
//! `format` converts it for each, and `files` writes them and switches links. `sync` does that for all certificates and
//! prints what failed, and `readiness` notifies the service manager once the files exist.

mod config;
mod files;
mod format;
mod readiness;
mod sync;
mod target;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::ArgGroup;
use keyvault::{SecretClient, Vault};
use tokio::sync::watch;
use tokio::time::sleep;

use self::config::{ExtensionSettings, ObservedCertificate};
use self::format::FileFormat;
use self::sync::{Gate, Sync};
use self::target::Target;
use crate::access::Access;
#[cfg(unix)]
use crate::access::Owner;
use crate::arguments::interval;
use crate::failure::Failure;
use crate::hook::HookArguments;
use crate::shutdown;
use crate::vault::AllowedVaultsArguments;

/// Write certificates of a vault as files, and keep them up to date
///
/// Reads the secret of each certificate, in any form that a vault has: PKCS#12, PEM, or JSON with either; certificates
/// of the vault and plain secrets alike. Checks that the private key is the certificate's and that the certificate is
/// valid now. Writes the certificate, its issuers and the private key into DIR/VAULT.NAME.VERSION, and makes
/// DIR/VAULT.NAME a symbolic link to it, in one step. nginx, HAProxy, PostgreSQL and Apache take this one file for the
/// certificate and for the key, so they never see those of two versions together. On Windows DIR/VAULT.NAME is a file,
/// which is replaced in one step; there is no file of each version, no --mode and no --owner.
///
/// The names are those of the Azure Key Vault VM extension for Linux, version 3.0. Its settings file works as it is, on
/// any distribution and in a container.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES, group(ArgGroup::new("source").required(true).args(["config", "certificates"])))]
pub(crate) struct Certs {
    /// The settings of the VM extension, as JSON; - for standard input
    #[arg(long, value_name = "FILE")]
    config: Option<String>,

    /// A certificate: its name in the first --vault, or the URL of its secret; may be repeated
    #[arg(long = "certificate", value_name = "NAME|URL", requires = "out")]
    certificates: Vec<String>,

    /// The directory of the files, which is created if it does not exist; with --config, for certificates without a
    /// certificateStoreLocation
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// The kinds of files, with commas between them
    #[arg(long, value_name = "FORMAT", value_delimiter = ',', default_value = "pem")]
    format: Vec<FileFormat>,

    /// The mode of the files, in octal
    #[cfg(unix)]
    #[arg(long, value_parser = crate::access::parse_mode, default_value = "600")]
    mode: u32,

    /// The owner of the files, by name or number, for a command that runs as root
    #[cfg(unix)]
    #[arg(long, value_name = "USER[:GROUP]")]
    owner: Option<String>,

    /// Keep running: check for new versions, and write the files of a certificate that was renewed
    #[arg(long)]
    watch: bool,

    /// How often to check for new versions, at least 1s; by default pollingIntervalInS of --config, otherwise 60s
    #[arg(long, value_name = "TIME", value_parser = interval)]
    interval: Option<Duration>,

    #[command(flatten)]
    hook: HookArguments,

    #[command(flatten)]
    vaults: AllowedVaultsArguments,
}

const EXAMPLES: &str = r#"Examples:
  For nginx, which is reloaded after each renewal:
    keyvault certs --certificate tls --out /etc/nginx/certs --vault contoso \
      --watch --then 'nginx -s reload'
  with this in its configuration:
    ssl_certificate     /etc/nginx/certs/contoso.tls;
    ssl_certificate_key /etc/nginx/certs/contoso.tls;

  For a program that needs two files, owned by its user:
    keyvault certs --certificate tls --out /etc/app/certs --vault contoso \
      --format chain,key --owner app:app

  In place of the VM extension, with its own settings:
    keyvault certs --config settings.json --watch

Settings that have no effect are named on standard error.

If one certificate cannot be read, or its file not written, the command fails,
and no program sees a change of any. The links are switched after that: if one
cannot be, those before it lead to the new files, and the command of --then runs
at the next start. With --watch this applies to the first check only: later, and
with "requireInitialSync": false from the beginning, a certificate that cannot
be read, has another's key, is deleted, disabled, expired or not valid yet keeps
the files that it has, a line on standard error says why, and it is tried again
at the next check. The command of --then runs once the first check is complete,
and after each renewal. It gets no credentials. A systemd unit of Type=notify is
ready once the files are there.

The version before the newest keeps its file. Earlier ones are removed.

Without --vault, every vault of Azure that a URL names may be contacted.
KEYVAULT_VAULT and --vault restrict that, and allow other hosts.

Exit codes: 0 the files are written, 2 an option or the settings are wrong, 3 a
certificate is not found, 4 denied, 5 a vault is unavailable or throttles, 1
several of these, a certificate cannot be used, or a file cannot be written"#;

impl Certs {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let settings = self.settings()?;
        let interval = self.interval.or(settings.interval).unwrap_or(DEFAULT_INTERVAL);
        let gate = if settings.requires_initial_sync || !self.watch { Gate::All } else { Gate::Each };
        let sync = Sync::new(self.targets(settings.certificates)?);
        crate::block_on(async {
            if self.watch {
                watch(sync, gate, interval, self.hook).await
            } else {
                let mut sync = sync;
                sync.pass(gate).await.map(drop)
            }
        })??;
        Ok(ExitCode::SUCCESS)
    }

    /// Reads the settings of `--config`, or makes them of `--certificate`.
    fn settings(&self) -> Result<ExtensionSettings, Failure> {
        let Some(file) = &self.config else {
            let observed = |text: &String| {
                let id = self.vaults.certificate(text)?;
                Ok(ObservedCertificate { id, directory: None, link: None, readers: Vec::new(), client_id: None })
            };
            let certificates = self.certificates.iter().map(observed).collect::<Result<_, Failure>>()?;
            return Ok(ExtensionSettings { certificates, requires_initial_sync: true, ..ExtensionSettings::default() });
        };
        let settings = ExtensionSettings::read(file)?;
        for path in &settings.without_effect {
            eprintln!("keyvault: {file}: {path} has no effect");
        }
        Ok(settings)
    }

    fn targets(&self, certificates: Vec<ObservedCertificate>) -> Result<Vec<Target>, Failure> {
        let formats: Arc<[FileFormat]> = self.format.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let access = self.access()?;
        let (mut targets, mut clients, mut paths) = (Vec::new(), HashMap::new(), BTreeSet::new());
        let mut versioned = HashMap::new();
        for certificate in certificates {
            let client = self.client(&certificate, &mut clients)?;
            let ObservedCertificate { id, directory, link, readers, .. } = certificate;
            if self.watch && id.version().is_some() {
                eprintln!("keyvault: {id} is a single version, which is never renewed");
            }
            let directory = directory.or_else(|| self.out.clone()).unwrap_or_else(|| DEFAULT_DIRECTORY.into());
            let link = link.unwrap_or_else(|| Target::default_link(&id));
            let (access, formats) = (access.clone().with_readers(readers), Arc::clone(&formats));
            // Two versions or accesses of one secret would replace each other's files.
            let content = (id.clone(), access.clone());
            let files = directory.join(Target::default_link(&id));
            if *versioned.entry(files).or_insert_with(|| content.clone()) != content {
                let directory = directory.display();
                let text = format!("{id} is written into {directory} twice, with another version or access");
                return Err(Failure::Usage(text));
            }
            let target = Target { id, client, directory, is_shared: false, link, access, formats };
            for path in target.paths() {
                // Names of secrets, and the file systems of some platforms, ignore case.
                if !paths.insert(path.to_string_lossy().to_lowercase()) {
                    return Err(Failure::usage(format!("{} is the file of two certificates", path.display())));
                }
            }
            targets.push(target);
        }
        let shared = targets.iter().filter(|it| it.access.is_shared()).map(|it| it.directory.clone());
        let shared: BTreeSet<PathBuf> = shared.collect();
        targets.iter_mut().for_each(|it| it.is_shared = shared.contains(&it.directory));
        if targets.is_empty() { Err(Failure::usage("there is no certificate to write")) } else { Ok(targets) }
    }

    /// Returns the client for the vault and the identity of a certificate. Certificates with the same share it.
    fn client(&self, certificate: &ObservedCertificate, clients: &mut Clients) -> Result<SecretClient, Failure> {
        let identity = (certificate.id.vault().clone(), certificate.client_id.clone());
        if let Some(client) = clients.get(&identity) {
            return Ok(client.clone());
        }
        let client = self.vaults.certificate_client(&identity.0, identity.1.as_deref())?;
        clients.insert(identity, client.clone());
        Ok(client)
    }

    #[cfg(unix)]
    fn access(&self) -> Result<Access, Failure> {
        let owner = self.owner.as_ref().map(|owner| owner.parse().map_err(|problem| format!("--owner: {problem}")));
        let owner: Owner = owner.transpose().map_err(Failure::Usage)?.unwrap_or_default();
        Ok(Access::new(self.mode).with_owner(owner))
    }

    #[cfg(windows)]
    fn access(&self) -> Result<Access, Failure> {
        Ok(Access::private())
    }
}

/// Clients by vault and managed identity.
type Clients = HashMap<(Vault, Option<String>), SecretClient>;

const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);
/// The directory of the VM extension.
const DEFAULT_DIRECTORY: &str = "/var/lib/waagent/Microsoft.Azure.KeyVault.Store";

/// Writes the certificates, then checks for new versions until a signal arrives. Only the first pass can fail.
async fn watch(mut sync: Sync, gate: Gate, interval: Duration, hook: HookArguments) -> Result<(), Failure> {
    let shutdown = shutdown::signal()?;
    let (sender, writes) = watch::channel(0u64);
    let run = async {
        sync.pass(gate).await?;
        readiness::notify();
        // Also if nothing was written: an earlier process may have ended before its command did.
        sender.send_modify(|count| *count += 1);
        loop {
            sleep(interval).await;
            if sync.pass(Gate::Each).await? {
                sender.send_modify(|count| *count += 1);
            }
        }
    };
    tokio::select! {
        failure = run => failure,
        () = hook.run(writes) => Ok(()),
        () = shutdown => Ok(()),
    }
}
