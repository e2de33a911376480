//! X.509: certificates behind secrets, and the authority that signs those of the TLS listener.
//!
//! Reading order: [`certificate`] is a key with its chain, as a vault stores it; [`pkcs12`] writes it in that format;
//! [`authority`] signs the certificates of the listener.

mod authority;
mod certificate;
mod pkcs12;

pub use certificate::{Certificate, CertificateError};

pub(crate) use authority::CertificateAuthority;
pub(crate) use certificate::{PEM, PKCS12};
