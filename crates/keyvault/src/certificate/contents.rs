//! The keys and certificates of one value, in the order in which they were found.

use super::private_key::PrivateKey;
use super::problem::Problem;
use super::x509::X509;

#[derive(Default)]
pub(super) struct Contents {
    pub(super) keys: Vec<PrivateKey>,
    pub(super) certificates: Vec<X509>,
}

impl Contents {
    pub(super) fn add_key(&mut self, key: PrivateKey) -> Result<(), Problem> {
        if self.keys.len() == MOST_KEYS {
            return Err(Problem::TooLarge);
        }
        self.keys.push(key);
        Ok(())
    }

    /// Adds the contents of a container.
    pub(super) fn append(&mut self, other: Self) -> Result<(), Problem> {
        other.keys.into_iter().try_for_each(|key| self.add_key(key))?;
        other.certificates.iter().try_for_each(|certificate| self.add_certificate(&certificate.der))
    }

    /// Adds a certificate in DER, unless it is there already.
    pub(super) fn add_certificate(&mut self, der: &[u8]) -> Result<(), Problem> {
        if self.certificates.iter().any(|known| known.der == der) {
            return Ok(());
        }
        if self.certificates.len() == MOST_CERTIFICATES {
            return Err(Problem::TooLarge);
        }
        self.certificates.push(X509::parse(der)?);
        Ok(())
    }
}

/// Each key may be tried with each certificate.
const MOST_KEYS: usize = 10;
const MOST_CERTIFICATES: usize = 100;
