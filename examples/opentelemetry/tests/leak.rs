//! The example of this package prints no secret.

use keyvault_test_support::example::{assert_no_leak, assert_searchable, run_to_success};

const SECRETS: [&str; 2] = ["a password before the rotation", "a password after the rotation"];

#[test]
fn opentelemetry_gets_no_secret() {
    assert_no_leak("opentelemetry", &run_to_success("opentelemetry", &[]), &SECRETS);
}

#[test]
fn the_check_finds_each_secret_of_the_example() {
    assert_searchable(include_str!("../opentelemetry.rs"), &SECRETS);
}
