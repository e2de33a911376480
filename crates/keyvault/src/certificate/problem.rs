//! The reason that a certificate cannot be used.

use std::fmt;

use serde::de::Expected;

use crate::error::{Error, ErrorKind};

/// The reason that a certificate cannot be read or used. It holds no part of the input.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Problem {
    NotACertificate,
    TooLarge,
    Unparsable,
    NoKey,
    NoCertificate,
    ForeignKey,
    UnsupportedKey,
    OpensshKey,
    OldEncryption,
    NoProvider,
    DamagedContainer,
    WrongPassword,
    UnsupportedContainer,
    TooManyIterations,
    Expired,
    NotYetValid,
    NoCertificates,
}

impl Problem {
    const ALL: [Self; 17] = [
        Self::NotACertificate,
        Self::TooLarge,
        Self::Unparsable,
        Self::NoKey,
        Self::NoCertificate,
        Self::ForeignKey,
        Self::UnsupportedKey,
        Self::OpensshKey,
        Self::OldEncryption,
        Self::NoProvider,
        Self::DamagedContainer,
        Self::WrongPassword,
        Self::UnsupportedContainer,
        Self::TooManyIterations,
        Self::Expired,
        Self::NotYetValid,
        Self::NoCertificates,
    ];

    fn clause(self) -> &'static str {
        match self {
            Self::NotACertificate => "value is not a certificate",
            Self::TooLarge => "certificate is too large",
            Self::Unparsable => "certificate cannot be parsed",
            Self::NoKey => "certificate has no private key",
            Self::NoCertificate => "private key has no certificate",
            Self::ForeignKey => "private key does not belong to the certificate",
            Self::UnsupportedKey => "private key of the certificate is not supported",
            Self::OpensshKey => "private key is in the format of OpenSSH",
            Self::OldEncryption => "private key has the old encryption of PEM",
            Self::NoProvider => "no cryptography provider for TLS is installed",
            Self::DamagedContainer => "PKCS#12 container cannot be parsed",
            Self::WrongPassword => "password of the certificate is missing or wrong",
            Self::UnsupportedContainer => "encryption of the certificate is not supported",
            Self::TooManyIterations => "iteration count of the PKCS#12 container is too high",
            Self::Expired => "certificate has expired",
            Self::NotYetValid => "certificate is not valid yet",
            Self::NoCertificates => "server has no certificate",
        }
    }

    /// Returns the expectation of the type `Certificate`, for an error of serde.
    fn expectation(self) -> String {
        format!("a certificate in PKCS#12 or PEM ({})", self.clause())
    }

    /// Returns whether `text` is one of our own expectations, which hold no value.
    pub(crate) fn is_expectation(text: &str) -> bool {
        Self::ALL.iter().any(|problem| problem.expectation() == text)
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Error::new(ErrorKind::InvalidSettings, problem.clause()).with_help(match problem {
            Problem::NotACertificate => {
                "store PKCS#12 as base64, PEM with the key and the chain, or JSON with data and password"
            }
            Problem::TooLarge => "store the key and its own chain only: 1 MiB, 10 keys and 100 certificates at most",
            Problem::Unparsable => "export the certificate again: a block of its PEM, or its DER, is damaged",
            Problem::NoKey => {
                "read the secret of the certificate, and make its key exportable in the certificate's policy"
            }
            Problem::NoCertificate => "store the certificates beside the key: the secret has the key alone",
            Problem::ForeignKey => "store the key together with the certificate that was issued for it",
            Problem::UnsupportedKey => {
                "use RSA of 2048, 3072 or 4096 bits, P-256, P-384 or Ed25519; the feature aws-lc-rs adds more"
            }
            Problem::OpensshKey => "convert the file of the key in its place: ssh-keygen -p -m PKCS8 -f app.key",
            Problem::OldEncryption => "convert the key: openssl pkcs8 -topk8 -nocrypt -in app.key -out new.key",
            Problem::NoProvider => "enable the feature ring or aws-lc-rs of keyvault, or install a provider of rustls",
            Problem::DamagedContainer => "export the container again and store all of it, as base64",
            Problem::WrongPassword => {
                "store it without a password, or as JSON with data and password; the vault protects the secret"
            }
            Problem::UnsupportedContainer => "export it with AES-256 and SHA-256, as current tools do, or as PEM",
            Problem::TooManyIterations => "export it again with fewer iterations, such as 2048",
            Problem::Expired => "renew the certificate; a certificate of the vault is renewed by its issuance policy",
            Problem::NotYetValid => "wait until the certificate is valid, or compare the clock of this machine",
            Problem::NoCertificates => "give at least one certificate; the first one is the default",
        })
    }
}

impl Expected for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.expectation())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_problem_is_a_known_expectation_with_a_clause_and_a_remedy_of_its_own() {
        let clauses: BTreeSet<&str> = Problem::ALL.into_iter().map(Problem::clause).collect();
        let errors = Problem::ALL.map(Error::from);
        let remedies: BTreeSet<Option<&str>> = errors.iter().map(Error::advice).collect();
        assert_eq!([clauses.len(), remedies.len()], [Problem::ALL.len(); 2]);
        assert!(!remedies.contains(&None));
        assert!(Problem::ALL.iter().all(|problem| Problem::is_expectation(&problem.expectation())));
        assert!(!Problem::is_expectation("a certificate in PKCS#12 or PEM (canary)"));
    }
}
