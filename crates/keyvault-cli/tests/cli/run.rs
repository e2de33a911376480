//! `keyvault run`.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use keyvault_emulator::{Denial, Fault, Operation};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::fixture::{CANARY, Fixture, eventually, keyvault, run, send_signal, wait};

fn with(fixture: &Fixture, options: &[&str], words: &[&str]) -> Command {
    let mut command = fixture.command("run");
    command.args(options).arg("--").args(words);
    command
}

fn sh(script: &str) -> [&str; 3] {
    ["sh", "-c", script]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn references_are_replaced_in_the_child_environment() {
    let fixture = Fixture::start().await;
    let large = "x".repeat(25_000);
    for (name, value) in [
        ("plain", "hunter2"),
        ("odd", "two\nlines \"and\" 'quotes' 🔑 $HOME"),
        ("nested", "@KeyVault(SecretName=plain)"),
        ("large", &large),
        ("json", r#"{"a":{"b":["x","member"]}}"#),
        ("empty", ""),
    ] {
        fixture.emulator.set(name, value);
    }
    fixture.write("a.env", "FROM_FILE='f:@KeyVault(SecretName=plain)'\nPLAIN=1\nSET=file\nTWICE=a");
    fixture.write("b.env", "TWICE=b\n");
    let mut command = with(&fixture, &["--env-file", "a.env", "--env-file", "b.env"], &["env", "-0"]);
    for (name, value) in [
        ("WHOLE", "@Microsoft.KeyVault(SecretName=plain)"),
        ("INSIDE", "u:@KeyVault(SecretName=plain)@h;@keyvault(SecretName=plain)"),
        ("ODD", "@KeyVault(SecretName=odd)"),
        ("NESTED", "@KeyVault(SecretName=nested)"),
        ("LARGE", "@KeyVault(SecretName=large)"),
        ("MEMBER", "@KeyVault(SecretName=json;Property=a.b.1)"),
        ("EMPTY", "@KeyVault(SecretName=empty)"),
        ("ABSENT", "@KeyVault(SecretName=gone;Optional=true)"),
        ("ESCAPED", "@@KeyVault(x"),
        ("SET", "environment"),
    ] {
        command.env(name, value);
    }
    let output = run(command).await;
    output.assert_code(0);
    let variables: Vec<&str> = output.out.split('\0').collect();
    for expected in [
        "WHOLE=hunter2",
        "INSIDE=u:hunter2@h;hunter2",
        "ODD=two\nlines \"and\" 'quotes' 🔑 $HOME",
        "NESTED=@KeyVault(SecretName=plain)",
        "MEMBER=member",
        "EMPTY=",
        "ESCAPED=@KeyVault(x",
        "FROM_FILE=f:hunter2",
        "PLAIN=1",
        "SET=environment",
        "TWICE=b",
    ] {
        assert!(variables.contains(&expected), "{expected}\n{variables:?}");
    }
    assert!(variables.contains(&format!("LARGE={large}").as_str()));
    assert!(!output.out.contains("ABSENT"), "a variable with an absent optional secret is unset");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_child_inherits_no_credentials_unless_asked_to() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("app", "for the child");
    let given = [
        ("AZURE_CLIENT_SECRET", "canary"),
        ("AZURE_TENANT_ID", "t"),
        ("IDENTITY_HEADER", "canary"),
        ("MSI_SECRET", "canary"),
        ("AZURE_STORAGE_ACCOUNT", "stays"),
    ];
    let text = fixture.write("app.env", "AZURE_CLIENT_ID=of-the-child\nAZURE_PASSWORD=@KeyVault(SecretName=app)\n");
    for mask in [&[][..], &["--mask"]] {
        let mut command = with(&fixture, &[&["--env-file", &text], mask].concat(), &["env"]);
        command.envs(given).env("A", "@KeyVault(SecretName=app)");
        let output = run(command).await;
        output.assert_code(0);
        for gone in ["KEYVAULT_TOKEN", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "IDENTITY_HEADER", "MSI_SECRET"] {
            assert!(!output.out.contains(gone), "{gone}\n{}", output.out);
        }
        assert!(
            output.out.contains("AZURE_STORAGE_ACCOUNT=stays") && output.out.contains("AZURE_CLIENT_ID=of-the-child")
        );
        assert!(
            output.out.contains("AZURE_PASSWORD="),
            "a variable with a reference is not withheld, whatever its name"
        );
    }
    let mut command = with(&fixture, &[], &["env"]);
    command.envs(given);
    assert!(!run(command).await.assert_code(0).out.contains("KEYVAULT_TOKEN"), "also without a reference");
    let mut command = with(&fixture, &["--keep-credentials"], &["env"]);
    command.envs(given).env("A", "@KeyVault(SecretName=app)");
    let output = run(command).await;
    assert!(
        output.out.contains("KEYVAULT_TOKEN=") && output.out.contains("AZURE_CLIENT_SECRET=canary"),
        "{}",
        output.out
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_selected_by_name_become_variables() {
    let fixture = Fixture::start().await;
    for (name, value) in [("Shop--Db--Password", "one"), ("Shop--Api-Key", "two"), ("Other", "three")] {
        fixture.emulator.set(name, value);
    }
    let mut command = with(&fixture, &["--prefix", "Shop--"], &["env"]);
    command.env("API_KEY", "set already");
    let output = run(command).await;
    assert!(output.assert_code(0).out.contains("DB__PASSWORD=one\n") && output.out.contains("API_KEY=set already\n"));
    assert!(!output.out.contains("OTHER"));
    let output = run(with(&fixture, &["--all"], &["env"])).await;
    assert!(output.assert_code(0).out.contains("SHOP__API_KEY=two\n") && output.out.contains("OTHER=three\n"));
    fixture.emulator.set("Shop--Db", "four");
    let output = run(with(&fixture, &["--prefix", "Shop--"], &["env"])).await;
    assert!(output.assert_code(2).err.contains("Shop--Db and Shop--Db--Password"), "{}", output.err);
    fixture.emulator.deny(Denial::Rbac, &[Operation::List]);
    assert!(run(with(&fixture, &["--all"], &["env"])).await.assert_code(4).err.contains("help:"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unresolved_reference_prevents_the_start() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("nul", "canary-7f3a9c\0x");
    fixture.write("bad.env", "A=@KeyVault(SecretName=gone)\nB='@KeyVault('\n");
    let cases: [(&[&str], &str, i32, &[&str]); 5] = [
        (&[], "@KeyVault(SecretName=gone)", 3, &["variable A", "gone in"]),
        (&[], "@KeyVault(SecretName=nul)", 2, &["A (variable A)", "NUL"]),
        (&[], "@KeyVault(VaultName=stranger;SecretName=a)", 4, &["--vault stranger"]),
        (&["--env-file", "bad.env"], "", 1, &["2 references cannot", "bad.env:1  A", "bad.env:2"]),
        (&["--env-file", "missing.env"], "", 1, &["missing.env"]),
    ];
    for (options, value, code, expected) in cases {
        let mut command = with(&fixture, options, &["touch", "started"]);
        if !value.is_empty() {
            command.env("A", value);
        }
        let output = run(command).await;
        output.assert_code(code).assert_no_canary();
        expected.iter().for_each(|part| assert!(output.err.contains(part), "{part}\n{}", output.err));
        assert!(!fixture.directory().join("started").exists(), "the command was not started");
    }
    fixture.emulator.fault(Fault::status(503));
    let mut command = with(&fixture, &["--timeout", "2s"], &["touch", "started"]);
    command.env("A", "@KeyVault(SecretName=gone)");
    run(command).await.assert_code(5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exit_code_is_the_childs() {
    let fixture = Fixture::start().await;
    fixture.write("plain.txt", "not a program");
    for mode in [&[][..], &["--mask"], &["--restart-on-change"]] {
        for (words, code) in [
            (&sh("exit 0")[..], 0),
            (&sh("exit 42"), 42),
            (&["/nonexistent/x"], 127),
            (&["no-such-command-7f3a"], 127),
            (&["./plain.txt"], 126),
            (&["/"], 126),
        ] {
            run(with(&fixture, mode, words)).await.assert_code(code);
        }
    }
    for (name, number) in [("TERM", 15), ("KILL", 9), ("SEGV", 11)] {
        run(with(&fixture, &["--mask"], &sh(&format!("kill -{name} $$")))).await.assert_code(128 + number);
    }
    let output = run(with(&fixture, &[], &sh("kill -TERM $$"))).await;
    assert_eq!(output.code, None, "without a supervisor the process ends by the signal itself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_reach_the_child() {
    let fixture = Fixture::start().await;
    for mode in [&[][..], &["--mask"]] {
        for name in ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2"] {
            let script = format!("trap 'echo got {name}; exit 7' {name}; touch ready; while :; do sleep 0.05; done");
            // A shell cannot trap a signal that was ignored when it started, for example SIGHUP under nohup.
            let words = ["env", "--default-signal", "sh", "-c", &script];
            let child = with(&fixture, mode, &words).spawn().expect("the command starts");
            eventually("the child is ready", || fixture.directory().join("ready").exists()).await;
            std::fs::remove_file(fixture.directory().join("ready")).expect("it was there");
            send_signal(&child, &format!("-{name}"));
            let output = wait(child).await;
            assert!(output.assert_code(7).out.contains(&format!("got {name}")), "{name} {mode:?}: {}", output.out);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masked_output_contains_no_secret_however_it_is_written() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("a", CANARY);
    fixture.emulator.set("b", "-----BEGIN KEY-----\nline-one-7f3a\nline-two-9c1b\n-----END KEY-----\n");
    fixture.emulator.set("short", "ab");
    let script = r#"echo "whole $A and in $URL"; echo "error $A" >&2; printf 'canary-'; sleep 0.3; printf '7f3a9c\n'
        printf 'can'; sleep 0.3; echo 'ary-7f3a9c!'; echo "$B"; echo "two: $(echo "$B" | sed -n 2p)"; echo "$S"
        i=0; while [ $i -lt 20000 ]; do echo "$i $A"; i=$((i+1)); done; printf "$A""#;
    let mut command = with(&fixture, &["--mask"], &sh(script));
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_reader_ends_the_child_and_an_orphan_does_not_delay_the_exit() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("a", CANARY);
    // When the reader closes the pipe, the child ends by a broken pipe.
    let mut command = with(&fixture, &["--mask"], &["yes", "flood"]);
    command.env("A", "@KeyVault(SecretName=a)");
    let mut child = command.spawn().expect("the command starts");
    let mut out = child.stdout.take().expect("stdout is piped");
    let read = move || std::io::Read::read_exact(&mut out, &mut [0; 100_000]);
    tokio::task::spawn_blocking(read).await.expect("it runs").expect("a flood");
    assert_ne!(wait(child).await.code, Some(0));
    // A process that the child left behind holds the pipe open.
    let started = Instant::now();
    let script = sh("sleep 60 & echo $! > left; echo done");
    let mut child = with(&fixture, &["--mask"], &script).spawn().expect("the command starts");
    eventually("keyvault ended", || child.try_wait().expect("a child").is_some()).await;
    assert!(started.elapsed() < Duration::from_secs(30));
    Command::new("kill").arg(fixture.read("left").trim()).status().expect("kill runs");
    assert_eq!(wait(child).await.assert_code(0).out, "done\n");
    // Without a reader the child still receives the signal.
    let child = with(&fixture, &["--mask"], &["yes"]).spawn().expect("the command starts");
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
async fn the_child_restarts_only_when_its_variables_change() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("a", "first-value");
    let script = r#"trap '' TERM; echo $$ > pid; echo "$A" >> starts; while :; do sleep 0.05; done"#;
    let options = ["--restart-on-change", "--interval", "1s", "--grace", "200ms", "--mask"];
    let mut command = with(&fixture, &options, &sh(script));
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
    let mut command = with(&fixture, &["--restart-on-change", "--interval", "1s"], &sh("echo start; exit 3"));
    command.env("A", "@KeyVault(SecretName=a)");
    let output = run(command).await;
    assert_eq!(output.assert_code(3).out, "start\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_references_no_vault_is_contacted() {
    let fixture = Fixture::start().await;
    let mut command = keyvault();
    command.args(["run", "--vault", "not a vault!", "--ca-file", "missing.pem", "--", "echo", "started"]);
    command.env_remove("KEYVAULT_TOKEN");
    assert_eq!(run(command).await.assert_code(0).out, "started\n");
    assert!(fixture.emulator.request_log().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_masked_in_every_common_encoding() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("a", "p+q/r<s&t\u{e4} it's");
    let script = r#"printf '%s' "$A" | base64; printf 'user:%s' "$A" | base64 -w0; echo
        printf '%s\n' '{"a":"p\u002bq\/r\u003cs\u0026t\u00e4 it\u0027s"}' 'p%2bq/r%3cs%26t%c3%a4+it%27s'
        printf '%s\n' 'p&#43;q/r&lt;s&amp;t&auml; it&#39;s' "'p+q/r<s&t\\xe4 it\\'s'"; printf '%s' "$A" | od -An -tx1 | tr -d ' '
        set -x; : "$A""#;
    let mut command = with(&fixture, &["--mask"], &["bash", "-c", script]);
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
    let mut command = with(&fixture, &["--mask"], &sh(script));
    command.env("A", "@KeyVault(SecretName=a)");
    // The output ends when the process in the background ends.
    let output = run(command).await;
    output.assert_code(0).assert_no_canary();
    assert!(output.out.starts_with("now ***late ***\n***") && !output.out.contains("7f3a9c"), "{}", output.out);
    assert_eq!(output.err, "error ***\n");
    assert_eq!(fixture.read("alive"), "alive\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_that_hangs_up_ends_the_command() {
    let fixture = Fixture::start().await;
    for mode in ["--mask", "--restart-on-change"] {
        // A copy of the terminal in another process would keep it from hanging up.
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = openpt(flags).expect("a terminal");
        grantpt(&terminal).expect("it is granted");
        unlockpt(&terminal).expect("it is unlocked");
        let name = ptsname(&terminal, Vec::new()).expect("it has a name");
        let side = std::fs::File::options().read(true).write(true).open(name.to_str().expect("text")).expect("a side");
        let keyvault = with(&fixture, &[mode], &sh("echo $$ > pid; while :; do sleep 0.05; done"));
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(keyvault.get_program()).args(keyvault.get_args()).current_dir(fixture.directory());
        command.stdin(side.try_clone().expect("a side")).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the command starts");
        drop((side, command));
        let pid = || std::fs::read_to_string(fixture.path("pid")).unwrap_or_default().trim().to_owned();
        eventually("the child runs", || !pid().is_empty()).await;
        drop(terminal);
        eventually("keyvault ended", || child.try_wait().expect("a child").is_some()).await;
        eventually("the child ended", || !std::fs::exists(format!("/proc/{}", pid())).expect("/proc")).await;
        std::fs::remove_file(fixture.path("pid")).expect("a file");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_ends_everything_that_the_command_started() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("a", "first-value");
    // One process in the group, one that left it, and an orphan that ends by itself.
    let script = r#"sleep 1000 & echo $! >> pids; setsid sleep 1000 & echo $! >> pids
        (sleep 0.1 & echo $! > orphan); echo "$A" >> starts; wait"#;
    let mut command = with(&fixture, &["--restart-on-change", "--interval", "1s", "--grace", "5s"], &sh(script));
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_selected_variables_get_secrets() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("a", "hunter2");
    fixture.write("a.env", "FILE=@KeyVault(SecretName=a)\nCI_COMMIT_TITLE=@KeyVault(SecretName=a)\n");
    let cases: [(&[&str], &[&str]); 6] = [
        (&[], &["DB", "SHOP_A", "SHOP_B", "FILE"]),
        (&["--only", "DB"], &["DB"]),
        (&["--only", "DB", "SHOP_*"], &["DB", "SHOP_A", "SHOP_B"]),
        (&["--only", "SHOP_*,FILE", "--except", "SHOP_B"], &["SHOP_A", "FILE"]),
        (&["--except", "SHOP_?"], &["DB", "FILE"]),
        (&["--only", "CI_COMMIT_MESSAGE"], &["CI_COMMIT_MESSAGE"]),
    ];
    for (options, resolved) in cases {
        let mut command = with(&fixture, &[&["--env-file", "a.env"], options].concat(), &["env"]);
        for name in ["DB", "SHOP_A", "SHOP_B", "CI_COMMIT_MESSAGE", "ARGO_TEMPLATE"] {
            command.env(name, "@KeyVault(SecretName=a)");
        }
        let output = run(command).await;
        output.assert_code(0);
        let found = output.out.lines().filter_map(|line| line.strip_suffix("=hunter2"));
        let found: std::collections::BTreeSet<&str> = found.collect();
        assert_eq!(found, resolved.iter().copied().collect(), "{options:?}");
        assert_eq!(output.err.contains("CI_COMMIT_TITLE left alone"), !options.contains(&"--only"), "{}", output.err);
    }
    let mut command = with(&fixture, &["--only", "TYPO"], &["true"]);
    command.env("DB", "@KeyVault(SecretName=a)");
    assert!(run(command).await.assert_code(0).err.contains("TYPO matches no variable"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_name_of_a_secret_does_not_make_programs_run_code() {
    let fixture = Fixture::start().await;
    for name in ["LD-PRELOAD", "BASH-ENV", "NODE-OPTIONS", "PATH", "Db"] {
        fixture.emulator.set(name, "/tmp/canary.so");
    }
    let output = run(with(&fixture, &["--all"], &["/usr/bin/env"])).await;
    output.assert_code(0);
    assert!(output.out.contains("DB=/tmp/canary.so"), "{}", output.out);
    for name in ["LD_PRELOAD", "BASH_ENV", "NODE_OPTIONS"] {
        assert!(!output.out.contains(&format!("{name}=")) && output.err.contains(name), "{name}: {}", output.err);
    }
    assert!(!output.out.contains("PATH=/tmp"), "{}", output.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_are_read_from_files_of_every_form() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("a", "hunter2");
    fixture.write(
        "local.settings.json",
        "{\"IsEncrypted\": false, \"Values\": {\"A\": \"@Microsoft.KeyVault(SecretName=a)\", \"B:C\": \"d\"}}",
    );
    fixture.write("docker.env", "GIVEN\nMISSING\nKEYVAULT_TOKEN\nD: x@KeyVault(SecretName=a)\nE='it\\'s'\n");
    let options = ["--env-file", "local.settings.json", "--env-file", "docker.env"];
    let mut command = with(&fixture, &options, &["env"]);
    command.env("GIVEN", "given");
    let output = run(command).await;
    output.assert_code(0);
    for line in ["A=hunter2", "B:C=d", "GIVEN=given", "D=xhunter2", "E=it's", "KEYVAULT_TOKEN="] {
        assert!(output.out.contains(line), "{line}\n{}", output.out);
    }
    assert!(!output.out.contains("MISSING") && !output.out.contains("IsEncrypted"), "{}", output.out);
    fixture.write("bad.env", "A=1\nB C=canary-7f3a9c\nD='open\n");
    let output = run(with(&fixture, &["--env-file", "bad.env"], &["touch", "started"])).await;
    output.assert_code(2).assert_no_canary();
    assert!(output.err.contains("bad.env:2") && output.err.contains("bad.env:3"), "{}", output.err);
    assert!(!fixture.directory().join("started").exists());
}
