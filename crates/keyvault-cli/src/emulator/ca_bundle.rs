//! The certificate authorities that the command of the emulator trusts.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};

use pem::Pem;
use tempfile::NamedTempFile;

/// Writes a bundle with the emulator's authority and those that the command would trust without the emulator, so that
/// it still reaches other servers. Dropping the file removes it.
///
/// # Errors
///
/// The file cannot be written. An authority of the system that cannot be read is left out.
pub(super) fn write(emulator: &str) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix("keyvault-ca-").suffix(".pem").tempfile()?;
    file.write_all(emulator.as_bytes())?;
    for certificate in trusted_without_emulator() {
        file.write_all(pem::encode(&Pem::new(CERTIFICATE, certificate)).as_bytes())?;
    }
    file.flush()?;
    Ok(file)
}

/// Returns the authorities of the system and of our environment, in DER, each once.
fn trusted_without_emulator() -> BTreeSet<Vec<u8>> {
    // This reads SSL_CERT_FILE and SSL_CERT_DIR if they are set.
    let system = rustls_native_certs::load_native_certs().certs;
    let mut trusted: BTreeSet<Vec<u8>> = system.iter().map(|certificate| certificate.to_vec()).collect();
    for name in BUNDLE_VARIABLES {
        let text = std::env::var_os(name).and_then(|path| fs::read(path).ok()).unwrap_or_default();
        let blocks = pem::parse_many(text).unwrap_or_default();
        trusted.extend(blocks.into_iter().filter(|block| block.tag() == CERTIFICATE).map(Pem::into_contents));
    }
    trusted
}

/// The variables that name a file with authorities.
pub(super) const BUNDLE_VARIABLES: [&str; 5] =
    ["SSL_CERT_FILE", "KEYVAULT_CA_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"];

const CERTIFICATE: &str = "CERTIFICATE";
