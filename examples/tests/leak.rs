//! No example shows the secrets that it sets, or a token: each is run as a user runs it, with everything on that makes
//! programs talk.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use keyvault_emulator::Emulator;
use keyvault_examples::{Postgres, new_password};
use keyvault_test_support::canary::{Canary, Finder};

/// What the examples put into their vaults.
const SECRETS: [&str; 6] = [
    "correct horse battery staple",
    "a new password that nobody has seen",
    "live-key-0123456789",
    "a password from the time of the outage",
    "a newer key, which the settings do not ask for",
    "only without the file",
];

/// What the passwords begin with that are made while an example runs.
const MADE: &str = "example-password";
const SOAKING: &str = "soaking-password";

/// Makes the command that runs an example, with everything on that makes programs talk.
fn example(name: &str, arguments: &[&str]) -> Command {
    let tests: PathBuf = std::env::current_exe().expect("this test has a path");
    let built = tests.parent().and_then(|deps| deps.parent()).expect("tests are built in a directory of their own");
    let mut command = Command::new(built.join("examples").join(name));
    command.args(arguments).stdin(Stdio::null());
    command.env("RUST_LOG", "trace").env("AZURE_LOG_LEVEL", "verbose").env("RUST_BACKTRACE", "full");
    command
}

/// Runs an example to its end, and gives everything that it says.
fn said(command: &mut Command) -> (Output, Vec<u8>) {
    let output = command.output().expect("cargo test without a choice of targets builds the examples first");
    let said = [&output.stdout[..], &output.stderr].concat();
    (output, said)
}

/// Runs an example, which must succeed and say something, and gives that.
fn run(name: &str, arguments: &[&str]) -> Vec<u8> {
    let (output, said) = said(&mut example(name, arguments));
    assert!(output.status.success() && !said.is_empty(), "{name}: {}", String::from_utf8_lossy(&said));
    said
}

/// Checks that neither a canary nor a token nor a key is in what an example said.
fn assert_tight(name: &str, said: &[u8], canaries: &[Canary]) {
    let hits = Finder::new(canaries).hits(said);
    assert!(hits.is_empty(), "{name} lets out:\n{}", hits.join("\n"));
    let text = String::from_utf8_lossy(said);
    for mark in ["eyJ", "Bearer ", "PRIVATE KEY", "BEGIN CERTIFICATE"] {
        assert!(!text.contains(mark), "{name} lets something with {mark:?} out: {text}");
    }
    // A certificate with its key is a page of base64.
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let longest = text.split(|c| !is_base64(c)).map(str::len).max().unwrap_or_default();
    assert!(longest < 100, "{name} lets something of {longest} letters out: {text}");
}

#[test]
fn a_key_rotates_under_load_and_nobody_sees_it() {
    assert!(new_password().starts_with(MADE));
    assert_tight("api_key", &run("api_key", &[]), &[Canary::of(MADE)]);
}

#[test]
fn a_certificate_rotates_under_load_and_nobody_sees_its_key() {
    assert_tight("tls_certificate", &run("tls_certificate", &[]), &[Canary::of("-----BEGIN PRIVATE KEY-----")]);
}

#[test]
fn passwords_of_a_database_rotate_under_load_and_nobody_sees_them() {
    for name in ["postgres_sqlx", "postgres_deadpool"] {
        if Postgres::is_installed_or_skipped(name) {
            assert_tight(name, &run(name, &["--rotations", "6"]), &[Canary::of(MADE)]);
        }
    }
}

/// Whether the service is in order after so short a time on a busy machine is not for this test to say.
#[test]
fn whatever_goes_wrong_in_the_soak_nobody_sees_the_password() {
    let (_, said) = said(&mut example("soak", &["--seconds", "15"]));
    assert_tight("soak", &said, &[Canary::of(SOAKING)]);
    let text = String::from_utf8_lossy(&said);
    assert!(text.contains("after the end"), "it did not come to its end: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_measures_a_vault_does_not_see_what_is_in_it() {
    let emulator = Emulator::start().await.expect("the emulator starts");
    let canaries = [Canary::secret(), Canary::secret(), Canary::of(emulator.token())];
    emulator.set("first", canaries[0].text());
    emulator.set("second", canaries[1].text());
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (authority, names) = (directory.join("leak-authority.pem"), directory.join("leak-names"));
    std::fs::write(&authority, emulator.ca_pem()).expect("there is a place for temporary files");
    std::fs::write(&names, "first\nsecond\n").expect("there is a place for temporary files");
    for mode in ["list", "names", "refs", "refresh"] {
        let mut command = example("load_secrets", &["--vault", emulator.vault_url(), "--mode", mode]);
        command.arg("--ca").arg(&authority).arg("--names").arg(&names).env("KEYVAULT_TOKEN", emulator.token());
        let (output, said) = said(&mut command);
        assert!(output.status.success() && !said.is_empty(), "{mode}: {}", String::from_utf8_lossy(&said));
        assert_tight(mode, &said, &canaries);
    }
    // What a refusal says has no secret in it, either.
    let mut command = example("load_secrets", &["--vault", emulator.vault_url(), "--mode", "list"]);
    let refused = Canary::token();
    let (output, said) = said(command.arg("--ca").arg(&authority).env("KEYVAULT_TOKEN", refused.text()));
    assert!(!output.status.success() && !said.is_empty());
    assert_tight("a refusal", &said, &[refused]);
}

#[test]
fn no_example_shows_a_secret_or_a_token() {
    let secrets = SECRETS.map(Canary::of);
    for (name, arguments) in [
        ("quickstart", &[][..]),
        ("quickstart", &["--with", "config"]),
        ("webhook", &[]),
        ("readiness", &[]),
        ("outage", &[]),
    ] {
        let said = run(name, arguments);
        assert_tight(name, &said, &secrets);
        let text = String::from_utf8_lossy(&said);
        assert!(text.contains("──") || text.contains("vault"), "{name} did nothing: {text}");
    }
}

#[test]
fn the_secrets_are_those_of_the_examples_and_would_be_found() {
    let sources = ["quickstart", "webhook", "readiness", "outage"].map(|name| {
        let path = format!("{}/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).expect("the example has a source")
    });
    for secret in SECRETS {
        assert!(sources.iter().any(|source| source.contains(secret)), "no example has {secret:?} any more");
        let finder = Finder::new([&Canary::of(secret)]);
        assert!(!finder.hits(format!("password = {secret:?}").as_bytes()).is_empty());
    }
}
