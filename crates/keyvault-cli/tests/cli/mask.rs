//! `keyvault run --mask`.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::fixture::{CANARY, Fixture, eventually, run, send_signal, sh, wait};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masked_output_contains_no_secret_however_it_is_written() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("a", CANARY);
    fixture.emulator.set("b", "-----BEGIN KEY-----\nline-one-7f3a\nline-two-9c1b\n-----END KEY-----\n");
    fixture.emulator.set("short", "ab");
    let script = r#"echo "whole $A and in $URL"; echo "error $A" >&2; printf 'canary-'; sleep 0.3; printf '7f3a9c\n'
        printf 'can'; sleep 0.3; echo 'ary-7f3a9c!'; echo "$B"; echo "two: $(echo "$B" | sed -n 2p)"; echo "$S"
        i=0; while [ $i -lt 20000 ]; do echo "$i $A"; i=$((i+1)); done; printf "$A""#;
    let mut command = fixture.run_command(&["--mask"], &sh(script));
    command
        .env("A", "@KeyVault(SecretName=a)")
        .env("B", "@KeyVault(SecretName=b)")
        .env("S", "@KeyVault(SecretName=short)");
    command.env("URL", "u:@KeyVault(SecretName=a)@h");
    let output = run(command).await;
    output.assert_code(0).assert_no_canary();
    assert!(output.out.starts_with("whole *** and in u:***@h\n***\n"), "{}", &output.out[..200]);
    for part in ["two: ***\n", "\nab\n", "19999 ***\n***"] {
        assert!(output.out.contains(part), "{part}");
    }
    assert!(!output.out.contains("line-one") && !output.out.contains("ary-7f3a9c"), "{}", &output.out[..400]);
    assert!(output.err.contains("error ***"), "{}", output.err);
    assert!(output.err.contains("secret short (variable S) is shorter than 4"), "{}", output.err);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_reader_ends_the_child_and_an_orphan_does_not_delay_the_exit() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("a", CANARY);
    // When the reader closes the pipe, the child ends by a broken pipe.
    let mut command = fixture.run_command(&["--mask"], &["yes", "flood"]);
    command.env("A", "@KeyVault(SecretName=a)");
    let mut child = command.spawn().expect("the command starts");
    let mut out = child.stdout.take().expect("stdout is piped");
    let read = move || std::io::Read::read_exact(&mut out, &mut [0; 100_000]);
    tokio::task::spawn_blocking(read).await.expect("it runs").expect("a flood");
    assert_ne!(wait(child).await.code, Some(0));
    // A process that the child left behind holds the pipe open.
    let started = Instant::now();
    let script = sh("sleep 60 & echo $! > left; echo done");
    let mut child = fixture.run_command(&["--mask"], &script).spawn().expect("the command starts");
    eventually("keyvault ended", || child.try_wait().expect("a child").is_some()).await;
    assert!(started.elapsed() < Duration::from_secs(30));
    Command::new("kill").arg(fixture.read("left").trim()).status().expect("kill runs");
    assert_eq!(wait(child).await.assert_code(0).out, "done\n");
    // Without a reader the child still receives the signal.
    let child = fixture.run_command(&["--mask"], &["yes"]).spawn().expect("the command starts");
    eventually("the child writes", || {
        let id = child.id();
        std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).is_ok_and(|ids| !ids.trim().is_empty())
    })
    .await;
    send_signal(&child, "-TERM");
    let code = tokio::task::spawn_blocking(move || {
        let mut child = child;
        child.wait().expect("the child ends").code()
    });
    assert_eq!(tokio::time::timeout(Duration::from_secs(20), code).await.expect("in time").expect("it ran"), Some(143));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_masked_in_every_common_encoding() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("a", "p+q/r<s&t\u{e4} it's");
    let script = r#"printf '%s' "$A" | base64; printf 'user:%s' "$A" | base64 -w0; echo
        printf '%s\n' '{"a":"p\u002bq\/r\u003cs\u0026t\u00e4 it\u0027s"}' 'p%2bq/r%3cs%26t%c3%a4+it%27s'
        printf '%s\n' 'p&#43;q/r&lt;s&amp;t&auml; it&#39;s' "'p+q/r<s&t\\xe4 it\\'s'"; printf '%s' "$A" | od -An -tx1 | tr -d ' '
        set -x; : "$A""#;
    let mut command = fixture.run_command(&["--mask"], &["bash", "-c", script]);
    command.env("A", "@KeyVault(SecretName=a)");
    let output = run(command).await;
    output.assert_code(0);
    let lines: Vec<&str> = output.out.lines().collect();
    assert_eq!(lines[0], "***", "{}", output.out);
    assert!(lines[1].len() < 16, "{}", output.out);
    assert_eq!(lines[2..], ["{\"a\":\"***\"}", "***", "***", "'***'", "***"], "{}", output.out);
    assert!(output.err.contains("***") && !output.err.contains("q/r"), "{}", output.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_in_the_background_lives_on_and_stays_masked() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("a", CANARY);
    let script = r#"(sleep 1.5; echo "late $A"; echo "error $A" >&2; printf canary-; sleep 0.3; echo 7f3a9c; echo alive > alive) &
        printf "now $A""#;
    let mut command = fixture.run_command(&["--mask"], &sh(script));
    command.env("A", "@KeyVault(SecretName=a)");
    // The output ends when the process in the background ends.
    let output = run(command).await;
    output.assert_code(0).assert_no_canary();
    assert!(output.out.starts_with("now ***late ***\n***") && !output.out.contains("7f3a9c"), "{}", output.out);
    assert_eq!(output.err, "error ***\n");
    assert_eq!(fixture.read("alive"), "alive\n");
}
