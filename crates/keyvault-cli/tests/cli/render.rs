//! `keyvault render`.

use std::os::unix::fs::PermissionsExt;

use keyvault_emulator::Fault;

use crate::fixture::{CANARY, Fixture, eventually, run, run_with, send_signal, wait};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_text_is_rendered_to_a_private_file() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("db", "hunter2");
    fixture.emulator.set("nested", "@KeyVault(SecretName=db)\0🔑\n");
    let template = "user = app\npass = \"@KeyVault(SecretName=db)\"; # @@KeyVault(x)\n\
                    proxy = @KeyVault(SecretName=gone;Optional=true)\n\
                    both @keyvault(SecretName=db)@Microsoft.KeyVault(SecretName=nested)end";
    let expected = "user = app\npass = \"hunter2\"; # @KeyVault(x)\nboth hunter2@KeyVault(SecretName=db)\0🔑\nend";
    fixture.write("a.template", template);
    fixture.write("out", "old");
    let mut command = fixture.command("render");
    command.args(["a.template", "-o", "out"]);
    let output = run(command).await;
    output.assert_code(0);
    assert!(output.out.is_empty() && output.err.is_empty(), "{}{}", output.out, output.err);
    assert_eq!(fixture.read("out"), expected);
    let mode = std::fs::metadata(fixture.path("out")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let mut command = fixture.command("render");
    command.arg("-");
    assert_eq!(run_with(command, template).await.assert_code(0).out, expected);
    let mut command = fixture.command("render");
    command.args(["a.template", "-o", "a.template"]);
    run(command).await.assert_code(2);
    assert_eq!(fixture.read("a.template"), template);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_keeps_the_old_file_and_names_the_line() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("db", CANARY);
    fixture.write("out", "old");
    for (template, code, place) in [
        ("a\n@KeyVault(SecretName=db)\n@KeyVault(SecretName=gone)", 3, "a.conf:3"),
        ("canary-7f3a9c @KeyVault(", 2, "a.conf:1"),
        ("\n\n@KeyVault(SecretNam=canary-7f3a9c)", 2, "a.conf:3"),
        ("@KeyVault(VaultName=stranger;SecretName=a)", 4, "--vault stranger"),
    ] {
        fixture.write("a.conf", template);
        let mut command = fixture.command("render");
        command.args(["a.conf", "-o", "out"]);
        let output = run(command).await;
        output.assert_code(code).assert_no_canary();
        assert!(output.err.contains(place), "{place}\n{}", output.err);
        assert_eq!(fixture.read("out"), "old");
    }
    let left = std::fs::read_dir(fixture.directory()).expect("a directory").filter_map(Result::ok);
    assert!(!left.into_iter().any(|entry| entry.file_name().to_string_lossy().ends_with(".tmp")));
    let mut command = fixture.command("render");
    command.args(["missing.conf", "-o", "out"]);
    run(command).await.assert_code(1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_file_is_written_only_on_change_whatever_the_hook_does() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("db", "first-7f3a");
    fixture.write("a.conf", "pass=@KeyVault(SecretName=db)\n");
    // The hook fails once, then hangs, then succeeds.
    let then = "echo run >> runs; env | grep -q KEYVAULT_TOKEN && echo leak >> runs; \
                n=$(wc -l < runs); [ $n = 1 ] && exit 1; \
                [ $n = 2 ] && sleep 100; cp out seen";
    let mut command = fixture.command("render");
    command.args(["a.conf", "-o", "out", "--watch", "--interval", "1s", "--then", then, "--then-timeout", "500ms"]);
    let child = command.spawn().expect("the command starts");
    let read = |name: &str| std::fs::read_to_string(fixture.path(name)).unwrap_or_default();
    eventually("the first file", || read("out") == "pass=first-7f3a\n").await;
    eventually("the hook succeeded", || read("seen") == "pass=first-7f3a\n").await;
    assert_eq!(read("runs"), "run\nrun\nrun\n");
    let written = || std::fs::metadata(fixture.path("out")).and_then(|out| out.modified()).expect("a file");
    let (first, before) = (written(), fixture.emulator.requests().total);
    eventually("two more polls", || fixture.emulator.requests().total >= before + 2).await;
    assert_eq!(written(), first, "nothing changed");
    fixture.emulator.fault_next(1, Fault::status(403));
    let before = fixture.emulator.requests().total;
    eventually("two more polls", || fixture.emulator.requests().total >= before + 2).await;
    fixture.emulator.set("db", "second-7f3a");
    eventually("the second file", || read("seen") == "pass=second-7f3a\n").await;
    fixture.write("a.conf", "password=@KeyVault(SecretName=db)\n");
    eventually("a new template", || read("seen") == "password=second-7f3a\n").await;
    send_signal(&child, "-TERM");
    let output = wait(child).await;
    output.assert_code(0);
    for part in ["failed: exit status: 1", "did not end within 500ms", "did not write out", "wrote out"] {
        assert!(output.err.contains(part), "{part}\n{}", output.err);
    }
    assert!(!output.err.contains("-7f3a") && !read("runs").contains("leak"), "{}", output.err);
}
