//! `keyvault secret` as a user and as a script run it, against an emulator.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use keyvault_emulator::{Emulator, Fault};

/// An emulator, and the command with its address and token.
struct Scene {
    emulator: Emulator,
    ca_file: PathBuf,
}

impl Scene {
    async fn begin(name: &str) -> Self {
        let emulator = Emulator::start().await.expect("the emulator starts");
        let ca_file = std::env::temp_dir().join(format!("keyvault-cli-{}-{name}.pem", std::process::id()));
        emulator.write_ca(&ca_file).expect("the authority is written");
        Self { emulator, ca_file }
    }

    /// Runs the command off the runtime, which serves it meanwhile.
    async fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyvault"));
        command
            .arg("secret")
            .args(arguments)
            .args(["--vault", self.emulator.vault_url(), "--timeout", "10s"])
            .arg("--ca-file")
            .arg(&self.ca_file)
            .env("KEYVAULT_TOKEN", self.emulator.token())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let input = input.to_owned();
        let run = move || {
            let mut child = command.spawn().expect("the command starts");
            child.stdin.take().expect("stdin is piped").write_all(input.as_bytes()).ok();
            child.wait_with_output().expect("the command ends")
        };
        tokio::task::spawn_blocking(run).await.expect("the command runs")
    }

    async fn works(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input).await;
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    async fn fails(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments, "").await;
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {}", text(&output.stdout));
        said
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        std::fs::remove_file(&self.ca_file).ok();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is text")
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("output is JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_lives_its_whole_life() {
    let scene = Scene::begin("life").await;
    let set = scene.works(&["set", "db", "--tag", "team=shop", "--expires", "2030-01-31", "--json"], "first\n").await;
    assert!(!set.contains("first"), "a set shows no value");
    let set = json(&set);
    assert_eq!((set["tags"]["team"].as_str(), set["expires"].as_str()), (Some("shop"), Some("2030-01-31T00:00:00Z")));
    let first = set["version"].as_str().expect("a version").to_owned();
    scene.works(&["set", "db"], "second").await;

    assert_eq!(scene.works(&["get", "db"], "").await, "second\n");
    assert_eq!(scene.works(&["get", "-n", "db", "--version", &first], "").await, "first");
    assert_eq!(json(&scene.works(&["get", "db", "--json"], "").await)["value"], "second");
    let shown = scene.works(&["show", "db"], "").await;
    assert!(shown.contains("name        db") && !shown.contains("second"), "{shown}");

    let versions = json(&scene.works(&["versions", "db", "--json"], "").await);
    assert_eq!(versions.as_array().map(Vec::len), Some(2));
    scene.works(&["update", "db", "--disable", "--tag", "a=b"], "").await;
    let listed = scene.works(&["list"], "").await;
    assert!(listed.starts_with("NAME  STATE     UPDATED") && listed.contains("db    disabled"), "{listed}");
    scene.works(&["update", "db", "--enable"], "").await;

    let backup = std::env::temp_dir().join(format!("keyvault-cli-{}.backup", std::process::id()));
    let path = backup.to_str().expect("the path is text");
    scene.works(&["backup", "db", "-o", path], "").await;
    let again = scene.fails(&["backup", "db", "-o", path], 1).await;
    assert!(again.contains(path), "a backup is not written over another: {again}");

    scene.works(&["delete", "db", "--yes"], "").await;
    assert!(scene.works(&["deleted"], "").await.contains("db"));
    scene.works(&["recover", "db"], "").await;
    assert_eq!(scene.works(&["get", "-n", "db"], "").await, "second");
    scene.works(&["delete", "db", "--yes", "--json"], "").await;
    scene.works(&["purge", "db", "--yes"], "").await;
    scene.works(&["restore", path], "").await;
    assert_eq!(scene.works(&["get", "-n", "db", "--version", &first], "").await, "first");
    std::fs::remove_file(backup).expect("the backup can be removed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_go_in_and_out_as_they_are() {
    let scene = Scene::begin("values").await;
    for (piped, kept) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("", ""), ("ü🔑\"\\", "ü🔑\"\\")] {
        scene.works(&["set", "v"], piped).await;
        assert_eq!(scene.works(&["get", "-n", "v"], "").await, kept, "{piped:?}");
    }
    let file = std::env::temp_dir().join(format!("keyvault-cli-{}.value", std::process::id()));
    std::fs::write(&file, "kept\n").expect("the file is written");
    scene.works(&["set", "v", "--value-file", file.to_str().expect("the path is text")], "not this").await;
    assert_eq!(scene.works(&["get", "-n", "v"], "").await, "kept\n");
    std::fs::remove_file(file).expect("the file can be removed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_told_by_its_exit_code_and_without_a_value() {
    let scene = Scene::begin("codes").await;
    scene.emulator.set("here", "canary-value");
    let missing = scene.fails(&["get", "missing"], 3).await;
    assert!(missing.contains("secret not found: missing"), "{missing}");
    scene.fails(&["get", "not/a/name"], 2).await;
    scene.fails(&["get"], 2).await;
    scene.fails(&["set", "x", "--value-file", "/nonexistent"], 1).await;
    for command in ["delete", "purge"] {
        let said = scene.fails(&[command, "here"], 2).await;
        assert!(said.contains("--yes"), "nobody can be asked: {said}");
    }
    assert_eq!(scene.works(&["get", "-n", "here"], "").await, "canary-value", "nothing was changed");
    scene.emulator.fault(Fault::status(403));
    let denied = scene.fails(&["get", "here"], 4).await;
    assert!(denied.contains("help:"), "a denial says what to do: {denied}");
    scene.emulator.clear_faults();
    scene.emulator.fault(Fault::status(503));
    scene.fails(&["get", "here"], 5).await;
    scene.emulator.clear_faults();
    scene.emulator.fault(Fault::NotJson);
    assert!(!scene.fails(&["get", "here"], 5).await.contains("canary"));
}

#[test]
fn help_teaches_and_completions_are_written() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_keyvault")).args(arguments).output().expect("the command runs");
        assert!(output.status.success(), "{arguments:?}");
        text(&output.stdout)
    };
    let help = run(&["secret", "--help"]);
    assert!(help.contains("keyvault secret set db-password --vault contoso"), "{help}");
    assert!(run(&["--help"]).contains("Exit codes: 0 it worked"));
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = run(&["completions", shell]);
        for command in ["run", "check", "render", "doctor", "restart-on-change"] {
            assert!(script.contains(command), "{shell} completes {command}");
        }
    }
}
