//! The official clients and providers of Python and JavaScript, unchanged, under `keyvault emulator -- COMMAND`.

use std::path::{Path, PathBuf};

use crate::fixture::{CommandOutput, keyvault, run, write_in};

/// The directory where `.ci/sdks` installs the packages.
fn installed() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk")
}

/// Runs a test file of `tests/sdk` with an emulator that has these options. Prints a line and returns `None` if the
/// packages are not installed. Panics in CI in this case.
async fn run_tests(file: &str, options: &[&str]) -> Option<CommandOutput> {
    // The last package that the script installs.
    if !installed().join("node_modules/@azure/keyvault-certificates").exists() {
        assert!(std::env::var_os("CI").is_none(), "the official packages are not installed: run .ci/sdks");
        eprintln!("SKIPPED: the official packages are not installed (.ci/sdks)");
        return None;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let seed = write_in(&directory, "seed.toml", "seeded = 'from the seed'\n");
    let mut command = keyvault();
    command.args(["emulator", "--seed", &seed]).args(options).arg("--");
    if file.ends_with(".py") {
        command.arg(installed().join("bin/python"));
    } else {
        command.args(["node", "--test", "--test-reporter=tap"]).env("NODE_PATH", installed().join("node_modules"));
    }
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(file)).current_dir(directory.path());
    Some(run(command).await)
}

/// Runs a test file of Python, which has this number of tests.
async fn python(file: &str, options: &[&str], tests: usize) {
    let Some(output) = run_tests(file, options).await else { return };
    output.assert_code(0);
    assert!(output.err.contains(&format!("Ran {tests} tests")), "{}", output.err);
}

/// Runs a test file of JavaScript, which has this number of tests.
async fn javascript(file: &str, options: &[&str], tests: usize) {
    let Some(output) = run_tests(file, options).await else { return };
    output.assert_code(0);
    assert!(output.out.contains(&format!("# pass {tests}\n")), "{}", output.out);
}

const APP_CONFIGURATION: &[&str] = &["--app-configuration"];

#[tokio::test]
async fn the_python_client_works_without_a_change_of_the_trust_store() {
    python("secrets_test.py", &[], 4).await;
}

#[tokio::test]
async fn the_javascript_client_works_without_a_change_of_the_trust_store() {
    javascript("secrets.test.cjs", &[], 4).await;
}

#[tokio::test]
async fn the_python_client_of_certificates_creates_imports_renews_and_deletes() {
    python("certificates_test.py", &[], 8).await;
}

#[tokio::test]
async fn the_javascript_client_of_certificates_creates_imports_renews_and_deletes() {
    javascript("certificates.test.cjs", &[], 7).await;
}

#[tokio::test]
async fn the_python_client_of_app_configuration_performs_every_operation() {
    python("configuration_test.py", APP_CONFIGURATION, 23).await;
}

#[tokio::test]
async fn the_javascript_client_of_app_configuration_performs_every_operation() {
    javascript("configuration.test.cjs", APP_CONFIGURATION, 16).await;
}

#[tokio::test]
async fn the_python_provider_follows_app_configuration_and_the_vault() {
    python("configuration_provider_test.py", APP_CONFIGURATION, 9).await;
}

#[tokio::test]
async fn the_javascript_provider_follows_app_configuration_and_the_vault() {
    javascript("configuration_provider.test.cjs", APP_CONFIGURATION, 8).await;
}
