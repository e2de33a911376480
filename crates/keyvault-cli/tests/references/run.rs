//! `keyvault run` as a shell, a container and an impatient operator run it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use keyvault_emulator::{Denial, Fault, Operation};

use crate::scene::{CANARY, Scene, end, eventually, run, signal};

fn with(scene: &Scene, options: &[&str], words: &[&str]) -> Command {
    let mut command = scene.command("run");
    command.args(options).arg("--").args(words);
    command
}

fn sh(script: &str) -> [&str; 3] {
    ["sh", "-c", script]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_child_has_secrets_where_references_were() {
    let scene = Scene::begin("env").await;
    let large = "x".repeat(25_000);
    for (name, value) in [
        ("plain", "hunter2"),
        ("odd", "two\nlines \"and\" 'quotes' 🔑 $HOME"),
        ("nested", "@KeyVault(SecretName=plain)"),
        ("large", &large),
        ("json", r#"{"a":{"b":["x","member"]}}"#),
        ("empty", ""),
    ] {
        scene.emulator.set(name, value);
    }
    scene.write("a.env", "FROM_FILE='f:@KeyVault(SecretName=plain)'\nPLAIN=1\nSET=file\nTWICE=a");
    scene.write("b.env", "TWICE=b\n");
    let mut command = with(&scene, &["--env-file", "a.env", "--env-file", "b.env"], &["env", "-0"]);
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
    let said = run(command).await;
    said.ends_with(0);
    let variables: Vec<&str> = said.out.split('\0').collect();
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
    assert!(!said.out.contains("ABSENT"), "what is optional and absent is unset");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_stay_behind_unless_asked_for() {
    let scene = Scene::begin("credentials").await;
    scene.emulator.set("app", "for the child");
    let given = [
        ("AZURE_CLIENT_SECRET", "canary"),
        ("AZURE_TENANT_ID", "t"),
        ("IDENTITY_HEADER", "canary"),
        ("MSI_SECRET", "canary"),
        ("AZURE_STORAGE_ACCOUNT", "stays"),
    ];
    let text = scene.write("app.env", "AZURE_CLIENT_ID=of-the-child\nAZURE_PASSWORD=@KeyVault(SecretName=app)\n");
    for mask in [&[][..], &["--mask"]] {
        let mut command = with(&scene, &[&["--env-file", &text], mask].concat(), &["env"]);
        command.envs(given).env("A", "@KeyVault(SecretName=app)");
        let said = run(command).await;
        said.ends_with(0);
        for gone in ["KEYVAULT_TOKEN", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "IDENTITY_HEADER", "MSI_SECRET"] {
            assert!(!said.out.contains(gone), "{gone}\n{}", said.out);
        }
        assert!(said.out.contains("AZURE_STORAGE_ACCOUNT=stays") && said.out.contains("AZURE_CLIENT_ID=of-the-child"));
        assert!(said.out.contains("AZURE_PASSWORD="), "a reference is for the child, whatever its name");
    }
    let mut command = with(&scene, &[], &["env"]);
    command.envs(given);
    assert!(!run(command).await.ends_with(0).out.contains("KEYVAULT_TOKEN"), "with nothing to resolve, too");
    let mut command = with(&scene, &["--keep-credentials"], &["env"]);
    command.envs(given).env("A", "@KeyVault(SecretName=app)");
    let said = run(command).await;
    assert!(said.out.contains("KEYVAULT_TOKEN=") && said.out.contains("AZURE_CLIENT_SECRET=canary"), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_by_name_are_variables() {
    let scene = Scene::begin("names").await;
    for (name, value) in [("Shop--Db--Password", "one"), ("Shop--Api-Key", "two"), ("Other", "three")] {
        scene.emulator.set(name, value);
    }
    let mut command = with(&scene, &["--prefix", "Shop--"], &["env"]);
    command.env("API_KEY", "set already");
    let said = run(command).await;
    assert!(said.ends_with(0).out.contains("DB__PASSWORD=one\n") && said.out.contains("API_KEY=set already\n"));
    assert!(!said.out.contains("OTHER"));
    let said = run(with(&scene, &["--all"], &["env"])).await;
    assert!(said.ends_with(0).out.contains("SHOP__API_KEY=two\n") && said.out.contains("OTHER=three\n"));
    scene.emulator.set("Shop--Db", "four");
    let said = run(with(&scene, &["--prefix", "Shop--"], &["env"])).await;
    assert!(said.ends_with(2).err.contains("Shop--Db and Shop--Db--Password"), "{}", said.err);
    scene.emulator.deny(Denial::Rbac, &[Operation::List]);
    assert!(run(with(&scene, &["--all"], &["env"])).await.ends_with(4).err.contains("help:"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_resolved_stops_the_start() {
    let scene = Scene::begin("stop").await;
    scene.emulator.set("nul", "canary-7f3a9c\0x");
    scene.write("bad.env", "A=@KeyVault(SecretName=gone)\nB='@KeyVault('\n");
    let cases: [(&[&str], &str, i32, &[&str]); 5] = [
        (&[], "@KeyVault(SecretName=gone)", 3, &["variable A", "gone in"]),
        (&[], "@KeyVault(SecretName=nul)", 2, &["A (variable A)", "NUL"]),
        (&[], "@KeyVault(VaultName=stranger;SecretName=a)", 4, &["--vault stranger"]),
        (&["--env-file", "bad.env"], "", 1, &["2 references cannot", "bad.env:1  A", "bad.env:2"]),
        (&["--env-file", "missing.env"], "", 1, &["missing.env"]),
    ];
    for (options, value, code, expected) in cases {
        let mut command = with(&scene, options, &["touch", "started"]);
        if !value.is_empty() {
            command.env("A", value);
        }
        let said = run(command).await;
        said.ends_with(code).is_clean();
        expected.iter().for_each(|part| assert!(said.err.contains(part), "{part}\n{}", said.err));
        assert!(!scene.directory.join("started").exists(), "the command was not started");
    }
    scene.emulator.fault(Fault::status(503));
    let mut command = with(&scene, &["--timeout", "2s"], &["touch", "started"]);
    command.env("A", "@KeyVault(SecretName=gone)");
    run(command).await.ends_with(5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exit_codes_are_the_childs() {
    let scene = Scene::begin("codes").await;
    scene.write("plain.txt", "not a program");
    for mode in [&[][..], &["--mask"], &["--restart-on-change"]] {
        for (words, code) in [
            (&sh("exit 0")[..], 0),
            (&sh("exit 42"), 42),
            (&["/nonexistent/x"], 127),
            (&["no-such-command-7f3a"], 127),
            (&["./plain.txt"], 126),
            (&["/"], 126),
        ] {
            run(with(&scene, mode, words)).await.ends_with(code);
        }
    }
    for (name, number) in [("TERM", 15), ("KILL", 9), ("SEGV", 11)] {
        run(with(&scene, &["--mask"], &sh(&format!("kill -{name} $$")))).await.ends_with(128 + number);
    }
    let said = run(with(&scene, &[], &sh("kill -TERM $$"))).await;
    assert_eq!(said.code, None, "without a parent the signal itself is seen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_reach_the_child() {
    let scene = Scene::begin("signals").await;
    for mode in [&[][..], &["--mask"]] {
        for name in ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2"] {
            let script = format!("trap 'echo got {name}; exit 7' {name}; touch ready; while :; do sleep 0.05; done");
            // A shell cannot trap what was ignored when it began, as SIGHUP is under nohup.
            let words = ["env", "--default-signal", "sh", "-c", &script];
            let child = with(&scene, mode, &words).spawn().expect("it starts");
            eventually("the child is ready", || scene.directory.join("ready").exists()).await;
            std::fs::remove_file(scene.directory.join("ready")).expect("it was there");
            signal(&child, &format!("-{name}"));
            let said = end(child).await;
            assert!(said.ends_with(7).out.contains(&format!("got {name}")), "{name} {mode:?}: {}", said.out);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masked_output_has_no_value_however_it_is_written() {
    let scene = Scene::begin("mask").await;
    scene.emulator.set("a", CANARY);
    scene.emulator.set("b", "-----BEGIN KEY-----\nline-one-7f3a\nline-two-9c1b\n-----END KEY-----\n");
    scene.emulator.set("short", "ab");
    let script = r#"echo "whole $A and in $URL"; echo "error $A" >&2; printf 'canary-'; sleep 0.3; printf '7f3a9c\n'
        printf 'can'; sleep 0.3; echo 'ary-7f3a9c!'; echo "$B"; echo "two: $(echo "$B" | sed -n 2p)"; echo "$S"
        i=0; while [ $i -lt 20000 ]; do echo "$i $A"; i=$((i+1)); done; printf "$A""#;
    let mut command = with(&scene, &["--mask"], &sh(script));
    command
        .env("A", "@KeyVault(SecretName=a)")
        .env("B", "@KeyVault(SecretName=b)")
        .env("S", "@KeyVault(SecretName=short)");
    command.env("URL", "u:@KeyVault(SecretName=a)@h");
    let said = run(command).await;
    said.ends_with(0).is_clean();
    assert!(said.out.starts_with("whole *** and in u:***@h\n***\n"), "{}", &said.out[..200]);
    for part in ["two: ***\n", "\nab\n", "19999 ***\n***"] {
        assert!(said.out.contains(part), "{part}");
    }
    assert!(!said.out.contains("line-one") && !said.out.contains("ary-7f3a9c"), "{}", &said.out[..400]);
    assert!(said.err.contains("error ***") && said.err.contains("shorter than 4"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_that_nobody_reads_and_a_pipe_that_is_kept_open_end() {
    let scene = Scene::begin("flood").await;
    scene.emulator.set("a", CANARY);
    // The reader goes away: the child is told so and ends.
    let mut command = with(&scene, &["--mask"], &["yes", "flood"]);
    command.env("A", "@KeyVault(SecretName=a)");
    let mut child = command.spawn().expect("it starts");
    let mut out = child.stdout.take().expect("stdout is piped");
    let read = move || std::io::Read::read_exact(&mut out, &mut [0; 100_000]);
    tokio::task::spawn_blocking(read).await.expect("it runs").expect("a flood");
    assert_ne!(end(child).await.code, Some(0));
    // What the child left behind holds its pipe: nobody waits for it.
    let begun = Instant::now();
    let said = run(with(&scene, &["--mask"], &sh("sleep 60 & echo $! > left; echo done"))).await;
    assert!(said.ends_with(0).out == "done\n" && begun.elapsed() < Duration::from_secs(30));
    Command::new("kill").arg(scene.read("left").trim()).status().expect("kill runs");
    // Nobody reads, and the signal still reaches it.
    let child = with(&scene, &["--mask"], &["yes"]).spawn().expect("it starts");
    eventually("the child writes", || {
        let id = child.id();
        std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).is_ok_and(|ids| !ids.trim().is_empty())
    })
    .await;
    signal(&child, "-TERM");
    let code = tokio::task::spawn_blocking(move || {
        let mut child = child;
        child.wait().expect("it ends").code()
    });
    assert_eq!(tokio::time::timeout(Duration::from_secs(20), code).await.expect("in time").expect("it ran"), Some(143));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_child_restarts_when_its_variables_change_and_only_then() {
    let scene = Scene::begin("restart").await;
    scene.emulator.set("a", "first-value");
    let script = r#"trap '' TERM; echo $$ > pid; echo "$A" >> starts; while :; do sleep 0.05; done"#;
    let options = ["--restart-on-change", "--interval", "1s", "--grace", "200ms", "--mask"];
    let mut command = with(&scene, &options, &sh(script));
    command.env("A", "@KeyVault(SecretName=a)").stdout(Stdio::null());
    let child = command.spawn().expect("it starts");
    let starts = || std::fs::read_to_string(scene.path("starts")).unwrap_or_default();
    eventually("the first start", || starts() == "first-value\n").await;
    // A new version of the same value: three looks later nothing happened.
    scene.emulator.set("a", "first-value");
    let gets =
        || scene.emulator.request_log().iter().filter(|request| request.path_and_query.contains("/secrets/a")).count();
    let before = gets();
    eventually("three looks", || gets() >= before + 3).await;
    assert_eq!(starts(), "first-value\n");
    // The vault fails: the child goes on.
    scene.emulator.fault_next(1, Fault::status(403));
    let before = gets();
    eventually("two looks", || gets() >= before + 2).await;
    assert_eq!(starts(), "first-value\n");
    scene.emulator.set("a", "second-value");
    eventually("the second start", || starts() == "first-value\nsecond-value\n").await;
    signal(&child, "-KILL");
    let said = end(child).await;
    assert!(said.err.contains("restarting the command, for these variables changed: A"), "{}", said.err);
    assert!(said.err.contains("cannot look for new versions"), "{}", said.err);
    assert!(!said.err.contains("-value"), "{}", said.err);
    // The child ignores TERM, and keyvault is gone.
    Command::new("kill").args(["-KILL", scene.read("pid").trim()]).status().expect("kill runs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_dies_is_not_started_again() {
    let scene = Scene::begin("dies").await;
    scene.emulator.set("a", CANARY);
    let mut command = with(&scene, &["--restart-on-change", "--interval", "1s"], &sh("echo start; exit 3"));
    command.env("A", "@KeyVault(SecretName=a)");
    let said = run(command).await;
    assert_eq!(said.ends_with(3).out, "start\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_nothing_to_resolve_nobody_is_asked() {
    let scene = Scene::begin("nothing").await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyvault"));
    command.args(["run", "--vault", "not a vault!", "--ca-file", "missing.pem", "--", "echo", "started"]);
    command.env_remove("KEYVAULT_TOKEN").stdout(Stdio::piped()).stderr(Stdio::piped());
    assert_eq!(run(command).await.ends_with(0).out, "started\n");
    assert!(scene.emulator.request_log().is_empty());
}
