//! Runs an example, with all logging turned on, and checks that it prints neither a secret nor a token.

use std::env;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::canary::{Canary, Finder};

/// Returns a command that runs an example of the package under test, with all logging turned on.
///
/// `cargo test` builds the examples of a package before it runs the package's tests.
///
/// # Panics
///
/// If the path of the current test is unknown.
pub fn example(name: &str, arguments: &[&str]) -> Command {
    let test = env::current_exe().expect("the test has a path");
    let profile = test.parent().and_then(Path::parent).expect("cargo puts tests in target/<profile>/deps");
    let mut command = Command::new(profile.join("examples").join(name));
    command.args(arguments).stdin(Stdio::null());
    command.env("RUST_LOG", "trace").env("AZURE_LOG_LEVEL", "verbose").env("RUST_BACKTRACE", "full");
    command
}

/// Runs an example and returns its result, with standard output and standard error in one text.
///
/// # Panics
///
/// If the example cannot be started.
pub fn run(command: &mut Command) -> (Output, Vec<u8>) {
    let output = command.output().expect("cargo test builds the examples unless a target is selected");
    let text = [&output.stdout[..], &output.stderr].concat();
    (output, text)
}

/// Runs an example that must succeed, and returns its output.
///
/// # Panics
///
/// If the example fails or prints nothing.
pub fn run_to_success(name: &str, arguments: &[&str]) -> Vec<u8> {
    let (output, text) = run(&mut example(name, arguments));
    assert!(output.status.success() && !text.is_empty(), "{name} failed: {}", String::from_utf8_lossy(&text));
    text
}

/// Checks that the output of an example contains none of `secrets` in any encoding, no token and no key.
///
/// # Panics
///
/// If it does.
pub fn assert_no_leak(name: &str, output: &[u8], secrets: &[&str]) {
    let canaries: Vec<Canary> = secrets.iter().copied().map(Canary::of).collect();
    let hits = Finder::new(&canaries).hits(output);
    assert!(hits.is_empty(), "{name} prints a secret:\n{}", hits.join("\n"));
    let text = String::from_utf8_lossy(output);
    for mark in ["eyJ", "Bearer ", "PRIVATE KEY", "BEGIN CERTIFICATE"] {
        assert!(!text.contains(mark), "{name} prints text with {mark:?}: {text}");
    }
    // A certificate and its key fill a page of base64.
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let longest = text.split(|c| !is_base64(c)).map(str::len).max().unwrap_or_default();
    assert!(longest < 100, "{name} prints {longest} base64 characters in a row: {text}");
}

/// Checks that each of `secrets` is in the source of an example, and that [`assert_no_leak`] would find it.
///
/// # Panics
///
/// If it is not.
pub fn assert_searchable(source: &str, secrets: &[&str]) {
    for secret in secrets {
        assert!(source.contains(secret), "the example no longer contains {secret:?}");
        let finder = Finder::new([&Canary::of(*secret)]);
        assert!(!finder.hits(format!("password = {secret:?}").as_bytes()).is_empty(), "{secret:?} is not found");
    }
}

/// Returns a random secret with characters that each encoding writes differently.
pub fn random_secret() -> String {
    Canary::secret().text().to_owned()
}

/// Returns random text in the form of a token.
pub fn random_token() -> String {
    Canary::token().text().to_owned()
}
