//! What a check says about the certificates among the secrets.

use std::time::SystemTime;

use keyvault::SecretId;
use keyvault::certificate::Certificate;
use keyvault::settings::Key;
use zeroize::Zeroizing;

use crate::certificate_dates::{CertificateDates, summary};
use crate::settings::{Entry, Problem};

/// Returns a value with a reference to a certificate that the user named.
pub(super) fn entry(id: &SecretId) -> Entry {
    let name = id.name().as_str();
    Entry {
        key: Key::root().member(name),
        origin: format!("--certificate {name}"),
        document: 0,
        text: Some(Zeroizing::new(format!("@KeyVault(SecretUri={};Format=pem)", id.url()))),
    }
}

/// Returns a problem if the certificate is not valid now.
pub(super) fn problem(id: &SecretId, certificate: &Certificate, now: SystemTime) -> Option<Problem> {
    let error = certificate.check_dates(now).err()?;
    Some(Problem { origin: id.to_string(), message: error.to_string(), code: 1 })
}

/// Returns the names and the expiry of the certificate, and a warning if that is soon.
pub(super) fn notes(id: &SecretId, certificate: &Certificate, now: SystemTime) -> impl Iterator<Item = Problem> {
    let warning = CertificateDates::of(certificate).warning(now);
    let note = |message| Problem { origin: id.to_string(), message, code: 0 };
    [Some(summary(certificate)), warning].into_iter().flatten().map(note)
}
