//! The kinds of files that are written for a certificate.

use azure_core::base64;
use keyvault::certificate::Certificate;
use zeroize::Zeroizing;

/// A kind of file. The names are those of `Format=` in references.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, clap::ValueEnum)]
pub(super) enum FileFormat {
    /// The certificate, its issuers and then the private key in one file, VAULT.NAME
    Pem,
    /// The certificate and its issuers, VAULT.NAME.pem
    Chain,
    /// The private key in PKCS#8, VAULT.NAME.keyid
    Key,
    /// PKCS#12 without a password, VAULT.NAME.pfx
    Pfx,
}

impl FileFormat {
    /// Returns the end of the file's name: that of the VM extension, version 3.0 for one file and version 4 for two.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Pem => "",
            Self::Chain => ".pem",
            Self::Key => ".keyid",
            Self::Pfx => ".pfx",
        }
    }

    /// Returns the content of the file. `value` is the secret that `certificate` was read from.
    pub(super) fn content(self, certificate: &Certificate, value: &str) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Pem => {
                let (chain, key) = (certificate.chain_pem(), certificate.key_pem());
                Zeroizing::new([chain.as_bytes(), key.as_bytes()].concat())
            }
            Self::Chain => Zeroizing::new(certificate.chain_pem().into_bytes()),
            Self::Key => Zeroizing::new(certificate.key_pem().as_bytes().to_vec()),
            Self::Pfx => container(value).unwrap_or_else(|| certificate.pfx()),
        }
    }
}

/// Returns the container that a vault keeps as base64, with everything else that it has. `None` for other forms.
///
/// The certificate in `value` could be read, so the container has no password.
fn container(value: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = Zeroizing::new(base64::decode(value.trim_ascii()).ok()?);
    // A sequence of more than 127 bytes. No text has such a second byte.
    matches!(bytes[..], [0x30, 0x80..=0x84, ..]).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_text_is_no_container() {
        let base64 = |bytes: &[u8]| base64::encode(bytes);
        for text in ["0", "0: -----BEGIN PRIVATE KEY-----", "0é -----BEGIN PRIVATE KEY-----", "-----BEGIN", "{}", ""] {
            assert_eq!(container(&base64(text.as_bytes())), None, "{text}");
        }
        let [der, ber] = [[0x30, 0x82, 1, 0], [0x30, 0x80, 2, 1]];
        for bytes in [der, ber] {
            assert_eq!(container(&format!("{}\n", base64(&bytes))).unwrap()[..], bytes);
        }
    }
}
