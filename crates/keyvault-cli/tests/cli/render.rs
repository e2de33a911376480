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

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_pipes_and_links_to_them_are_written_through() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("db", "hunter2");
    fixture.write("a.conf", "pass=@KeyVault(SecretName=db)\n");
    std::os::unix::fs::symlink("/dev/stdout", fixture.path("link")).expect("a link");
    let is_link = || std::fs::symlink_metadata(fixture.path("link")).is_ok_and(|link| link.is_symlink());
    for path in ["/dev/stdout", "/proc/self/fd/1", "link"] {
        let mut command = fixture.command("render");
        command.args(["a.conf", "-o", path]);
        assert_eq!(run(command).await.assert_code(0).out, "pass=hunter2\n", "{path}");
        assert!(is_link());
        // What is already in a redirected file stays.
        let file = std::fs::File::create(fixture.path("redirected")).expect("a file");
        std::io::Write::write_all(&mut &file, b"head\n").expect("a line");
        let mut command = fixture.command("render");
        command.args(["a.conf", "-o", path]).stdout(file);
        run(command).await.assert_code(0);
        assert_eq!(fixture.read("redirected"), "head\npass=hunter2\n", "{path}");
        assert!(is_link());
    }
    let made = std::process::Command::new("mkfifo").arg(fixture.path("pipe")).status().expect("mkfifo runs");
    assert!(made.success());
    let pipe = fixture.path("pipe");
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(pipe).expect("a reader"));
    let mut command = fixture.command("render");
    command.args(["a.conf", "-o", "pipe"]);
    run(command).await.assert_code(0);
    assert_eq!(read.await.expect("it ran"), "pass=hunter2\n");
    assert!(!std::fs::symlink_metadata(fixture.path("pipe")).expect("a pipe").is_file());
    for (path, code) in [("/proc/self/exe", 1), ("/proc/self/cwd", 1), (".", 1)] {
        let mut command = fixture.command("render");
        command.args(["a.conf", "-o", path]);
        run(command).await.assert_code(code);
    }
    let mut command = fixture.command("render");
    command.args(["a.conf", "-o", "link", "--watch"]);
    assert!(run(command).await.assert_code(2).err.contains("--watch"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_file_that_was_removed_is_written_again() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("db", "hunter2");
    fixture.write("a.conf", "pass=@KeyVault(SecretName=db)\n");
    // The content is right and the mode is not.
    fixture.write("out", "pass=hunter2\n");
    std::fs::set_permissions(fixture.path("out"), std::fs::Permissions::from_mode(0o644)).expect("a mode");
    let mut command = fixture.command("render");
    command.args(["a.conf", "-o", "out", "--watch", "--interval", "1s"]);
    let child = command.spawn().expect("the command starts");
    let mode = || std::fs::metadata(fixture.path("out")).map(|out| out.permissions().mode() & 0o7777).ok();
    eventually("the mode is right", || mode() == Some(0o600)).await;
    std::fs::remove_file(fixture.path("out")).expect("a file");
    eventually("the file is back", || mode() == Some(0o600)).await;
    assert_eq!(fixture.read("out"), "pass=hunter2\n");
    send_signal(&child, "-TERM");
    wait(child).await.assert_code(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_escaped_for_the_format_of_the_file() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("odd", "a\"b\\c'd&<e>: #\nf");
    fixture.emulator.set("port", "5432");
    let render = |arguments: &[&str]| {
        let mut command = fixture.command("render");
        command.args(arguments);
        run(command)
    };
    let json = "{\n  \"a\": \"x@KeyVault(SecretName=odd)\",\n  \"port\": @KeyVault(SecretName=port),\n  \
                \"b\": \"@@KeyVault(\"\n}\n";
    for name in ["a.json", "a.json.template", "b.txt"] {
        fixture.write(name, json);
    }
    for arguments in
        [&["a.json"][..], &["a.json.template"], &["b.txt", "--format", "json"], &["b.txt", "-o", "out.json"]]
    {
        let output = render(arguments).await;
        let text = if output.out.is_empty() { fixture.read("out.json") } else { output.assert_code(0).out.clone() };
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["a"], "xa\"b\\c'd&<e>: #\nf", "{arguments:?}");
        assert_eq!((value["port"].as_u64(), value["b"].as_str()), (Some(5432), Some("@KeyVault(")));
    }
    assert!(render(&["a.json", "--format", "text"]).await.assert_code(0).out.contains("xa\"b\\c'd"));
    fixture.write("a.yaml", "a: '@KeyVault(SecretName=odd)'\nb: 1\n");
    assert_eq!(render(&["a.yaml"]).await.assert_code(0).out, "a: \"a\\\"b\\\\c'd&<e>: #\\nf\"\nb: 1\n");
    fixture.write("a.xml", "<a b=\"@KeyVault(SecretName=odd)\"/>");
    assert!(render(&["a.xml"]).await.assert_code(0).out.contains("a&quot;b\\c&#39;d&amp;&lt;e&gt;: #&#10;f"));

    fixture.write("out", "old");
    fixture.write("bad.json", "{\"a\": 1,\n\"b\": @KeyVault(SecretName=odd)}");
    let output = render(&["bad.json", "-o", "out"]).await;
    assert!(output.assert_code(2).err.contains("bad.json:2: "), "{}", output.err);
    assert!(!output.err.contains("c'd") && fixture.read("out") == "old", "{}", output.err);
    // Without the line of the absent secret the comma before it would be one too many.
    fixture.write("comma.json", "{\n\"a\": 1,\n\"b\": \"@KeyVault(SecretName=gone;Optional=true)\"\n}");
    assert_eq!(render(&["comma.json"]).await.assert_code(0).out, "{\n\"a\": 1,\n}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_byte_order_mark_and_the_right_lines_stay() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("a", "x");
    // More than nine references, because lines are numbers and no words.
    let line = |n: u32| format!("{n} @KeyVault(SecretName={};Optional=true)\r\n", if n == 2 { "gone" } else { "a" });
    fixture.write("a.conf", &format!("\u{feff}{}", (1..=12).map(line).collect::<String>()));
    let mut command = fixture.command("render");
    command.arg("a.conf");
    let expected: String = (1..=12).filter(|n| *n != 2).map(|n| format!("{n} x\r\n")).collect();
    assert_eq!(run(command).await.assert_code(0).out, format!("\u{feff}{expected}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_that_sources_a_rendered_env_file_reads_each_secret_back() {
    let fixture = Fixture::start().await;
    let values = [
        "`touch made`x",
        "it's `touch made`",
        "it's $(touch made) \\` \"q\" \\\\",
        "a`b$c\"d\\e f",
        "\\`touch made\\`",
        "'`'",
        "~",
        "~root:~/x",
        "$HOME ${HOME} !! * # x",
        "ends in \\",
        "'ends in \\",
        " spaces  and\ttabs ",
    ];
    for value in values {
        fixture.emulator.set("odd", value);
        for (template, before) in
            [("A=@", ""), ("A='@'", ""), ("A=\"@\"", ""), ("A=x@", "x"), ("A='x@'", "x"), ("A=\"x@\"", "x")]
        {
            let template = template.replace('@', "@KeyVault(SecretName=odd)");
            fixture.write("a.env", &format!("{template}\nB=1\n"));
            let mut command = fixture.command("render");
            command.args(["a.env", "-o", "out.env"]);
            run(command).await.assert_code(0);
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", ". ./out.env; printf '%s,%s' \"$A\" \"$B\""]).current_dir(fixture.directory());
            let output = shell.output().expect("the shell runs");
            let found = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(found, format!("{before}{value},1"), "{template}: {}", fixture.read("out.env"));
            let mut command = fixture.command_without_vault("run");
            command.args(["--env-file", "out.env", "--", "sh", "-c", "printf '%s,%s' \"$A\" \"$B\" > seen"]);
            run(command).await.assert_code(0);
            assert_eq!(fixture.read("seen"), found, "{template}");
        }
    }
    assert!(!std::path::Path::new(&fixture.path("made")).exists(), "no secret runs as a command");
}
