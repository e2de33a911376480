//! The example of this package prints neither a secret of the vault nor its token.

use std::fs;
use std::path::Path;

use keyvault_emulator::Emulator;
use keyvault_test_support::example::{assert_no_leak, example, random_secret, random_token, run};

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_a_measured_vault_is_printed() {
    let emulator = Emulator::start().await.expect("the emulator starts");
    let (first, second, token) = (random_secret(), random_secret(), emulator.token());
    emulator.set("first", &first);
    emulator.set("second", &second);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (authority, names) = (directory.join("leak-authority.pem"), directory.join("leak-names"));
    fs::write(&authority, emulator.ca_pem()).expect("cargo's temporary directory is writable");
    fs::write(&names, "first\nsecond\n").expect("cargo's temporary directory is writable");
    for mode in ["list", "names", "refs", "refresh"] {
        let mut command = example("load_secrets", &["--vault", emulator.vault_url(), "--mode", mode]);
        command.arg("--ca").arg(&authority).arg("--names").arg(&names).env("KEYVAULT_TOKEN", &token);
        let (result, output) = run(&mut command);
        assert!(result.status.success() && !output.is_empty(), "{mode}: {}", String::from_utf8_lossy(&output));
        assert_no_leak(mode, &output, &[&first, &second, &token]);
    }
    // The message of a refused request contains no token, either.
    let refused = random_token();
    let mut command = example("load_secrets", &["--vault", emulator.vault_url(), "--mode", "list"]);
    let (result, output) = run(command.arg("--ca").arg(&authority).env("KEYVAULT_TOKEN", &refused));
    assert!(!result.status.success() && !output.is_empty());
    assert_no_leak("a refused request", &output, &[&refused]);
}
