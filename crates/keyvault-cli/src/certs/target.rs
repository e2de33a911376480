//! A certificate of a vault and the files that it is written to.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use keyvault::certificate::Certificate;
use keyvault::{Secret, SecretClient, SecretId};

use super::files::{CertificateFile, CertificateFiles};
use super::format::FileFormat;
use crate::access::Access;
use crate::certificate_dates::{CertificateDates, summary};
use crate::failure::Failure;

/// A certificate of a vault and the files that it is written to.
pub(super) struct Target {
    pub(super) id: SecretId,
    pub(super) client: SecretClient,
    pub(super) directory: PathBuf,
    /// Whether others than the owner may read a file of the directory.
    pub(super) is_shared: bool,
    /// The name that programs open, without the suffix of a format.
    pub(super) link: String,
    pub(super) access: Access,
    pub(super) formats: Arc<[FileFormat]>,
}

/// A version of a certificate, ready to be written.
pub(super) struct Renewal {
    pub(super) version: String,
    /// When the vault created the version.
    pub(super) created: Option<SystemTime>,
    pub(super) dates: CertificateDates,
    /// The names and the date, for a person.
    pub(super) summary: String,
    pub(super) files: CertificateFiles,
    /// Whether one of the files was written.
    pub(super) is_written: bool,
}

impl Target {
    /// Returns the name that the VM extension gives: `contoso.tls`. A vault with another host than those of Azure may
    /// have a port, and Windows has no `:` in names.
    pub(super) fn default_link(id: &SecretId) -> String {
        let is_kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        let vault = id.vault().name().replace(|c| !is_kept(c), "-");
        format!("{vault}.{}", id.name())
    }

    /// Fetches the certificate and converts it for its files.
    ///
    /// # Errors
    ///
    /// The vault's error; or the secret is no certificate with its private key, or one that is not valid now.
    pub(super) async fn fetch(&self, now: SystemTime) -> Result<Renewal, Failure> {
        let name = self.id.name().as_str();
        let secret = match self.id.version() {
            Some(version) => self.client.get_version(name, &version.to_string()).await?,
            None => self.client.get(name).await?,
        };
        let certificate = Certificate::from_secret(&secret)?;
        certificate.check_dates(now).map_err(|error| error.about(secret.id()))?;
        Ok(self.renewal(&secret, &certificate))
    }

    fn renewal(&self, secret: &Secret, certificate: &Certificate) -> Renewal {
        let version = secret.id().version();
        let version = version.map_or_else(|| certificate.thumbprint().to_owned(), |version| version.to_string());
        let file = |format: &FileFormat| CertificateFile {
            link: format!("{}{}", self.link, format.suffix()),
            base: format!("{}.", Self::default_link(&self.id)),
            version: version.clone(),
            suffix: format.suffix(),
            content: format.content(certificate, secret.expose_secret()),
        };
        let files = self.formats.iter().map(file).collect();
        Renewal {
            created: secret.properties().created(),
            dates: CertificateDates::of(certificate),
            summary: summary(certificate),
            files: CertificateFiles {
                directory: self.directory.clone(),
                is_shared: self.is_shared,
                access: self.access.clone(),
                files,
            },
            is_written: false,
            version,
        }
    }

    /// Returns the paths that programs open.
    pub(super) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.formats.iter().map(|format| self.directory.join(format!("{}{}", self.link, format.suffix())))
    }

    /// Returns the common part of these paths, for messages.
    pub(super) fn path(&self) -> PathBuf {
        self.directory.join(&self.link)
    }
}
