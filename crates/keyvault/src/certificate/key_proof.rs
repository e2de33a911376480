//! The proof that a certificate is that of a private key.

use rustls::SignatureScheme;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::sign::SigningKey;

use super::der_reader::{encoded, sequence};
use super::der_writer::{SEQUENCE, element};
use super::password::Budget;
use super::x509::PublicKey;

/// What a private key shows of itself.
pub(super) enum KeyProof {
    PublicKey(PublicKey),
    /// A signature of [`TEXT`], because some providers of rustls do not tell the public key.
    Signature(SignatureScheme, Vec<u8>),
}

impl KeyProof {
    /// Returns `None` if the key does not sign by any of `algorithms`.
    pub(super) fn of(key: &dyn SigningKey, algorithms: &WebPkiSupportedAlgorithms) -> Option<Self> {
        if let Some(info) = key.public_key() {
            let [algorithm, bits] = sequence(&info).ok()?[..] else { return None };
            let (algorithm, bits) = (encoded(algorithm).ok()?.to_vec(), bits.value().get(1..)?.to_vec());
            return Some(Self::PublicKey(PublicKey { algorithm, bits }));
        }
        let schemes: Vec<SignatureScheme> = algorithms.mapping.iter().map(|(scheme, _)| *scheme).collect();
        let signer = key.choose_scheme(&schemes)?;
        Some(Self::Signature(signer.scheme(), signer.sign(TEXT).ok()?))
    }

    /// Returns whether `public_key`, that of a certificate, is that of the private key.
    pub(super) fn is_of(
        &self,
        public_key: &PublicKey,
        algorithms: &WebPkiSupportedAlgorithms,
        budget: &Budget,
    ) -> bool {
        let (scheme, signature) = match self {
            Self::PublicKey(own) => return public_key.is(own),
            Self::Signature(scheme, signature) => (scheme, signature),
        };
        let of_scheme = algorithms.mapping.iter().filter(|(known, _)| known == scheme);
        of_scheme.flat_map(|(_, algorithms)| *algorithms).any(|it| {
            let algorithm = element(SEQUENCE, &[it.public_key_alg_id().as_ref()]).to_vec();
            public_key.is(&PublicKey { algorithm, bits: public_key.bits.clone() })
                && budget.take_check().is_ok()
                && it.verify_signature(&public_key.bits, TEXT, signature).is_ok()
        })
    }
}

/// Nothing else signs this text, and the signature is not kept.
const TEXT: &[u8] = b"keyvault: the certificate of a private key";
