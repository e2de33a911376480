//! `keyvault render`: files that are whole, private and up to date.

use std::os::unix::fs::PermissionsExt;

use keyvault_emulator::Fault;

use crate::scene::{CANARY, Scene, end, eventually, run, run_with, signal};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_of_any_kind_is_rendered_whole_and_private() {
    let scene = Scene::begin("render").await;
    scene.emulator.set("db", "hunter2");
    scene.emulator.set("nested", "@KeyVault(SecretName=db)\0🔑\n");
    let template = "user = app\npass = \"@KeyVault(SecretName=db)\"; # @@KeyVault(x)\nproxy = @KeyVault(SecretName=gone;Optional=true)\n\
                    both @keyvault(SecretName=db)@Microsoft.KeyVault(SecretName=nested)end";
    let expected = "user = app\npass = \"hunter2\"; # @KeyVault(x)\nboth hunter2@KeyVault(SecretName=db)\0🔑\nend";
    scene.write("a.template", template);
    scene.write("out", "old");
    let mut command = scene.command("render");
    command.args(["a.template", "-o", "out"]);
    let said = run(command).await;
    said.ends_with(0);
    assert!(said.out.is_empty() && said.err.is_empty(), "{}{}", said.out, said.err);
    assert_eq!(scene.read("out"), expected);
    let mode = std::fs::metadata(scene.path("out")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let mut command = scene.command("render");
    command.arg("-");
    assert_eq!(run_with(command, template).await.ends_with(0).out, expected);
    let mut command = scene.command("render");
    command.args(["a.template", "-o", "a.template"]);
    run(command).await.ends_with(2);
    assert_eq!(scene.read("a.template"), template);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_failure_the_old_file_stays_and_the_line_is_told() {
    let scene = Scene::begin("render-bad").await;
    scene.emulator.set("db", CANARY);
    scene.write("out", "old");
    for (template, code, place) in [
        ("a\n@KeyVault(SecretName=db)\n@KeyVault(SecretName=gone)", 3, "a.conf:3"),
        ("canary-7f3a9c @KeyVault(", 2, "a.conf:1"),
        ("\n\n@KeyVault(SecretNam=canary-7f3a9c)", 2, "a.conf:3"),
        ("@KeyVault(VaultName=stranger;SecretName=a)", 4, "--vault stranger"),
    ] {
        scene.write("a.conf", template);
        let mut command = scene.command("render");
        command.args(["a.conf", "-o", "out"]);
        let said = run(command).await;
        said.ends_with(code).is_clean();
        assert!(said.err.contains(place), "{place}\n{}", said.err);
        assert_eq!(scene.read("out"), "old");
    }
    let left = std::fs::read_dir(&scene.directory).expect("a directory").filter_map(Result::ok);
    assert!(!left.into_iter().any(|entry| entry.file_name().to_string_lossy().ends_with(".tmp")));
    let mut command = scene.command("render");
    command.args(["missing.conf", "-o", "out"]);
    run(command).await.ends_with(1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_file_is_written_on_change_only_and_its_command_cannot_stop_that() {
    let scene = Scene::begin("watch").await;
    scene.emulator.set("db", "first-7f3a");
    scene.write("a.conf", "pass=@KeyVault(SecretName=db)\n");
    // Fails at first, then hangs, then works.
    let then = "echo run >> runs; env | grep -q KEYVAULT_TOKEN && echo leak >> runs; n=$(wc -l < runs); [ $n = 1 ] && exit 1; \
                [ $n = 2 ] && sleep 100; cp out seen";
    let mut command = scene.command("render");
    command.args(["a.conf", "-o", "out", "--watch", "--interval", "1s", "--then", then, "--then-timeout", "500ms"]);
    let child = command.spawn().expect("it starts");
    let read = |name: &str| std::fs::read_to_string(scene.path(name)).unwrap_or_default();
    eventually("the first file", || read("out") == "pass=first-7f3a\n").await;
    eventually("the command worked", || read("seen") == "pass=first-7f3a\n").await;
    assert_eq!(read("runs"), "run\nrun\nrun\n");
    let written = || std::fs::metadata(scene.path("out")).and_then(|out| out.modified()).expect("a file");
    let (first, before) = (written(), scene.emulator.requests().total);
    eventually("two more looks", || scene.emulator.requests().total >= before + 2).await;
    assert_eq!(written(), first, "nothing changed");
    scene.emulator.fault_next(1, Fault::status(403));
    let before = scene.emulator.requests().total;
    eventually("two more looks", || scene.emulator.requests().total >= before + 2).await;
    scene.emulator.set("db", "second-7f3a");
    eventually("the second file", || read("seen") == "pass=second-7f3a\n").await;
    scene.write("a.conf", "password=@KeyVault(SecretName=db)\n");
    eventually("a new template", || read("seen") == "password=second-7f3a\n").await;
    signal(&child, "-TERM");
    let said = end(child).await;
    said.ends_with(0);
    for part in ["failed: exit status: 1", "did not end within 500ms", "out stays as it is", "out is written anew"] {
        assert!(said.err.contains(part), "{part}\n{}", said.err);
    }
    assert!(!said.err.contains("-7f3a") && !read("runs").contains("leak"), "{}", said.err);
}
