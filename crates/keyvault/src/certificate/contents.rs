//! The keys and certificates of one value, in the order in which they were found.

use super::private_key::PrivateKey;
use super::problem::Problem;
use super::x509::X509;

#[derive(Default)]
pub(super) struct Contents {
    pub(super) keys: Vec<PrivateKey>,
    pub(super) certificates: Vec<X509>,
    /// The problem of the first part that cannot be read. It matters only if the other parts are not enough.
    pub(super) problem: Option<Problem>,
    /// Whether a part is damaged, which may be an issuer.
    pub(super) is_damaged: bool,
}

impl Contents {
    pub(super) fn add_key(&mut self, key: PrivateKey) -> Result<(), Problem> {
        if self.keys.len() == MOST_KEYS {
            return Err(Problem::TooLarge);
        }
        self.keys.push(key);
        Ok(())
    }

    /// Adds a certificate in DER, unless it is there already.
    pub(super) fn add_certificate(&mut self, der: &[u8]) -> Result<(), Problem> {
        if self.has_certificate(der) {
            return Ok(());
        }
        match X509::parse(der) {
            Ok(certificate) => self.push_certificate(certificate),
            Err(problem) => self.skip(problem),
        }
    }

    /// Adds other contents.
    pub(super) fn append(&mut self, other: Self) -> Result<(), Problem> {
        other.keys.into_iter().try_for_each(|key| self.add_key(key))?;
        for certificate in other.certificates {
            if !self.has_certificate(&certificate.der) {
                self.push_certificate(certificate)?;
            }
        }
        self.is_damaged |= other.is_damaged;
        other.problem.map_or(Ok(()), |problem| self.skip(problem))
    }

    /// Leaves out a part that cannot be read. The limits of size hold for all parts together.
    pub(super) fn skip(&mut self, problem: Problem) -> Result<(), Problem> {
        self.is_damaged |= problem == Problem::Unparsable;
        match problem {
            Problem::TooLarge => return Err(problem),
            // Text beside the certificate.
            Problem::NotACertificate => {}
            _ => _ = self.problem.get_or_insert(problem),
        }
        Ok(())
    }

    fn has_certificate(&self, der: &[u8]) -> bool {
        self.certificates.iter().any(|known| known.der == der)
    }

    fn push_certificate(&mut self, certificate: X509) -> Result<(), Problem> {
        if self.certificates.len() == MOST_CERTIFICATES {
            return Err(Problem::TooLarge);
        }
        self.certificates.push(certificate);
        Ok(())
    }
}

/// Each key may be tried with each certificate.
const MOST_KEYS: usize = 10;
const MOST_CERTIFICATES: usize = 100;
