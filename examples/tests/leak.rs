//! No example shows the secrets that it sets, or a token: each is run as a user runs it, with everything on that makes
//! programs talk.

#[allow(dead_code, reason = "shared with the tests of the library, which need all of it")]
#[path = "../../tests/leak/canary.rs"]
mod canary;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use self::canary::{Canary, Finder};

/// What the examples put into their vaults.
const SECRETS: [&str; 6] = [
    "correct horse battery staple",
    "a new password that nobody has seen",
    "live-key-0123456789",
    "a password from the time of the outage",
    "a newer key, which the settings do not ask for",
    "only without the file",
];

/// Runs an example that needs no server, and gives everything that it says.
fn run(name: &str, arguments: &[&str]) -> Vec<u8> {
    let tests: PathBuf = std::env::current_exe().expect("this test has a path");
    let built = tests.parent().and_then(|deps| deps.parent()).expect("tests are built in a directory of their own");
    let mut command = Command::new(built.join("examples").join(name));
    command.args(arguments).stdin(Stdio::null());
    command.env("RUST_LOG", "trace").env("AZURE_LOG_LEVEL", "verbose").env("RUST_BACKTRACE", "full");
    let output = command.output().expect("cargo test without a choice of targets builds the examples first");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && !said.is_empty(), "{name}: {}", String::from_utf8_lossy(&said));
    said
}

#[test]
fn no_example_shows_a_secret_or_a_token() {
    let secrets = SECRETS.map(Canary::of);
    let finder = Finder::new(&secrets);
    for (name, arguments) in [
        ("quickstart", &[][..]),
        ("quickstart", &["--with", "config"]),
        ("webhook", &[]),
        ("readiness", &[]),
        ("outage", &[]),
    ] {
        let said = run(name, arguments);
        let hits = finder.hits(&said);
        assert!(hits.is_empty(), "{name} {arguments:?} lets out:\n{}", hits.join("\n"));
        let text = String::from_utf8_lossy(&said);
        assert!(text.contains("──") || text.contains("vault"), "{name} did nothing: {text}");
        assert!(!text.contains("eyJ") && !text.contains("Bearer "), "{name} lets a token out: {text}");
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
