//! The options that name vaults and say how to connect to them.

use std::path::PathBuf;
use std::time::Duration;

use keyvault::client::SecretClientBuilder;
use keyvault::secret::ParseError;
use keyvault::{Cloud, SecretClient, SecretId, SecretName, SecretVersion, Vault};

use super::credential::CredentialArguments;
use crate::failure::Failure;

/// The options for the connection to a vault.
#[derive(Clone, clap::Args)]
pub(crate) struct ConnectionArguments {
    #[command(flatten)]
    pub(crate) credential: CredentialArguments,

    /// Also trust the certificate authority in this PEM file, for example an emulator's
    #[arg(long, value_name = "PATH", env = "KEYVAULT_CA_FILE")]
    ca_file: Option<PathBuf>,

    /// Give up on a request to a vault or store, with its retries, after this time; also on a list that yields nothing
    /// for it
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "30s")]
    timeout: Duration,

    /// Use this version of the vault's REST API, for example 7.4
    #[arg(long, value_name = "VERSION")]
    api_version: Option<String>,
}

impl ConnectionArguments {
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Creates a client for the vault at `url`.
    pub(super) fn client(&self, url: &str) -> Result<SecretClient, Failure> {
        Ok(self.client_builder(url)?.credential(self.credential.credential()?).build()?)
    }

    /// Creates a client builder without a credential.
    pub(crate) fn client_builder(&self, url: &str) -> Result<SecretClientBuilder, Failure> {
        let mut builder = SecretClient::builder(url).timeout(self.timeout);
        if let Some(version) = &self.api_version {
            builder = builder.api_version(version);
        }
        Ok(match self.certificate_authority()? {
            None => builder,
            Some(pem) => builder.certificate_authority(pem),
        })
    }

    /// Reads the certificate authority of `--ca-file`.
    pub(crate) fn certificate_authority(&self) -> Result<Option<String>, Failure> {
        let read = |path: &PathBuf| std::fs::read_to_string(path).map_err(|error| Failure::of_file(path, error));
        self.ca_file.as_ref().map(read).transpose()
    }
}

/// The options of a command that uses one vault.
#[derive(clap::Args)]
pub(crate) struct VaultArguments {
    /// The vault: its name in Azure, its host or its URL; not needed if the URL of a secret is given; of several in
    /// KEYVAULT_VAULT, the first
    #[arg(long, value_name = "URL|NAME", env = "KEYVAULT_VAULT")]
    vault: Option<String>,

    #[command(flatten)]
    connection: ConnectionArguments,
}

/// A secret of a vault that the user named.
pub(crate) struct SecretTarget {
    pub(crate) client: SecretClient,
    pub(crate) name: String,
    pub(crate) version: Option<String>,
}

impl VaultArguments {
    pub(crate) fn timeout(&self) -> Duration {
        self.connection.timeout
    }

    /// Creates a client. A vault on the command line needs no other permission, whatever its host is.
    pub(crate) fn client(&self) -> Result<SecretClient, Failure> {
        let vault = self.vault()?.ok_or_else(|| Failure::usage(NO_VAULT))?;
        self.connection.client(vault.origin())
    }

    /// Returns the vault: the first, because the variable can name the further vaults of other commands.
    fn vault(&self) -> Result<Option<Vault>, Failure> {
        let mut names = self.vault.iter().flat_map(|names| names.split(',')).map(str::trim);
        let first = names.find(|name| !name.is_empty());
        Ok(first.map(|name| parse_vault(name, Cloud::Public)).transpose()?)
    }

    /// Creates a client for the secret that `text` names: `db`, `db/VERSION`, or its URL.
    pub(crate) fn secret(&self, text: &str) -> Result<SecretTarget, Failure> {
        let text = text.trim();
        if !is_url(text) {
            SecretName::parse(text).map_err(|error| name_failure(text, error))?;
            return Ok(SecretTarget { client: self.client()?, name: text.to_owned(), version: None });
        }
        let name_and_version = text
            .split_once('/')
            .filter(|(name, version)| SecretName::parse(name).is_ok() && SecretVersion::parse(version).is_ok());
        if let Some((name, version)) = name_and_version {
            let version = Some(version.to_owned());
            return Ok(SecretTarget { client: self.client()?, name: name.to_owned(), version });
        }
        let is_id = text.contains("//") || text.contains('.') && text.contains('/');
        if !is_id {
            return Err(SecretName::parse(text)
                .map_or_else(|error| name_failure(text, error), |_| Failure::usage("secret name is malformed")));
        }
        let id = SecretId::parse(&with_scheme(text))?;
        if let Some(vault) = self.vault()?.filter(|vault| vault != id.vault()) {
            return Err(Failure::usage(format!(
                "the secret's URL is of the vault {}, but --vault or KEYVAULT_VAULT names {vault}",
                id.vault()
            )));
        }
        Ok(SecretTarget {
            client: self.connection.client(id.vault().origin())?,
            name: id.name().as_str().to_owned(),
            version: id.version().map(ToString::to_string),
        })
    }
}

const NO_VAULT: &str = "name the vault with --vault NAME or KEYVAULT_VAULT=NAME";

/// Adds advice to the error of a name. Does not repeat the name, because it may be a value that was pasted.
fn name_failure(name: &str, error: ParseError) -> Failure {
    let is_close = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.: ".contains(c));
    let advice = if is_close { "; write - for other signs, for example DB-PASSWORD for DB_PASSWORD" } else { "" };
    Failure::usage(format!("{error}{advice}"))
}

/// The options of a command that resolves references.
#[derive(Clone, clap::Args)]
pub(crate) struct AllowedVaultsArguments {
    /// A vault that may be contacted: its name in Azure, its host or its URL; repeat it for each vault that references
    /// name; the first is the default, and no other vault is contacted
    #[arg(long = "vault", value_name = "URL|NAME", env = "KEYVAULT_VAULT", value_delimiter = ',')]
    vaults: Vec<String>,

    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
}

impl AllowedVaultsArguments {
    /// Returns the vaults in order, without duplicates. A name is in the cloud of the first URL.
    pub(crate) fn vaults(&self) -> Result<Vec<Vault>, Failure> {
        let names = || self.vaults.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
        let of_url = |name: &&str| is_url(name).then(|| parse_vault(name, Cloud::Public).ok()?.cloud()).flatten();
        let cloud = names().find_map(|name| of_url(&name)).unwrap_or(Cloud::Public);
        let mut vaults = Vec::new();
        for name in names() {
            let vault = parse_vault(name, cloud)?;
            if !vaults.contains(&vault) {
                vaults.push(vault);
            }
        }
        Ok(vaults)
    }
}

impl AllowedVaultsArguments {
    /// Returns the secret of a certificate that the user named: `tls` in the first vault, or its URL.
    pub(crate) fn certificate(&self, text: &str) -> Result<SecretId, Failure> {
        let text = text.trim();
        if is_url(text) {
            return Ok(SecretId::parse(&with_scheme(text))?);
        }
        let name = SecretName::parse(text).map_err(|error| name_failure(text, error))?;
        let vault = self.vaults()?.into_iter().next().ok_or_else(|| Failure::usage(NO_VAULT))?;
        Ok(SecretId::new(vault, name))
    }

    /// Creates a client for the vault of a certificate, which signs in as the managed identity `client_id` if one is
    /// given.
    ///
    /// # Errors
    ///
    /// The vault is none of `--vault`. Without a `--vault`, every vault of Azure is allowed, because a person wrote its
    /// URL to read a certificate from it.
    pub(crate) fn certificate_client(&self, vault: &Vault, client_id: Option<&str>) -> Result<SecretClient, Failure> {
        let allowed = self.vaults()?;
        let is_allowed = allowed.contains(vault) || allowed.is_empty() && vault.cloud().is_some();
        if !is_allowed {
            let advice = format!("allow it with --vault {}", vault.origin());
            let text = format!("vault was not named on the command line: {advice}");
            return Err(Failure::Other { text, code: 4 });
        }
        let credential = &self.connection.credential;
        let credential = match client_id {
            Some(client_id) => credential.managed_identity(client_id)?,
            None => credential.credential()?,
        };
        Ok(self.connection.client_builder(vault.origin())?.credential(credential).build()?)
    }
}

/// Parses what people paste for a vault: its name, its host, its URL, or the URL of one or all of its secrets.
fn parse_vault(text: &str, cloud: Cloud) -> Result<Vault, ParseError> {
    if is_url(text)
        && let Ok(id) = SecretId::parse(&with_scheme(text))
    {
        return Ok(id.vault().clone());
    }
    let text = text.strip_prefix("//").unwrap_or(text).trim_end_matches('/');
    let text = text.strip_suffix("/secrets").unwrap_or(text);
    Vault::from_name_or_url(text, cloud).or_else(|error| {
        // A misspelt host of Azure comes with help. Any other host is one that the user named.
        if is_url(text) && error.help().is_none() { Vault::parse(&with_scheme(text)) } else { Err(error) }
    })
}

/// Adds the scheme to a host that was pasted without it.
fn with_scheme(text: &str) -> String {
    let text = text.strip_prefix("//").unwrap_or(text);
    if text.contains("://") { text.to_owned() } else { format!("https://{text}") }
}

fn is_url(text: &str) -> bool {
    text.contains(['/', ':', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_is_accepted_as_people_paste_it() {
        for text in [
            "contoso",
            "contoso.vault.azure.net",
            "contoso.vault.azure.net/",
            "//contoso.vault.azure.net",
            "https://contoso.vault.azure.net",
            "https://contoso.vault.azure.net:443/",
            "https://contoso.vault.azure.net/secrets/",
            "https://contoso.vault.azure.net/secrets/db",
            "contoso.vault.azure.net/secrets/db/0123456789abcdef0123456789abcdef",
        ] {
            let vault = parse_vault(text, Cloud::Public).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(vault.origin(), "https://contoso.vault.azure.net", "{text}");
        }
        assert_eq!(parse_vault("localhost:8443/", Cloud::Public).unwrap().origin(), "https://localhost:8443");
        for text in [
            "http://contoso.vault.azure.net",
            "https://contoso.vault.azure.net/keys/db",
            "contoso.vault.azure.net:8443",
            "contoso.vault.azur.net",
            "contoso.vaults.azure.net/secrets/",
            "a:b:c",
            "x",
            "/",
        ] {
            assert!(parse_vault(text, Cloud::Public).is_err(), "{text}");
        }
    }
}
