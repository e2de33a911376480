//! The examples of this package print no secret.

use keyvault_test_support::example::{assert_no_leak, assert_searchable, run_to_success};

const PASSWORD: &str = "correct horse battery staple";
const ROTATED: &str = "rotated without a valid event";

#[test]
fn the_readiness_endpoint_and_the_webhook_print_no_secret() {
    for name in ["readiness", "webhook"] {
        assert_no_leak(name, &run_to_success(name, &[]), &[PASSWORD, ROTATED]);
    }
}

#[test]
fn the_check_finds_each_secret_of_the_examples() {
    assert_searchable(include_str!("../readiness.rs"), &[PASSWORD]);
    assert_searchable(include_str!("../webhook.rs"), &[PASSWORD, ROTATED]);
}
