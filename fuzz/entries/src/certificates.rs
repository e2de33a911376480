//! Certificates, which anyone who may write a secret chooses.

use keyvault::certificate::Certificate;

use crate::{CANARY, assert_error_is_value_free, assert_value_free};

const RSA_WITHOUT_PARAMETERS: &[u8] = b"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";

/// Checks a certificate: the result is a certificate that every output has again, or an error without a part of the
/// input. The first byte chooses between the passwords.
pub(crate) fn certificate(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let password = if choice % 2 == 0 { "" } else { CANARY };
    match Certificate::from_bytes_with_password(data, password) {
        Err(error) => assert_error_is_value_free(&error),
        Ok(certificate) => {
            assert_value_free(&certificate);
            // rustls may refuse the form of a certificate, and one of RSA without parameters, but the key is that of
            // the certificate.
            let matched = format!("{:?}", certificate.certified_key().keys_match());
            let leaf = &certificate.rustls_chain()[0];
            let lacks_parameters =
                leaf.windows(RSA_WITHOUT_PARAMETERS.len()).any(|part| part == RSA_WITHOUT_PARAMETERS);
            assert!(lacks_parameters || !matched.contains("InconsistentKeys"), "the key is another one");
            let pem = certificate.pem();
            for written in [pem.as_bytes(), &certificate.pfx()] {
                assert_eq!(Certificate::from_bytes(written).unwrap().pem(), pem, "a written certificate differs");
            }
        }
    }
}
