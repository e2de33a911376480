//! The examples of this package print no password.

use keyvault_examples_support::PASSWORD_PREFIX;
use keyvault_test_support::example::{assert_no_leak, run_to_success};
use keyvault_test_support::postgres::Postgres;

#[test]
fn no_password_of_a_database_is_printed() {
    for name in ["postgres_sqlx", "postgres_deadpool"] {
        if Postgres::is_installed_or_skipped(name) {
            assert_no_leak(name, &run_to_success(name, &["--rotations", "6"]), &[PASSWORD_PREFIX]);
        }
    }
}
