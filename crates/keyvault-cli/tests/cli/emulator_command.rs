//! `keyvault emulator -- COMMAND`.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::fixture::{self, CommandOutput, Fixture, path_in, run, send_signal, wait, write_in};

/// Returns the emulator with a shell script as its command. `$KEYVAULT` is the path of `keyvault`.
fn emulator(options: &[&str], script: &str) -> Command {
    let mut command = fixture::keyvault();
    command.arg("emulator").args(options).args(["--", "sh", "-c", script]);
    command.env("KEYVAULT", env!("CARGO_BIN_EXE_keyvault"));
    command
}

#[tokio::test]
async fn a_command_reads_the_vault_and_its_exit_code_is_returned() {
    let directory = tempfile::tempdir().expect("a directory");
    let seed = write_in(&directory, "seed.toml", "db = 'hunter2'\n");
    let mut command = emulator(&["--seed", &seed], "$KEYVAULT secret get db; exit 7");
    // The credentials of the caller, and a proxy that does not exist.
    command.env("KEYVAULT_TOKEN", "wrong").env("AZURE_FEDERATED_TOKEN_FILE", "/nowhere");
    command.env("HTTPS_PROXY", "http://127.0.0.1:1").env("HTTP_PROXY", "http://127.0.0.1:1");
    let output = run(command).await;
    output.assert_code(7);
    assert_eq!((output.out.trim_end(), output.err.as_str()), ("hunter2", ""));
}

#[tokio::test]
async fn a_command_has_the_app_configuration_store_if_asked_for() {
    let script = r#"echo "$AZURE_APPCONFIG_ENDPOINT $AZURE_APPCONFIG_CONNECTION_STRING $KEYVAULT_VAULT""#;
    let output = run(emulator(&["--app-configuration"], script)).await;
    let words: Vec<&str> = output.assert_code(0).out.split_whitespace().collect();
    let [endpoint, connection_string, vault] = *words else { panic!("{}", output.out) };
    assert_eq!(endpoint, vault);
    assert!(connection_string.starts_with(&format!("Endpoint={endpoint};Id=")), "{connection_string}");
    let mut command = emulator(&[], script);
    command.env_remove("AZURE_APPCONFIG_ENDPOINT").env_remove("AZURE_APPCONFIG_CONNECTION_STRING");
    assert_eq!(run(command).await.assert_code(0).out.split_whitespace().count(), 1);
}

#[tokio::test]
async fn a_signal_reaches_the_command_and_ends_both() {
    for (script, code) in
        [("trap 'exit 9' TERM; kill -TERM $PPID; while :; do sleep 0.01; done", 9), ("kill -KILL $$", 137)]
    {
        run(emulator(&[], script)).await.assert_code(code);
    }
}

#[tokio::test]
async fn a_signal_before_the_command_starts_leaves_no_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let temporary = tempfile::tempdir().expect("a directory");
    let pipe = path_in(&directory, "pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let mut command = emulator(&[], "exec sleep 60");
    command.env("TMPDIR", temporary.path()).env("NODE_EXTRA_CA_CERTS", &pipe);
    let child = command.spawn().expect("the command starts");
    // This waits for the emulator to read the authorities of the caller, which it does after it created the bundle.
    let open = tokio::task::spawn_blocking(|| std::fs::File::options().write(true).open(pipe).expect("a pipe"));
    let writer = open.await.expect("it ran");
    let files = || std::fs::read_dir(temporary.path()).expect("a directory").count();
    assert_eq!(files(), 1);
    send_signal(&child, "-TERM");
    drop(writer);
    wait(child).await.assert_code(143);
    assert_eq!(files(), 0);
}

#[tokio::test]
async fn a_command_that_does_not_exist_exits_with_127() {
    let mut command = fixture::keyvault();
    command.args(["emulator", "--", "no-such-command-7f3a"]);
    let output = run(command).await;
    output.assert_code(127);
    assert!(output.err.contains("no-such-command-7f3a: command not found"), "{}", output.err);
}

#[tokio::test]
async fn changes_of_a_command_are_kept_in_the_data_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = path_in(&directory, "vault.json");
    run(emulator(&["--data", &data], "echo 1 | $KEYVAULT secret set a")).await.assert_code(0);
    let output = run(emulator(&["--data", &data], "$KEYVAULT secret get a")).await;
    assert_eq!(output.assert_code(0).out.trim_end(), "1");
}

#[tokio::test]
async fn the_command_trusts_the_emulator_beside_the_authorities_of_the_caller() {
    let fixture = Fixture::start().await;
    let other = fixture.path("ca.pem");
    let script = r#"for name in SSL_CERT_FILE KEYVAULT_CA_FILE REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS; do
        eval "echo \$$name"; done; cat $SSL_CERT_FILE; echo $NO_PROXY; echo $no_proxy"#;
    for name in ["SSL_CERT_FILE", "KEYVAULT_CA_FILE", "NODE_EXTRA_CA_CERTS"] {
        let mut command = emulator(&[], script);
        command.env(name, &other).env("no_proxy", "db.internal").env_remove("NO_PROXY").env_remove("SSL_CERT_DIR");
        let output = run(command).await;
        let lines: Vec<&str> = output.assert_code(0).out.lines().collect();
        assert!(lines[..5].iter().all(|path| *path == lines[0] && *path != other), "{lines:?}");
        assert!(!Path::new(lines[0]).exists(), "the bundle is removed");
        assert_eq!(lines[lines.len() - 2..], ["db.internal,127.0.0.1,localhost"; 2]);
        let signature = fixture.read("ca.pem").lines().rev().nth(1).expect("a line of the certificate").to_owned();
        assert_eq!(lines.iter().filter(|line| **line == signature).count(), 1, "{name}: {}", output.out);
    }
}

async fn health(http: &str) -> CommandOutput {
    let mut command = fixture::keyvault();
    command.args(["emulator", "--health-check"]).env("KEYVAULT_EMULATOR_HTTP", http);
    run(command).await
}

#[tokio::test]
async fn the_health_check_finds_an_emulator_and_no_other_server() {
    let fixture = Fixture::start().await;
    let http = fixture.emulator.http_url().trim_start_matches("http://").to_owned();
    let output = health(&http).await;
    assert_eq!(output.assert_code(0).text(), "");
    let https = fixture.emulator.vault_url().trim_start_matches("https://");
    assert!(health(https).await.assert_code(1).err.contains("no emulator responds at"));
    fixture.emulator.stop().await;
    assert!(health(&http).await.assert_code(1).err.contains("no emulator responds at"));
    health("127.0.0.1:0").await.assert_code(2);
}

#[tokio::test]
async fn every_shell_has_completions_and_every_command_a_manual_page() {
    for shell in ["bash", "elvish", "fish", "nushell", "powershell", "zsh"] {
        let mut command = fixture::keyvault();
        command.args(["completions", shell]);
        let output = run(command).await;
        assert!(output.assert_code(0).out.contains("emulator"), "{shell}");
    }
    let directory = tempfile::tempdir().expect("a directory");
    let manual = path_in(&directory, "man1");
    let mut command = fixture::keyvault();
    command.args(["man", &manual]).stdout(Stdio::piped());
    run(command).await.assert_code(0);
    for (page, text) in
        [("keyvault.1", "keyvault\\-emulator(1)"), ("keyvault-emulator.1", "pytest"), ("keyvault-secret-get.1", "get")]
    {
        let page = std::fs::read_to_string(Path::new(&manual).join(page)).expect("a page");
        assert!(page.contains(text), "{page}");
    }
}
