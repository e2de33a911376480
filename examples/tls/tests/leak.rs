//! The example of this package prints no private key.

use keyvault_test_support::example::{assert_no_leak, run_to_success};

#[test]
fn a_certificate_that_rotates_under_load_is_not_printed() {
    let output = run_to_success("tls_certificate", &[]);
    assert_no_leak("tls_certificate", &output, &["-----BEGIN PRIVATE KEY-----"]);
}
