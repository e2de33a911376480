//! `keyvault run --restart-on-change`.

use std::process::{Command, Stdio};

use keyvault_emulator::Fault;

use crate::fixture::{CANARY, Fixture, eventually, run, send_signal, sh, wait};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_child_restarts_only_when_its_variables_change() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("a", "first-value");
    let script = r#"trap '' TERM; echo $$ > pid; echo "$A" >> starts; while :; do sleep 0.05; done"#;
    let options = ["--restart-on-change", "--interval", "1s", "--grace", "200ms", "--mask"];
    let mut command = fixture.run_command(&options, &sh(script));
    command.env("A", "@KeyVault(SecretName=a)").stdout(Stdio::null());
    let child = command.spawn().expect("the command starts");
    let starts = || std::fs::read_to_string(fixture.path("starts")).unwrap_or_default();
    eventually("the first start", || starts() == "first-value\n").await;
    // A new version with the same value causes no restart.
    fixture.emulator.set("a", "first-value");
    let gets = || {
        fixture.emulator.request_log().iter().filter(|request| request.path_and_query.contains("/secrets/a")).count()
    };
    let before = gets();
    eventually("three polls", || gets() >= before + 3).await;
    assert_eq!(starts(), "first-value\n");
    // A failure of the vault does not end the child.
    fixture.emulator.fault_next(1, Fault::status(403));
    let before = gets();
    eventually("two polls", || gets() >= before + 2).await;
    assert_eq!(starts(), "first-value\n");
    fixture.emulator.set("a", "second-value");
    eventually("the second start", || starts() == "first-value\nsecond-value\n").await;
    send_signal(&child, "-KILL");
    let output = wait(child).await;
    assert!(output.err.contains("restarting the command, because these variables changed: A"), "{}", output.err);
    assert!(output.err.contains("cannot check for new versions"), "{}", output.err);
    assert!(!output.err.contains("-value"), "{}", output.err);
    // keyvault has ended without its child, which ignores TERM.
    Command::new("kill").args(["-KILL", fixture.read("pid").trim()]).status().expect("kill runs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_ends_by_itself_is_not_restarted() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("a", CANARY);
    let mut command = fixture.run_command(&["--restart-on-change", "--interval", "1s"], &sh("echo start; exit 3"));
    command.env("A", "@KeyVault(SecretName=a)");
    let output = run(command).await;
    assert_eq!(output.assert_code(3).out, "start\n");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_ends_everything_that_the_command_started() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("a", "first-value");
    // One process in the group, one that left it, and an orphan that ends by itself.
    let script = r#"sleep 1000 & echo $! >> pids; setsid sleep 1000 & echo $! >> pids
        (sleep 0.1 & echo $! > orphan); echo "$A" >> starts; wait"#;
    let mut command = fixture.run_command(&["--restart-on-change", "--interval", "1s", "--grace", "5s"], &sh(script));
    command.env("A", "@KeyVault(SecretName=a)").stdout(Stdio::null());
    let child = command.spawn().expect("the command starts");
    let read = |name: &str| std::fs::read_to_string(fixture.path(name)).unwrap_or_default();
    eventually("the first start", || read("starts") == "first-value\n").await;
    let is_there = |id: &str| std::fs::exists(format!("/proc/{id}")).expect("/proc");
    let orphan = read("orphan").trim().to_owned();
    eventually("the orphan is reaped", || !is_there(&orphan)).await;
    let first = read("pids");
    assert!(first.lines().count() == 2 && first.lines().all(is_there), "{first}");
    fixture.emulator.set("a", "second-value");
    eventually("the second start", || read("starts") == "first-value\nsecond-value\n").await;
    eventually("the first processes ended", || !first.lines().any(is_there)).await;
    send_signal(&child, "-TERM");
    // They hold the pipe of standard error.
    for id in read("pids").lines().skip(2) {
        Command::new("kill").args(["-KILL", id]).status().expect("kill runs");
    }
    wait(child).await;
}
