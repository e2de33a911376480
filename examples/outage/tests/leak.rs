//! The example of this package prints no secret.

use keyvault_test_support::example::{assert_no_leak, assert_searchable, run_to_success};

const SECRETS: [&str; 2] = ["correct horse battery staple", "a password rotated during the outage"];

#[test]
fn the_outage_prints_no_secret() {
    assert_no_leak("outage", &run_to_success("outage", &[]), &SECRETS);
}

#[test]
fn the_check_finds_each_secret_of_the_example() {
    assert_searchable(include_str!("../outage.rs"), &SECRETS);
}
