//! The examples of this package print no secret.

use keyvault_examples_support::PASSWORD_PREFIX;
use keyvault_test_support::example::{assert_no_leak, assert_searchable, run_to_success};

/// The secrets that the quickstart sets.
const SECRETS: [&str; 6] = [
    "correct horse battery staple",
    "a new password after the rotation",
    "live-key-0123456789",
    "the key that signed the old invoices",
    "a newer key that no setting reads",
    "not used: the file sets the host",
];

#[test]
fn the_quickstart_prints_no_secret() {
    for arguments in [&[][..], &["--with", "config"]] {
        let output = run_to_success("quickstart", arguments);
        assert_no_leak("quickstart", &output, &SECRETS);
        assert!(String::from_utf8_lossy(&output).contains("──"), "the quickstart has no headings");
    }
}

#[test]
fn an_api_key_that_rotates_under_load_is_not_printed() {
    assert_no_leak("api_key", &run_to_success("api_key", &[]), &[PASSWORD_PREFIX]);
}

#[test]
fn managed_secrets_are_not_printed() {
    assert_no_leak("manage_secrets", &run_to_success("manage_secrets", &[]), &[PASSWORD_PREFIX]);
}

#[test]
fn the_check_finds_each_secret_of_the_quickstart() {
    assert_searchable(include_str!("../quickstart.rs"), &SECRETS);
}
