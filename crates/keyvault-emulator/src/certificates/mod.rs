//! X.509: certificates behind secrets, and the authority that signs those of the TLS listener.
//!
//! Reading order: [`certificate`] is a key with its chain, as a vault stores it, and [`summary`] is what a vault shows
//! of it; [`pkcs12`] writes it in that format and [`pkcs12_reader`] reads it within a [`hash_budget`], with
//! [`pkcs12_password`], [`pkcs12_cipher`] and [`pkcs12_key`]. [`ber`] parses what comes from outside, [`x509`] a
//! certificate and [`subject`] its names, each with its [`oid`]. [`x509_properties`] issue one by policy for a
//! [`private_key`], which [`rsa_key`] generates if it is of RSA; [`authority`] signs the certificates of the listener.

mod authority;
mod ber;
mod certificate;
mod certificate_error;
mod hash_budget;
mod oid;
mod pem_block;
mod pkcs12;
mod pkcs12_cipher;
mod pkcs12_key;
mod pkcs12_password;
mod pkcs12_reader;
mod private_key;
mod rsa_key;
mod subject;
mod summary;
mod x509;
mod x509_properties;

pub use certificate::Certificate;
pub use certificate_error::CertificateError;

pub(crate) use authority::CertificateAuthority;
pub(crate) use certificate::{PEM, PKCS12};
pub(crate) use private_key::{KeyKind, PrivateKey};
pub(crate) use summary::CertificateSummary;
pub(crate) use x509_properties::{AlternativeNames, X509Properties};

#[cfg(test)]
pub(crate) use private_key::GENERATED;
