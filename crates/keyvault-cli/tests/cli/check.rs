//! `keyvault check`.

use keyvault_emulator::{Fault, SetSecret};

use crate::fixture::{CANARY, Fixture, run, run_with};

const TOML: &str = "[database]\npassword = \"@KeyVault(SecretName=db-password)\"\nport = 5432\n\n[mail]\nkey = \
                    \"x@KeyVault(SecretName=mail-key;Property=keys.0)\"\n\
                    proxy = '@KeyVault(SecretName=proxy;Optional=true)'\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resolved_reference_is_listed_without_its_value() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("db-password", CANARY);
    fixture.emulator.set("mail-key", &format!(r#"{{"keys":["{CANARY}"]}}"#));
    fixture.write("settings.toml", TOML);
    let mut command = fixture.command("check");
    command.arg("settings.toml");
    let output = run(command).await;
    output.assert_code(0).assert_no_canary();
    for line in [
        "    settings.toml:2  database.password  db-password in ",
        "    settings.toml:6  mail.key           mail-key in ",
        "Optional and absent",
        "3 references: 2 resolved, 1 absent and optional (in 4 values of 1 file)",
    ] {
        assert!(output.out.contains(line), "{line}\n{}", output.out);
    }
    assert!(output.err.is_empty() && !output.out.contains('\x1b'), "{}", output.err);

    let mut command = fixture.command("check");
    command.args(["settings.toml", "--json"]);
    let output = run(command).await;
    let json = output.assert_code(0).assert_no_canary().json();
    assert_eq!(json["resolved"], true);
    assert_eq!(json["rows"][0]["origin"], "settings.toml:2");
    assert_eq!(json["rows"][0]["status"], "Resolved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_failure_has_an_origin_and_an_exit_code() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("db", CANARY);
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
        ("i.toml", "a = 'canary-7f3a9c\n", 2, &["i.toml:1: invalid TOML"]),
        ("j.toml", "a='@KeyVault(SecretName=gone)'\nb='@KeyVault('", 1, &["j.toml:1  a", "j.toml:2"]),
    ] {
        fixture.write(name, text);
        let mut command = fixture.command("check");
        command.arg(name);
        let output = run(command).await;
        output.assert_code(code).assert_no_canary();
        for part in expected {
            assert!(output.out.contains(part), "{name} prints {part}:\n{}", output.out);
        }
        assert!(output.out.lines().all(|line| line.chars().count() <= 80), "{}", output.out);
    }
    let mut command = fixture.command("check");
    command.arg("missing.toml");
    let output = run(command).await;
    let problem = output.assert_code(1).out.lines().find(|line| line.contains("missing.toml: "));
    assert!(problem.is_some_and(|problem| problem.ends_with("(os error 2)")), "{}", output.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offline_no_vault_is_contacted() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("a", CANARY);
    let own = fixture.emulator.vault_url();
    let reference = format!("a='@KeyVault(SecretUri={own}/secrets/a)'");
    for (text, vault, code) in [
        (reference.as_str(), Some(own), 0),
        (&reference, Some("contoso"), 4),
        (&reference, None, 4),
        ("a='@KeyVault(SecretName=a)'", Some(own), 0),
        ("a='@KeyVault(SecretName=a)'", None, 0),
        ("a='@KeyVault(VaultName=contoso;SecretName=a)'", None, 0),
        ("a='@KeyVault(VaultName=contoso;SecretName=a)'", Some("contoso"), 0),
        ("a='@KeyVault(VaultName=shared;SecretName=a)'", Some("contoso"), 4),
        ("a='@KeyVault(VaultName=shared;SecretName=a)'", Some("contoso,shared"), 0),
        ("a='@KeyVault(SecretUri=https://contoso.vault.azure.net.evil.example/secrets/a)'", None, 2),
        ("a='@KeyVault(SecretUri=https://evil.example/secrets/a)'", None, 4),
        ("a='@KeyVault(SecretName=a)'\n[A]\nb=1", None, 2),
    ] {
        fixture.write("a.toml", text);
        let mut command = fixture.command_without_vault("check");
        command.args(["--offline", "a.toml"]).args(vault.map(|vault| ["--vault", vault]).into_iter().flatten());
        let output = run(command).await;
        assert_eq!(output.code, Some(code), "{text} with {vault:?}\n{}{}", output.out, output.err);
        assert!(fixture.emulator.request_log().is_empty(), "{text} with {vault:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_vault_the_report_advises_to_name_one() {
    let fixture = Fixture::start().await;
    let mut command = fixture.command_without_vault("check");
    command.env("A", "@KeyVault(SecretName=a)").env("B", "@KeyVault(VaultName=contoso;SecretName=b)");
    let own = fixture.emulator.vault_url();
    command.env("C", format!("@KeyVault(SecretUri={own}/secrets/c)"));
    let output = run(command).await;
    output.assert_code(1);
    let text = output.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for vault in ["NAME", "contoso", own] {
        assert!(text.contains(&format!("--vault {vault}")), "{vault}\n{}", output.out);
    }
    for (name, arguments) in [("check", &[][..]), ("run", &["--", "true"]), ("secret get", &["a"])] {
        let mut command = fixture.command_without_vault(name);
        command.env("A", "@KeyVault(SecretName=a)").args(arguments);
        assert!(run(command).await.assert_code(2).text().contains("--vault NAME"), "{name}");
    }
    assert!(fixture.emulator.request_log().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_endpoint_gets_the_host_of_its_vault_as_advice() {
    let fixture = Fixture::start().await;
    for host in [
        "contoso.privatelink.vaultcore.azure.net",
        "contoso.privatelink.vaultcore.usgovcloudapi.net",
        "contoso.vaultcore.azure.net",
    ] {
        let mut command = fixture.command("check");
        command.args(["--offline", "--vault", "contoso", "--only", "A,B"]);
        command.env("A", format!("@KeyVault(SecretUri=https://{host}/secrets/a)"));
        command.env("B", "@KeyVault(SecretName=b)");
        let output = run(command).await;
        let own = host.replace("privatelink.", "").replace("vaultcore", "vault");
        assert!(output.out.contains(&own) && !output.out.contains("allow it"), "{}", output.out);
    }
    assert!(fixture.emulator.request_log().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_and_standard_input_are_checked_if_selected() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("db", CANARY);
    let mut command = fixture.command("check");
    command.env("SHOP_DB__URL", "x@KeyVault(SecretName=db)").env("OTHER", "@KeyVault(").args(["--env-prefix", "SHOP_"]);
    let output = run(command).await;
    output.assert_code(0).assert_no_canary();
    assert!(output.out.contains("variable SHOP_DB__URL  db.url"), "{}", output.out);
    let mut command = fixture.command("check");
    command.args(["-", "--format", "yaml"]);
    let output = run_with(command, "a:\n  b: '@KeyVault(SecretName=gone)'\n").await;
    assert!(output.assert_code(3).out.contains("standard input:2  a.b"), "{}", output.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_references_take_seconds_and_fit_on_a_screen() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("s-1", CANARY);
    let line = |n: u32| {
        format!(
            "[[server]]\nname = 'server number {n} of them all'\nurl = 'https://u:@KeyVault(SecretName=s-1)@h{n}'\n"
        )
    };
    fixture.write("many.toml", &(0..10_000).map(line).collect::<String>());
    let mut command = fixture.command("check");
    command.arg("many.toml");
    let started = std::time::Instant::now();
    let output = run(command).await;
    output.assert_code(0).assert_no_canary();
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    assert!(
        output.out.contains("10,000 references: 10,000 resolved") && output.out.lines().count() < 60,
        "{}",
        output.out
    );

    fixture
        .write("gone.env", &(0..10_000).map(|n| format!("V{n}=@KeyVault(SecretName=gone-{n})\n")).collect::<String>());
    let mut command = fixture.command("check");
    command.arg("gone.env");
    let output = run(command).await;
    output.assert_code(3);
    assert!(output.out.contains("and 9,980 more") && output.out.lines().count() < 60, "{}", output.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expiry_is_shown_and_an_unavailable_vault_has_its_own_exit_code() {
    let fixture = Fixture::start().await;
    let date = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_900_000_000);
    fixture.emulator.set_secret("dated", SetSecret::new(CANARY).expires(date));
    fixture.write("a.toml", "a = '@KeyVault(SecretName=dated)'");
    let mut command = fixture.command("check");
    command.arg("a.toml");
    let output = run(command).await;
    assert!(output.assert_code(0).assert_no_canary().out.contains("expires 2030-03-17T17:46:40Z"), "{}", output.out);
    fixture.emulator.fault(Fault::status(503));
    let mut command = fixture.command("check");
    command.args(["a.toml", "--timeout", "2s"]);
    let output = run(command).await;
    output.assert_code(5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn templates_and_other_forms_of_references_are_found() {
    let fixture = Fixture::start().await;
    fixture.emulator.set("db", CANARY);
    let uri = format!("{}/secrets/db", fixture.emulator.vault_url());
    let bad_lines = "A=1\nnot a line=x\nB=@KeyVault(SecretName=db)\nC='open\nD: @KeyVault(SecretName=db)\nBARE\n";
    for (name, text, code, expected) in [
        (
            "deploy.yaml",
            "{{- if .x }}\na: \"@KeyVault(SecretName=db)\"\n{{- end }}\n",
            0,
            &["not valid YAML yet", "deploy.yaml:2"][..],
        ),
        ("app.yaml", "a: @KeyVault(SecretName=db)\n", 2, &["quote it", "app.yaml:1"]),
        ("settings.json", &format!("{{\"DB\": {{\"uri\": \"{uri}\"}}}}"), 0, &["DB", "1 reference: 1 resolved"]),
        (
            "bad.env",
            bad_lines,
            2,
            &["bad.env:2", "bad.env:4", "bad.env:3  B", "bad.env:5  D", "2 references: 2 resolved"],
        ),
        ("x.properties", "a=@Microsoft.KeyVault(SecretName\\=db)\n", 0, &["x.properties:1  a", "1 resolved"]),
        (
            "keys.yaml",
            "? [a, b]\n: '@KeyVault(SecretName=db)'\n? {c: 1}\n: '@KeyVault(SecretName=db)'\n",
            0,
            &["2 references: 2"],
        ),
        ("deep.yaml", &"- ".repeat(20_000), 2, &["deep.yaml:1: nested too deeply"]),
        ("deep.json", &format!("[\n{}", "[".repeat(200_000)), 2, &["deep.json:2: nested too deeply"]),
    ] {
        fixture.write(name, text);
        let mut command = fixture.command("check");
        command.arg(name);
        let output = run(command).await;
        output.assert_code(code).assert_no_canary();
        expected.iter().for_each(|part| assert!(output.out.contains(part), "{name} prints {part}:\n{}", output.out));
    }
    fixture.write("utf16.env", "");
    std::fs::write(fixture.path("utf16.env"), b"\xff\xfeA\0=\0b\0").expect("a file");
    let mut command = fixture.command("check");
    command.arg("utf16.env");
    assert!(run(command).await.assert_code(2).out.contains("UTF-16"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expressions_of_infrastructure_code_are_no_errors() {
    let fixture = Fixture::start().await;
    let text = "param vault string\nvar a = '@Microsoft.KeyVault(VaultName=${vault};SecretName=db)'\n\
                var b = '@Microsoft.KeyVault(SecretUri=${secret.properties.secretUri})'\n\
                var c = '@Microsoft.KeyVault(VaultName=contoso;SecretName=c)'\n";
    for (name, text, code, expected) in [
        ("main.bicep", text, 0, &["line 2, 3", "main.bicep:4", "1 reference: 1 well formed"][..]),
        (
            "bad.bicep",
            "var a = '@Microsoft.KeyVault(VaultNam=${vault};SecretName=db)'",
            2,
            &["bad.bicep:1", "InvalidSyntax"],
        ),
        (
            "main.tf",
            "a = \"@Microsoft.KeyVault(SecretUri=${azurerm_key_vault.kv.vault_uri}secrets/db)\"",
            0,
            &["line 1"],
        ),
    ] {
        fixture.write(name, text);
        let mut command = fixture.command_without_vault("check");
        command.args(["--offline", name, "--vault", "contoso"]);
        let output = run(command).await;
        output.assert_code(code);
        expected.iter().for_each(|part| assert!(output.out.contains(part), "{name} prints {part}:\n{}", output.out));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_selected_variables_are_checked() {
    let fixture = Fixture::start().await;
    let check = |arguments: &[&str]| {
        let mut command = fixture.command_without_vault("check");
        command.arg("--offline").args(arguments);
        for name in ["SHOP_DB__URL", "OTHER", "CI_COMMIT_MESSAGE"] {
            command.env(name, "@KeyVault(SecretName=db)");
        }
        run(command)
    };
    for (arguments, variables) in [
        (&[][..], &["OTHER", "SHOP_DB__URL"][..]),
        (&["--env-prefix", "SHOP_"], &["SHOP_DB__URL"]),
        (&["--env", "--env-prefix", "SHOP_"], &["OTHER", "SHOP_DB__URL"]),
        (&["--only", "OTHER"], &["OTHER"]),
        (&["--except", "SHOP_*"], &["OTHER"]),
        (&["--only", "CI_COMMIT_MESSAGE,OTHER"], &["CI_COMMIT_MESSAGE", "OTHER"]),
    ] {
        let output = check(&[arguments, &["--json"]].concat()).await;
        let json = output.assert_code(0).json();
        let rows = json["rows"].as_array().expect("rows");
        let mut found: Vec<&str> =
            rows.iter().filter_map(|row| row["origin"].as_str()?.strip_prefix("variable ")).collect();
        found.sort_unstable();
        assert_eq!(found, variables, "{arguments:?}");
    }
    let output = check(&["--env", "--env-prefix", "SHOP_"]).await;
    assert!(output.out.contains("db.url") && output.out.contains("CI_COMMIT_MESSAGE: left alone"), "{}", output.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_has_the_same_exit_code_in_every_command() {
    let fixture = Fixture::start().await;
    fixture.emulator.set_secret("off", SetSecret::new(CANARY).enabled(false));
    fixture.write("a.conf", "@KeyVault(SecretName=off)\n");
    fixture.write("b.conf", "@KeyVault(SecretName=here)\n");
    fixture.emulator.set("here", CANARY);
    let faults = [
        (None, "off", "a.conf"),
        (Some(403), "here", "b.conf"),
        (Some(401), "here", "b.conf"),
        (Some(500), "here", "b.conf"),
        (Some(418), "here", "b.conf"),
    ];
    for (fault, secret, file) in faults {
        fixture.emulator.clear_faults();
        if let Some(status) = fault {
            fixture.emulator.fault(Fault::status(status));
        }
        let mut codes = Vec::new();
        for (name, arguments) in [
            ("secret get", &[secret][..]),
            ("check", &[file]),
            ("render", &[file]),
            ("run", &["--", "true"]),
            ("doctor", &["--secret", secret]),
        ] {
            let mut command = fixture.command(name);
            command.args(["--timeout", "2s"]).args(arguments);
            if name == "run" {
                command.env("A", format!("@KeyVault(SecretName={secret})"));
            }
            codes.push(run(command).await.code);
        }
        assert!(codes.iter().all(|code| *code == codes[0] && *code != Some(0)), "{fault:?}: {codes:?}");
    }
}
