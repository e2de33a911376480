//! The official clients of Python and JavaScript, unchanged, under `keyvault emulator -- COMMAND`.

use std::path::{Path, PathBuf};

use crate::fixture::{CommandOutput, keyvault, run, write_in};

/// The directory where `.ci/sdks` installs the clients.
fn installed() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk")
}

/// Runs a test file of `tests/sdk` with a vault. Prints a line and returns `None` if `marker` is not installed. Panics
/// in CI in this case.
async fn run_tests(marker: &str, program: &[&str], file: &str) -> Option<CommandOutput> {
    let path = installed().join(marker);
    if !path.exists() {
        assert!(std::env::var_os("CI").is_none(), "the official clients are not installed: run .ci/sdks");
        eprintln!("SKIPPED: the official clients are not installed (.ci/sdks)");
        return None;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let seed = write_in(&directory, "seed.toml", "seeded = 'from the seed'\n");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(file);
    let mut command = keyvault();
    command.args(["emulator", "--seed", &seed, "--"]).args(program).arg(tests);
    command.env("NODE_PATH", installed().join("node_modules")).current_dir(directory.path());
    Some(run(command).await)
}

#[tokio::test]
async fn the_python_client_works_without_a_change_of_the_trust_store() {
    let python = installed().join("bin/python");
    let python = python.to_str().expect("the path is text");
    let Some(output) = run_tests("bin/python", &[python], "secrets_test.py").await else {
        return;
    };
    output.assert_code(0);
    assert!(output.err.contains("Ran 4 tests"), "{}", output.err);
}

#[tokio::test]
async fn the_javascript_client_works_without_a_change_of_the_trust_store() {
    let Some(output) = run_tests("node_modules/@azure/keyvault-secrets", &["node", "--test"], "secrets.test.cjs").await
    else {
        return;
    };
    output.assert_code(0);
    assert!(output.out.contains("# pass 4"), "{}", output.out);
}
