//! The error of a certificate that cannot be created.

use std::error::Error;
use std::fmt;

/// The reason why a [`Certificate`](crate::Certificate) cannot be created.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CertificateError {
    /// The name is not a valid host name.
    Name,
    /// The private key in PKCS#8 is missing or cannot be parsed.
    Key,
    /// The certificate is missing or cannot be parsed.
    Certificate,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "the name is not a valid host name",
            Self::Key => "the private key in PKCS#8 (BEGIN PRIVATE KEY) is missing or cannot be parsed",
            Self::Certificate => "the certificate (BEGIN CERTIFICATE) is missing or cannot be parsed",
        })
    }
}

impl Error for CertificateError {}
