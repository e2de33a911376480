//! Certificates are read with any provider of rustls.

use std::process::Command;
use std::sync::Arc;

use keyvault::certificate::Certificate;
use rustls::crypto::{CryptoProvider, KeyProvider, ring};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

use super::openssl::{KEYS, Openssl};

/// A provider whose keys do not tell their public keys, which is the default of the trait.
#[derive(Debug)]
struct Silent;

impl KeyProvider for Silent {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Ok(Arc::new(SilentKey(ring::sign::any_supported_type(&key)?)))
    }
}

#[derive(Debug)]
struct SilentKey(Arc<dyn SigningKey>);

impl SigningKey for SilentKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        self.0.choose_scheme(offered)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

#[test]
fn a_key_that_does_not_tell_its_public_key_finds_its_certificate() {
    // A process has one provider, so this one has its own.
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "--ignored", "--nocapture", "providers::read_with_a_silent_provider"]);
    let output = child.output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    // The line would be lost with the other output of the child.
    text.lines().filter(|line| line.contains("SKIPPED")).for_each(|line| eprintln!("{line}"));
}

#[test]
#[ignore = "needs a process of its own, which the test above starts"]
fn read_with_a_silent_provider() {
    CryptoProvider { key_provider: &Silent, ..ring::default_provider() }.install_default().unwrap();
    for kind in KEYS {
        let Some(openssl) = Openssl::with_chain(kind) else { return };
        openssl.key("foreign", kind);
        let chain = ["root.pem", "middle.pem", "leaf.pem"].map(|name| openssl.text(name)).concat();
        let certificate = Certificate::from_bytes(chain.clone() + &openssl.text("leaf.key")).unwrap();
        assert!(certificate.certified_key().key.public_key().is_none());
        assert_eq!(certificate.rustls_chain()[0].as_ref(), openssl.der("leaf"), "{kind:?}");
        let error = Certificate::from_bytes(chain + &openssl.text("foreign.key")).unwrap_err();
        assert_eq!(error.to_string(), "private key does not belong to the certificate", "{kind:?}");
    }
    Certificate::from_bytes(include_bytes!("vectors/rsa_without_parameters.pem")).unwrap();
}
