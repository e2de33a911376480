//! `keyvault check` as a pipeline and a person at 3 a.m. run it.

use crate::scene::{CANARY, Scene, run, run_with};
use keyvault_emulator::{Fault, SetSecret};

const TOML: &str = "[database]\npassword = \"@KeyVault(SecretName=db-password)\"\nport = 5432\n\n[mail]\nkey = \
                    \"x@KeyVault(SecretName=mail-key;Property=keys.0)\"\nproxy = '@KeyVault(SecretName=proxy;Optional=true)'\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_resolves_is_shown_without_its_value() {
    let scene = Scene::begin("good").await;
    scene.emulator.set("db-password", CANARY);
    scene.emulator.set("mail-key", &format!(r#"{{"keys":["{CANARY}"]}}"#));
    scene.write("settings.toml", TOML);
    let mut command = scene.command("check");
    command.arg("settings.toml");
    let said = run(command).await;
    said.ends_with(0).is_clean();
    for line in [
        "    settings.toml:2  database.password  db-password in ",
        "    settings.toml:6  mail.key           mail-key in ",
        "Optional and absent",
        "3 references: 2 resolved, 1 absent and optional (in 4 values of 1 file)",
    ] {
        assert!(said.out.contains(line), "{line}\n{}", said.out);
    }
    assert!(said.err.is_empty() && !said.out.contains('\x1b'), "{}", said.err);

    let mut command = scene.command("check");
    command.args(["settings.toml", "--json"]);
    let said = run(command).await;
    let json = said.ends_with(0).is_clean().json();
    assert_eq!(json["resolved"], true);
    assert_eq!(json["rows"][0]["origin"], "settings.toml:2");
    assert_eq!(json["rows"][0]["status"], "Resolved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_failure_has_its_place_and_its_code() {
    let scene = Scene::begin("bad").await;
    scene.emulator.set("db", CANARY);
    let pinned = "0".repeat(32);
    for (name, text, code, expected) in [
        ("a.toml", "a = '@KeyVault(SecretNam=canary-7f3a9c)'", 2, &["a.toml:1", "InvalidSyntax"][..]),
        ("b.json", "{\n\"a\": \"@KeyVault(SecretName=gone)\"}", 3, &["b.json:2  a", "SecretNotFound", "gone in"]),
        ("c.yaml", "x:\n- '@KeyVault(SecretName=db'\n", 2, &["c.yaml:2", "x[0]", "parenthesis"]),
        ("d.ini", "[s]\nk=@KeyVault(VaultName=stranger;SecretName=db)", 4, &["d.ini:2  s.k", "--vault stranger"]),
        (".env", "A=@KeyVault(SecretUri=https://contoso.vault.azure.net/keys/db)", 2, &[".env:1  A"]),
        ("e.env", "A=@KeyVault(SecretName=)", 2, &["e.env:1", "empty"]),
        ("f.toml", &format!("a='@KeyVault(SecretName=db;SecretVersion={pinned})'"), 3, &["SecretVersionNotFound"]),
        ("g.toml", "a='@KeyVault(SecretUri=https://evil.example/secrets/a)'", 4, &["  https://evil.example"]),
        ("h.conf", "x\ny @KeyVault(SecretName=gone)\n", 3, &["h.conf:2"]),
        ("i.toml", "a = 'canary-7f3a9c\n", 2, &["i.toml:1: not TOML"]),
        ("j.toml", "a='@KeyVault(SecretName=gone)'\nb='@KeyVault('", 1, &["j.toml:1  a", "j.toml:2"]),
    ] {
        scene.write(name, text);
        let mut command = scene.command("check");
        command.arg(name);
        let said = run(command).await;
        said.ends_with(code).is_clean();
        for part in expected {
            assert!(said.out.contains(part), "{name} says {part}:\n{}", said.out);
        }
        assert!(said.out.lines().all(|line| line.chars().count() <= 80), "{}", said.out);
    }
    let mut command = scene.command("check");
    command.arg("missing.toml");
    assert!(run(command).await.ends_with(1).out.contains("missing.toml: No such file"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offline_nobody_is_asked() {
    let scene = Scene::begin("offline").await;
    for (text, vault, code) in [
        ("a='@KeyVault(SecretName=a)'", None, 0),
        ("a='@KeyVault(VaultName=contoso;SecretName=a)'", None, 0),
        ("a='@KeyVault(VaultName=contoso;SecretName=a)'", Some("contoso"), 0),
        ("a='@KeyVault(VaultName=shared;SecretName=a)'", Some("contoso"), 4),
        ("a='@KeyVault(VaultName=shared;SecretName=a)'", Some("contoso,shared"), 0),
        ("a='@KeyVault(SecretUri=https://contoso.vault.azure.net.evil.example/secrets/a)'", None, 2),
        ("a='@KeyVault(SecretUri=https://evil.example/secrets/a)'", None, 4),
        ("a='@KeyVault(SecretName=a)'\n[A]\nb=1", None, 2),
    ] {
        scene.write("a.toml", text);
        let mut command = scene.command_without_vault("check");
        command.args(["--offline", "a.toml"]).args(vault.map(|vault| ["--vault", vault]).into_iter().flatten());
        let said = run(command).await;
        assert_eq!(said.code, Some(code), "{text} with {vault:?}\n{}{}", said.out, said.err);
    }
    assert!(scene.emulator.request_log().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_vault_the_report_says_how_to_name_it() {
    let scene = Scene::begin("unnamed").await;
    let mut command = scene.command_without_vault("check");
    command.env("A", "@KeyVault(SecretName=a)").env("B", "@KeyVault(VaultName=contoso;SecretName=b)");
    let said = run(command).await;
    said.ends_with(1);
    assert!(said.out.contains("--vault NAME") && said.out.contains("--vault contoso"), "{}", said.out);
    assert!(scene.emulator.request_log().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_and_standard_input_are_checked_when_asked_for() {
    let scene = Scene::begin("sources").await;
    scene.emulator.set("db", CANARY);
    let mut command = scene.command("check");
    command.env("SHOP_DB__URL", "x@KeyVault(SecretName=db)").env("OTHER", "@KeyVault(").args(["--env-prefix", "SHOP_"]);
    let said = run(command).await;
    said.ends_with(0).is_clean();
    assert!(said.out.contains("variable SHOP_DB__URL  db.url"), "{}", said.out);
    let mut command = scene.command("check");
    command.args(["-", "--format", "yaml"]);
    let said = run_with(command, "a:\n  b: '@KeyVault(SecretName=gone)'\n").await;
    assert!(said.ends_with(3).out.contains("standard input:2  a.b"), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_references_are_a_matter_of_seconds_and_of_one_screen() {
    let scene = Scene::begin("many").await;
    scene.emulator.set("s-1", CANARY);
    let line = |n: u32| {
        format!(
            "[[server]]\nname = 'server number {n} of them all'\nurl = 'https://u:@KeyVault(SecretName=s-1)@h{n}'\n"
        )
    };
    scene.write("many.toml", &(0..10_000).map(line).collect::<String>());
    let mut command = scene.command("check");
    command.arg("many.toml");
    let begun = std::time::Instant::now();
    let said = run(command).await;
    said.ends_with(0).is_clean();
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    assert!(said.out.contains("10,000 references: 10,000 resolved") && said.out.lines().count() < 60, "{}", said.out);

    scene.write("gone.env", &(0..10_000).map(|n| format!("V{n}=@KeyVault(SecretName=gone-{n})\n")).collect::<String>());
    let mut command = scene.command("check");
    command.arg("gone.env");
    let said = run(command).await;
    said.ends_with(3);
    assert!(said.out.contains("and 9,980 more") && said.out.lines().count() < 60, "{}", said.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_that_fails_is_told_apart_and_dates_are_shown() {
    let scene = Scene::begin("states").await;
    let date = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_900_000_000);
    scene.emulator.set_secret("dated", SetSecret::new(CANARY).expires(date));
    scene.write("a.toml", "a = '@KeyVault(SecretName=dated)'");
    let mut command = scene.command("check");
    command.arg("a.toml");
    let said = run(command).await;
    assert!(said.ends_with(0).is_clean().out.contains("expires 2030-03-17T17:46:40Z"), "{}", said.out);
    scene.emulator.fault(Fault::status(503));
    let mut command = scene.command("check");
    command.args(["a.toml", "--timeout", "2s"]);
    let said = run(command).await;
    said.ends_with(5);
}
