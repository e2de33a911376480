//! The form in which a setting takes a certificate.

use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// The part of a certificate, and its form, that replaces a reference.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Format {
    /// The private key and the chain, as PEM.
    Pem,
    /// The private key, as PEM in PKCS#8.
    Key,
    /// The chain, as PEM.
    Chain,
    /// Both, as the base64 of PKCS#12 without a password.
    Pfx,
}

impl Format {
    const ALL: [(&str, Self); 4] = [("pem", Self::Pem), ("key", Self::Key), ("chain", Self::Chain), ("pfx", Self::Pfx)];

    pub(super) fn parse(text: &str) -> Result<Self> {
        if !cfg!(feature = "certificates") {
            return Err(Error::invalid("certificates are not supported by this program")
                .with_help("build it with the feature certificates of keyvault"));
        }
        let known = Self::ALL.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, format)| format);
        known.ok_or_else(|| {
            Error::invalid("format is unknown")
                .with_help("write pem, key, chain or pfx, for a secret with a certificate")
        })
    }

    pub(super) fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }

    /// Returns the certificate in `text` in this form.
    #[cfg(feature = "certificates")]
    pub(super) fn of(self, text: &str) -> Result<Zeroizing<String>> {
        let certificate = crate::certificate::Certificate::from_bytes(text)?;
        Ok(match self {
            Self::Pem => certificate.pem(),
            Self::Key => certificate.key_pem(),
            Self::Chain => Zeroizing::new(certificate.chain_pem()),
            Self::Pfx => Zeroizing::new(azure_core::base64::encode(certificate.pfx())),
        })
    }

    /// Returns an error: without the feature, no format can be parsed.
    #[cfg(not(feature = "certificates"))]
    pub(super) fn of(self, _: &str) -> Result<Zeroizing<String>> {
        Self::parse(self.name()).map(|_| Zeroizing::default())
    }
}
