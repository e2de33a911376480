//! The private keys of certificates.

use std::fmt;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PublicKeyData as _};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;

use super::certificate_error::CertificateError;
use super::pem_block;
use super::rsa_key;

/// The type and size of a private key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum KeyKind {
    /// RSA of 2048, 3072 or 4096 bits.
    Rsa(u32),
    /// ECDSA on the curve P-256.
    P256,
    /// ECDSA on the curve P-384.
    P384,
}

/// A private key in PKCS#8.
#[derive(Clone)]
pub(crate) struct PrivateKey(Vec<u8>);

impl PrivateKey {
    /// Generates a key. RSA takes up to some seconds.
    pub(crate) fn generate(kind: KeyKind) -> Self {
        #[cfg(test)]
        GENERATED.set(GENERATED.get() + 1);
        let on_curve = |curve| KeyPair::generate_for(curve).expect("the system has random bytes").serialize_der();
        Self(match kind {
            KeyKind::Rsa(bits) => rsa_key::generate(bits),
            KeyKind::P256 => on_curve(&PKCS_ECDSA_P256_SHA256),
            KeyKind::P384 => on_curve(&PKCS_ECDSA_P384_SHA384),
        })
    }

    /// Wraps a key in PKCS#8, without a check.
    pub(super) fn from_der(der: Vec<u8>) -> Self {
        Self(der)
    }

    /// Reads the first `BEGIN PRIVATE KEY`.
    pub(crate) fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| CertificateError::Key)?;
        Ok(Self(key.secret_pkcs8_der().to_vec()))
    }

    /// Returns the key for signing. Fails if the kind is none of [`KeyKind`], nor Ed25519.
    pub(super) fn pair(&self) -> Result<KeyPair, CertificateError> {
        KeyPair::try_from(&PrivatePkcs8KeyDer::from(self.0.as_slice())).map_err(|_| CertificateError::Key)
    }

    /// Returns the type and size. Fails for a key of another type.
    pub(crate) fn kind(&self) -> Result<KeyKind, CertificateError> {
        let pair = self.pair()?;
        if pair.is_compatible(&PKCS_ECDSA_P256_SHA256) {
            Ok(KeyKind::P256)
        } else if pair.is_compatible(&PKCS_ECDSA_P384_SHA384) {
            Ok(KeyKind::P384)
        } else {
            rsa_key::bits(pair.der_bytes()).map(KeyKind::Rsa).ok_or(CertificateError::Key)
        }
    }

    /// Returns the public key as a certificate contains it, without its algorithm.
    pub(super) fn public_key(&self) -> Result<Vec<u8>, CertificateError> {
        Ok(self.pair()?.der_bytes().to_vec())
    }

    /// Returns the key in PKCS#8.
    pub(super) fn der(&self) -> &[u8] {
        &self.0
    }

    /// Returns the key as PEM.
    pub(crate) fn pem(&self) -> String {
        pem_block::encode("PRIVATE KEY", &self.0)
    }
}

/// Never shows the key.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
thread_local! {
    /// The number of keys that the thread of a test generated.
    pub(crate) static GENERATED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_can_sign_and_knows_its_kind() {
        for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa(2048), KeyKind::Rsa(3072)] {
            let key = PrivateKey::generate(kind);
            assert_eq!(key.kind().unwrap(), kind);
            let read = PrivateKey::from_pem(&key.pem()).unwrap();
            assert_eq!(read.public_key().unwrap(), key.public_key().unwrap(), "{kind:?}");
            assert_eq!(format!("{read:?}"), "PrivateKey { .. }");
        }
        let (first, second) = (PrivateKey::generate(KeyKind::P256), PrivateKey::generate(KeyKind::P256));
        assert_ne!(first.der(), second.der());
    }
}
