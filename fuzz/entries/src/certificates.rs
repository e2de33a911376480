//! Certificates, which anyone who may write a secret chooses.

use keyvault::certificate::Certificate;

use crate::{CANARY, assert_error_is_value_free, assert_value_free};

/// Checks a certificate: the result is a certificate that every output has again, or an error without a part of the
/// input. The first byte chooses between the passwords.
pub(crate) fn certificate(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let password = if choice % 2 == 0 { "" } else { CANARY };
    match Certificate::from_bytes_with_password(data, password) {
        Err(error) => assert_error_is_value_free(&error),
        Ok(certificate) => {
            assert_value_free(&certificate);
            // rustls may refuse the form of a certificate, but the key is that of the certificate.
            let matched = format!("{:?}", certificate.certified_key().keys_match());
            assert!(!matched.contains("InconsistentKeys"), "the key is another one");
            let pem = certificate.pem();
            for written in [pem.as_bytes(), &certificate.pfx()] {
                assert_eq!(Certificate::from_bytes(written).unwrap().pem(), pem, "a written certificate differs");
            }
        }
    }
}
