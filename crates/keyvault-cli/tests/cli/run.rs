//! `keyvault run`: variables, exit codes and signals.

use std::process::{Command, Stdio};

use keyvault_emulator::{Denial, Fault, Operation};
#[cfg(target_os = "linux")]
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::fixture::{Fixture, eventually, keyvault, run, send_signal, sh, wait};

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
    let mut command = fixture.run_command(&["--env-file", "a.env", "--env-file", "b.env"], &["env", "-0"]);
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
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "canary"),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://127.0.0.1:9"),
        ("SYSTEM_ACCESSTOKEN", "canary"),
        ("SYSTEM_OIDCREQUESTURI", "https://127.0.0.1:9"),
        ("AZURE_STORAGE_ACCOUNT", "stays"),
    ];
    let text = fixture.write("app.env", "AZURE_CLIENT_ID=of-the-child\nAZURE_PASSWORD=@KeyVault(SecretName=app)\n");
    for mask in [&[][..], &["--mask"]] {
        let mut command = fixture.run_command(&[&["--env-file", &text], mask].concat(), &["env"]);
        command.envs(given).env("A", "@KeyVault(SecretName=app)");
        let output = run(command).await;
        output.assert_code(0);
        let given = given.iter().map(|(name, _)| *name).filter(|name| *name != "AZURE_STORAGE_ACCOUNT");
        for gone in given.chain(["KEYVAULT_TOKEN"]) {
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
    let mut command = fixture.run_command(&[], &["env"]);
    command.envs(given);
    assert!(!run(command).await.assert_code(0).out.contains("KEYVAULT_TOKEN"), "also without a reference");
    let mut command = fixture.run_command(&["--keep-credentials"], &["env"]);
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
    let mut command = fixture.run_command(&["--prefix", "Shop--"], &["env"]);
    command.env("API_KEY", "set already");
    let output = run(command).await;
    assert!(output.assert_code(0).out.contains("DB__PASSWORD=one\n") && output.out.contains("API_KEY=set already\n"));
    assert!(!output.out.contains("OTHER"));
    let output = run(fixture.run_command(&["--all"], &["env"])).await;
    assert!(output.assert_code(0).out.contains("SHOP__API_KEY=two\n") && output.out.contains("OTHER=three\n"));
    fixture.emulator.set("Shop--Db", "four");
    let output = run(fixture.run_command(&["--prefix", "Shop--"], &["env"])).await;
    assert!(output.assert_code(2).err.contains("Shop--Db and Shop--Db--Password"), "{}", output.err);
    fixture.emulator.deny(Denial::Rbac, &[Operation::List]);
    assert!(run(fixture.run_command(&["--all"], &["env"])).await.assert_code(4).err.contains("help:"));
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
        let mut command = fixture.run_command(options, &["touch", "started"]);
        if !value.is_empty() {
            command.env("A", value);
        }
        let output = run(command).await;
        output.assert_code(code).assert_no_canary();
        expected.iter().for_each(|part| assert!(output.err.contains(part), "{part}\n{}", output.err));
        assert!(!fixture.directory().join("started").exists(), "the command was not started");
    }
    fixture.emulator.fault(Fault::status(503));
    let mut command = fixture.run_command(&["--timeout", "2s"], &["touch", "started"]);
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
            run(fixture.run_command(mode, words)).await.assert_code(code);
        }
    }
    for (name, number) in [("TERM", 15), ("KILL", 9), ("SEGV", 11)] {
        run(fixture.run_command(&["--mask"], &sh(&format!("kill -{name} $$")))).await.assert_code(128 + number);
    }
    let output = run(fixture.run_command(&[], &sh("kill -TERM $$"))).await;
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
            let child = fixture.run_command(mode, &words).spawn().expect("the command starts");
            eventually("the child is ready", || fixture.directory().join("ready").exists()).await;
            std::fs::remove_file(fixture.directory().join("ready")).expect("it was there");
            send_signal(&child, &format!("-{name}"));
            let output = wait(child).await;
            assert!(output.assert_code(7).out.contains(&format!("got {name}")), "{name} {mode:?}: {}", output.out);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_references_no_vault_is_contacted() {
    let fixture = Fixture::start().await;
    let mut command = keyvault();
    command.args(["run", "--vault", "not a vault!", "--ca-file", "missing.pem", "--", "echo", "started"]);
    command.env_remove("KEYVAULT_TOKEN");
    assert_eq!(run(command).await.assert_code(0).out, "started\n");
    let mut command = fixture.run_command(&[], &["echo", "started"]);
    command.env("A", "b@c").env("ESCAPED", "@@KeyVault(SecretName=a)");
    assert_eq!(run(command).await.assert_code(0).out, "started\n");
    assert!(fixture.emulator.request_log().is_empty());
}

#[cfg(target_os = "linux")]
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
        let keyvault = fixture.run_command(&[mode], &sh("echo $$ > pid; while :; do sleep 0.05; done"));
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
        let mut command = fixture.run_command(&[&["--env-file", "a.env"], options].concat(), &["env"]);
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
    let mut command = fixture.run_command(&["--only", "TYPO"], &["true"]);
    command.env("DB", "@KeyVault(SecretName=a)");
    assert!(run(command).await.assert_code(0).err.contains("TYPO matches no variable"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_name_of_a_secret_does_not_make_programs_run_code() {
    let fixture = Fixture::start().await;
    for name in ["LD-PRELOAD", "BASH-ENV", "NODE-OPTIONS", "PATH", "Db"] {
        fixture.emulator.set(name, "/tmp/canary.so");
    }
    let output = run(fixture.run_command(&["--all"], &["/usr/bin/env"])).await;
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
    let mut command = fixture.run_command(&options, &["env"]);
    command.env("GIVEN", "given");
    let output = run(command).await;
    output.assert_code(0);
    for line in ["A=hunter2", "B:C=d", "GIVEN=given", "D=xhunter2", "E=it's", "KEYVAULT_TOKEN="] {
        assert!(output.out.contains(line), "{line}\n{}", output.out);
    }
    assert!(!output.out.contains("MISSING") && !output.out.contains("IsEncrypted"), "{}", output.out);
    fixture.write("bad.env", "A=1\nB C=canary-7f3a9c\nD='open\n");
    let output = run(fixture.run_command(&["--env-file", "bad.env"], &["touch", "started"])).await;
    output.assert_code(2).assert_no_canary();
    assert!(output.err.contains("bad.env:2") && output.err.contains("bad.env:3"), "{}", output.err);
    assert!(!fixture.directory().join("started").exists());
}
