//! An authority that issues certificates, and what `openssl` says about files.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use keyvault_emulator::{Certificate, SetSecret};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A private key and the certificate for it, as PEM.
pub(crate) struct Issued {
    pub(crate) key: String,
    pub(crate) chain: String,
    pub(crate) der: Vec<u8>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority"))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Issues a certificate for `name`, valid for a year.
    pub(crate) fn issue(&self, name: &str) -> Issued {
        self.issue_between(name, -DAY, 365 * DAY)
    }

    /// Issues a certificate that is valid between two times, in seconds from now.
    pub(crate) fn issue_between(&self, name: &str, not_before: i64, expires: i64) -> Issued {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = from_now(not_before).into();
        params.not_after = from_now(expires).into();
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Issued { key: key.serialize_pem(), chain: certificate.pem() + &self.pem(), der: certificate.der().to_vec() }
    }
}

pub(crate) const DAY: i64 = 86_400;

fn from_now(seconds: i64) -> SystemTime {
    let time = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { SystemTime::now() - time } else { SystemTime::now() + time }
}

impl Issued {
    pub(crate) fn pem(&self) -> String {
        self.key.clone() + &self.chain
    }

    /// Returns the secret of a certificate in the vault: PKCS#12 in base64.
    pub(crate) fn managed(&self) -> SetSecret {
        SetSecret::certificate(Certificate::from_pem(&self.pem()).expect("a certificate"))
    }

    /// Returns a part of the private key that no output may have.
    pub(crate) fn key_part(&self) -> &str {
        self.key.lines().nth(1).expect("a line of the key")
    }
}

/// Runs `openssl` in a directory and returns its output, or returns `None` if it is not installed.
///
/// # Panics
///
/// In CI if `openssl` is not installed, and if it fails.
pub(crate) fn openssl(directory: &Path, arguments: &[&str]) -> Option<String> {
    match Command::new("openssl").args(arguments).current_dir(directory).output() {
        Ok(output) => {
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "openssl {}: {error}", arguments.join(" "));
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "openssl: {error}");
            eprintln!("SKIPPED: openssl: {error}");
            None
        }
    }
}
