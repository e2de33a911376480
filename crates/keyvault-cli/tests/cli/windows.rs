//! `keyvault run` and `keyvault render` on Windows, with the emulator as a program that runs until it is ended.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use crate::fixture::{CANARY, Fixture, eventually, run, wait};

const KEYVAULT: &str = env!("CARGO_BIN_EXE_keyvault");

fn with(fixture: &Fixture, options: &[&str], words: &[&str]) -> Command {
    let mut command = fixture.command("run");
    command.args(options).arg("--").args(words);
    command
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

fn is_served(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exit_code_is_the_childs() {
    let fixture = Fixture::start().await;
    fixture.write("plain.txt", "not a program");
    for mode in [&[][..], &["--mask"], &["--restart-on-change"]] {
        for (words, code) in [
            (&["cmd", "/c", "exit 0"][..], 0),
            (&["cmd", "/c", "exit 42"], 42),
            (&["cmd", "/c", "exit 70000"], 70_000),
            (&["no-such-command-7f3a"], 127),
            (&["./plain.txt"], 126),
        ] {
            run(with(&fixture, mode, words)).await.assert_code(code);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_file_is_found_by_its_name_alone_and_gets_its_arguments() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("a", CANARY);
    std::fs::create_dir(fixture.path("bin")).expect("a directory");
    fixture.write("bin/tool.cmd", "@echo %A% %1 %2\r\n");
    for (options, expected) in [(&[][..], CANARY), (&["--mask"], "***")] {
        let mut command = with(&fixture, options, &["tool", "b c", "d"]);
        let path = [fixture.directory().join("bin"), std::env::var_os("PATH").unwrap_or_default().into()];
        command.env("PATH", std::env::join_paths(path).expect("a path")).env("A", "@KeyVault(SecretName=a)");
        assert_eq!(run(command).await.assert_code(0).out, format!("{expected} \"b c\" d\r\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_process_ends_when_keyvault_is_killed() {
    let fixture = Fixture::start().await;
    for mode in [&[][..], &["--mask"]] {
        let address = free_address();
        let script = fixture.write("serve.cmd", &format!("@\"{KEYVAULT}\" emulator --http {address}\r\n"));
        let mut child = with(&fixture, mode, &[&script]).spawn().expect("the command starts");
        eventually("the program listens", || is_served(address)).await;
        child.kill().expect("it is killed");
        eventually("the program is gone", || !is_served(address)).await;
        wait(child).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_in_the_background_ends_with_the_command() {
    let fixture = Fixture::start().await;
    for mode in [&[][..], &["--mask"]] {
        let address = free_address();
        let _ = std::fs::remove_file(fixture.path("stop"));
        // `start` takes a path with slashes for options.
        let keyvault = std::path::absolute(KEYVAULT).expect("a path");
        let serve = format!("@start /b \"\" \"{}\" emulator --http {address}", keyvault.display());
        let script = fixture.write("start.cmd", &format!("{serve}\r\n:again\r\n@if not exist stop goto again\r\n"));
        let child = with(&fixture, mode, &[&script]).spawn().expect("the command starts");
        eventually("the program listens", || is_served(address)).await;
        fixture.write("stop", "");
        wait(child).await.assert_code(0);
        eventually("the program is gone", || !is_served(address)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_ends_everything_that_the_command_started() {
    let fixture = Fixture::start().await;
    let [first, second] = [free_address(), free_address()];
    fixture.emulator.set("address", &first.to_string());
    let script = fixture.write("serve.cmd", &format!("@\"{KEYVAULT}\" emulator --http %ADDRESS%\r\n"));
    let mut command = with(&fixture, &["--restart-on-change", "--interval", "1s"], &[&script]);
    command.env("ADDRESS", "@KeyVault(SecretName=address)");
    let mut child = command.spawn().expect("the command starts");
    eventually("the program listens", || is_served(first)).await;
    fixture.emulator.set("address", &second.to_string());
    eventually("the new program listens", || is_served(second)).await;
    assert!(!is_served(first), "the old program is gone");
    child.kill().expect("it is killed");
    let output = wait(child).await;
    assert!(output.err.contains("these variables changed: ADDRESS"), "{}", output.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_of_then_runs_in_the_shell_and_is_ended_in_time() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("db", "hunter2");
    fixture.write("a.conf", "pass=@KeyVault(SecretName=db)\n");
    let watch = |then: &str| {
        let mut command = fixture.command("render");
        command.args(["a.conf", "-o", "out", "--watch", "--interval", "1s", "--then-timeout", "2s", "--then", then]);
        command.spawn().expect("the command starts")
    };
    let mut child = watch("echo \"a b\" & echo %KEYVAULT_TOKEN%> \"the token\"");
    eventually("the command ran", || std::fs::read(fixture.path("the token")).is_ok_and(|token| !token.is_empty()))
        .await;
    child.kill().expect("it is killed");
    assert!(wait(child).await.out.starts_with("\"a b\""));
    assert_eq!(
        (fixture.read("out").as_str(), fixture.read("the token").trim()),
        ("pass=hunter2\n", "%KEYVAULT_TOKEN%")
    );

    let address = free_address();
    fixture.write("out", "old");
    let mut child = watch(&format!("\"{KEYVAULT}\" emulator --http {address}"));
    eventually("the program listens", || is_served(address)).await;
    eventually("the program is gone", || !is_served(address)).await;
    eventually("the command is retried", || is_served(address)).await;
    child.kill().expect("it is killed");
    assert!(wait(child).await.err.contains("did not end within 2s"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rendered_file_has_no_mode() {
    let fixture = Fixture::start().await;
    fixture.write("a.conf", "text");
    let mut command = fixture.command("render");
    command.args(["a.conf", "-o", "out", "--mode", "600"]);
    assert!(run(command).await.assert_code(2).err.contains("--mode"));
}
