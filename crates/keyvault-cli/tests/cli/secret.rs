//! `keyvault secret`, and the texts of `--help` and `completions`.

use std::time::{Duration, Instant};

use keyvault_emulator::Fault;
use keyvault_test_support::json_schema::assert_conforms;

use crate::fixture::{CommandOutput, Fixture, keyvault, run, run_with};

async fn secret(fixture: &Fixture, arguments: &[&str], input: &str) -> CommandOutput {
    let (name, rest) = arguments.split_first().expect("a subcommand");
    let mut command = fixture.command(&format!("secret {name}"));
    command.args(["--timeout", "10s"]).args(rest);
    run_with(command, input).await
}

/// Runs a subcommand that succeeds, and returns its standard output.
async fn succeeds(fixture: &Fixture, arguments: &[&str], input: &str) -> String {
    let output = secret(fixture, arguments, input).await;
    assert_eq!(output.code, Some(0), "{arguments:?}: {}", output.err);
    output.out
}

/// Runs a subcommand that fails with `code`, and returns its standard error.
async fn fails(fixture: &Fixture, arguments: &[&str], code: i32) -> String {
    let output = secret(fixture, arguments, "").await;
    assert_eq!(output.code, Some(code), "{arguments:?}: {}", output.err);
    assert!(output.out.is_empty(), "{arguments:?}: {}", output.out);
    output.err
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("output is JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_on_a_secret_works() {
    let fixture = Fixture::start().await;
    let set =
        succeeds(&fixture, &["set", "db", "--tag", "team=shop", "--expires", "2030-01-31", "--json"], "first\n").await;
    assert!(!set.contains("first"), "set prints no value");
    let set = json(&set);
    assert_eq!((set["tags"]["team"].as_str(), set["expires"].as_str()), (Some("shop"), Some("2030-01-31T00:00:00Z")));
    let first = set["version"].as_str().expect("a version").to_owned();
    succeeds(&fixture, &["set", "db"], "second").await;

    assert_eq!(succeeds(&fixture, &["get", "db"], "").await, "second\n");
    assert_eq!(succeeds(&fixture, &["get", "-n", "db", "--version", &first], "").await, "first");
    assert_eq!(json(&succeeds(&fixture, &["get", "db", "--json"], "").await)["value"], "second");
    let shown = succeeds(&fixture, &["show", "db"], "").await;
    assert!(shown.contains("name        db") && !shown.contains("second"), "{shown}");

    let versions = json(&succeeds(&fixture, &["versions", "db", "--json"], "").await);
    assert_eq!(versions.as_array().map(Vec::len), Some(2));
    succeeds(&fixture, &["update", "db", "--disable", "--tag", "a=b"], "").await;
    let listed = succeeds(&fixture, &["list"], "").await;
    assert!(listed.starts_with("NAME  STATE     UPDATED") && listed.contains("db    disabled"), "{listed}");
    succeeds(&fixture, &["update", "db", "--enable"], "").await;

    let path = fixture.path("db.backup");
    succeeds(&fixture, &["backup", "db", "-o", &path], "").await;
    let again = fails(&fixture, &["backup", "db", "-o", &path], 1).await;
    assert!(again.contains(&path), "a backup is not written over another: {again}");

    succeeds(&fixture, &["delete", "db", "--yes"], "").await;
    assert!(succeeds(&fixture, &["deleted"], "").await.contains("db"));
    succeeds(&fixture, &["recover", "db"], "").await;
    assert_eq!(succeeds(&fixture, &["get", "-n", "db"], "").await, "second");
    succeeds(&fixture, &["delete", "db", "--yes", "--json"], "").await;
    succeeds(&fixture, &["purge", "db", "--yes"], "").await;
    succeeds(&fixture, &["restore", &path], "").await;
    assert_eq!(succeeds(&fixture, &["get", "-n", "db", "--version", &first], "").await, "first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_output_conforms_to_the_schema() {
    let fixture = Fixture::start().await;
    let schema = json(include_str!("../../../../docs/schemas/secret.schema.json"));
    let path = fixture.path("db.backup");
    let all = ["--content-type", "text/plain", "--tag", "a=b", "--expires", "2030-01-31", "--not-before", "2020-01-31"];
    succeeds(&fixture, &[&["set", "full"], &all[..]].concat(), "canary").await;
    for (arguments, length) in [
        (&["set", "db"][..], None),
        (&["show", "db"], None),
        (&["get", "db"], None),
        (&["update", "db", "--tag", "a=b"], None),
        (&["list"], Some(2)),
        (&["versions", "full"], Some(1)),
        (&["delete", "db", "--yes"], None),
        (&["deleted"], Some(1)),
        (&["deleted", "db"], None),
        (&["recover", "db"], None),
    ] {
        let output = json(&succeeds(&fixture, &[arguments, &["--json"]].concat(), "canary").await);
        assert_eq!(output.as_array().map(Vec::len), length, "{arguments:?}: {output}");
        let secrets = output.as_array().map_or(std::slice::from_ref(&output), Vec::as_slice);
        for secret in secrets {
            assert_conforms(secret, &schema);
            assert_eq!(secret.get("value").is_some(), arguments[0] == "get", "{arguments:?}: {secret}");
            assert_eq!(secret.get("deleted").is_some(), arguments[0].starts_with("delete"), "{arguments:?}: {secret}");
        }
    }
    succeeds(&fixture, &["backup", "db", "-o", &path], "").await;
    succeeds(&fixture, &["delete", "db", "--yes"], "").await;
    succeeds(&fixture, &["purge", "db", "--yes"], "").await;
    assert_conforms(&json(&succeeds(&fixture, &["restore", &path, "--json"], "").await), &schema);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_is_stored_and_printed_unchanged() {
    let fixture = Fixture::start().await;
    for (piped, stored) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("ü🔑\"\\", "ü🔑\"\\")] {
        succeeds(&fixture, &["set", "v"], piped).await;
        assert_eq!(succeeds(&fixture, &["get", "-n", "v"], "").await, stored, "{piped:?}");
    }
    let file = fixture.write("value", "kept\n");
    succeeds(&fixture, &["set", "v", "--value-file", &file], "not this").await;
    assert_eq!(succeeds(&fixture, &["get", "-n", "v"], "").await, "kept\n");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_or_backup_that_a_full_disk_loses_is_an_error() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("db", "x");
    for arguments in [&["get", "-n", "db"][..], &["get", "db"], &["show", "db", "--json"], &["backup", "db"]] {
        let mut command = fixture.command(&format!("secret {}", arguments[0]));
        let full = std::fs::File::options().write(true).open("/dev/full").expect("the device opens");
        command.args(&arguments[1..]).stdout(full);
        let output = run(command).await;
        output.assert_code(1);
        assert!(output.err.contains("No space left on device"), "{arguments:?}: {}", output.err);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_pipe_or_file_stores_nothing() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("db", "kept");
    let file = fixture.write("empty", "");
    for (arguments, input, source) in [
        (&["set", "db"][..], "", "standard input"),
        (&["set", "db"], "\r\n", "standard input"),
        (&["set", "db", "--value-file", &file], "not this", file.as_str()),
    ] {
        let output = secret(&fixture, arguments, input).await;
        let text = format!("the value from {source} is empty; nothing was stored");
        assert!(output.assert_code(2).err.contains(&text), "{input:?}: {}", output.err);
    }
    assert_eq!(succeeds(&fixture, &["get", "-n", "db"], "").await, "kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_has_an_exit_code_and_prints_no_value() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("here", "canary-value");
    let missing = fails(&fixture, &["get", "missing"], 3).await;
    assert!(missing.contains("secret not found: missing"), "{missing}");
    fails(&fixture, &["get", "not/a/name"], 2).await;
    fails(&fixture, &["get"], 2).await;
    fails(&fixture, &["set", "x", "--value-file", "/nonexistent"], 1).await;
    for command in ["delete", "purge"] {
        let err = fails(&fixture, &[command, "here"], 2).await;
        assert!(err.contains("--yes"), "without a terminal: {err}");
    }
    assert_eq!(succeeds(&fixture, &["get", "-n", "here"], "").await, "canary-value", "nothing was changed");
    fixture.emulator.fault(Fault::status(403));
    let denied = fails(&fixture, &["get", "here"], 4).await;
    assert!(denied.contains("help:"), "a denial comes with advice: {denied}");
    fixture.emulator.clear_faults();
    fixture.emulator.fault(Fault::status(503));
    fails(&fixture, &["get", "here"], 5).await;
    fixture.emulator.clear_faults();
    fixture.emulator.fault(Fault::NotJson);
    assert!(!fails(&fixture, &["get", "here"], 5).await.contains("canary"));
}

#[test]
fn help_has_examples_and_every_shell_has_completions() {
    let run = |arguments: &[&str]| {
        let output = CommandOutput::from(keyvault().args(arguments).output().expect("the command runs"));
        output.assert_code(0);
        output.out
    };
    let help = run(&["secret", "--help"]);
    assert!(help.contains("keyvault secret set db-password --vault contoso"), "{help}");
    assert!(run(&["--help"]).contains("Exit codes: 0 success"));
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = run(&["completions", shell]);
        for command in ["run", "check", "render", "doctor", "restart-on-change"] {
            assert!(script.contains(command), "{shell} completes {command}");
        }
    }
    let mut closed = keyvault().args(["completions", "bash"]).spawn().expect("the command starts");
    drop(closed.stdout.take());
    let output = CommandOutput::from(closed.wait_with_output().expect("the command ends"));
    assert!(output.assert_code(0).err.is_empty(), "a reader that closes the pipe is no error: {}", output.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_and_a_vault_are_accepted_as_people_paste_them() {
    let fixture = Fixture::start().await;
    let first = json(&succeeds(&fixture, &["set", "db", "--json"], "first").await);
    let version = first["version"].as_str().expect("a version").to_owned();
    succeeds(&fixture, &["set", "db"], "second").await;
    let url = fixture.emulator.vault_url().trim_end_matches('/').to_owned();
    let host = url.trim_start_matches("https://").to_owned();
    for (name, value) in [
        (format!("{url}/secrets/db"), "second"),
        (format!("{url}/secrets/db/{version}"), "first"),
        (format!("{host}/secrets/db/{version}"), "first"),
        (format!("db/{version}"), "first"),
        (" db ".to_owned(), "second"),
    ] {
        assert_eq!(succeeds(&fixture, &["get", "-n", &name], "").await, value, "{name}");
        assert!(succeeds(&fixture, &["show", &name], "").await.contains("name        db"), "{name}");
    }
    let without_vault = |arguments: &[&str]| {
        let mut command = fixture.command_without_vault("secret get");
        command.args(arguments);
        run_with(command, "")
    };
    assert_eq!(without_vault(&["-n", &format!("{url}/secrets/db")]).await.assert_code(0).out, "second");
    assert_eq!(without_vault(&["-n", "db", "--vault", &host]).await.assert_code(0).out, "second");
    assert_eq!(
        without_vault(&["-n", "db", "--vault", &format!("{url}/secrets/db")]).await.assert_code(0).out,
        "second"
    );
    assert!(without_vault(&["db"]).await.assert_code(2).err.contains("--vault NAME"));
    let other = without_vault(&[&format!("{url}/secrets/db"), "--vault", "contoso"]).await;
    assert!(other.assert_code(2).err.contains("--vault or KEYVAULT_VAULT names"), "{}", other.err);
    assert!(fails(&fixture, &["get", "DB_PASSWORD"], 2).await.contains("DB-PASSWORD"));
    assert!(fails(&fixture, &["get", &format!("{url}/keys/db")], 2).await.contains("key"));
    fails(&fixture, &["delete", &format!("{url}/secrets/db/{version}"), "--yes"], 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_version_of_the_api_and_the_limits_are_named() {
    let fixture = Fixture::start().await;
    succeeds(&fixture, &["set", "db", "--api-version", "7.4"], "x").await;
    let sent = fixture.emulator.request_log().iter().any(|request| request.path_and_query.contains("api-version=7.4"));
    assert!(sent, "the version is sent");
    fails(&fixture, &["get", "db", "--api-version", "7.4&x=y"], 2).await;
    fixture.emulator.fault(Fault::status(400));
    let large = fixture.write("large", &"x".repeat(30_000));
    let refused = fails(&fixture, &["set", "db", "--value-file", &large], 1).await;
    assert_eq!(refused.matches("25 KB (25,600 characters)").count(), 1, "{refused}");
    // The command does not send this one.
    let large = fixture.write("large", &"x".repeat((1 << 20) + 1));
    let refused = fails(&fixture, &["set", "db", "--value-file", &large], 1).await;
    assert!(refused.contains("1 MiB; a vault accepts values of at most 25 KB"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_without_an_end_is_given_up() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("db", "x");
    // Every page is empty and has a next one, and each takes its time.
    fixture.emulator.fault(Fault::EmptyPage);
    fixture.emulator.fault(Fault::Latency(std::time::Duration::from_millis(300)));
    for (command, arguments) in [("list", &[][..]), ("versions", &["db"]), ("deleted", &[])] {
        let started = std::time::Instant::now();
        let mut process = fixture.command(&format!("secret {command}"));
        process.args(["--timeout", "1s"]).args(arguments);
        let output = run_with(process, "").await;
        assert_eq!(output.code, Some(5), "{command}: {}", output.err);
        assert!(started.elapsed().as_secs() < 20, "{command}: {:?}", started.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_gives_up_at_its_timeout() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("here", "value");
    fixture.emulator.fault(Fault::Hang);
    let mut command = fixture.command("secret get");
    command.args(["here", "--timeout", "1s"]);
    let started = Instant::now();
    run(command).await.assert_code(5);
    // The default is 30 seconds.
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}
