//! `keyvault run --app-configuration`.

use std::process::Stdio;

use keyvault_emulator::{Fault, SetKeyValue};

use super::{StoreFixture, variables};
use crate::fixture::{CANARY, eventually, keyvault, run, send_signal, sh, wait, write_in};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_values_become_variables_below_the_environment_and_files() {
    let fixture = StoreFixture::start().await;
    let vault = &fixture.0.emulator;
    for (name, value) in [("db", "hunter2"), ("Shop--Db--Host", "of-the-vault"), ("Shop--Mapped", "mapped")] {
        vault.set(name, value);
    }
    for (key, value) in [
        ("Shop:Db:Host", "localhost"),
        ("Shop:Db:Host@prod", "db.example"),
        ("Shop:Db:User", "app"),
        ("Shop/smtp/from-address", "a@example.com"),
        ("Shop:logging.level.root", "warn"),
        ("Shop:Db:Url", "postgres://app:@KeyVault(SecretName=db;Encode=url)@db/shop"),
        ("Shop:Set", "of-the-store"),
        ("Shop:Filed", "of-the-store"),
        ("Shop:Empty", ""),
        ("Shop:Ld_Preload", "/evil.so"),
        ("Other", "not-selected"),
    ] {
        fixture.set(key, value);
    }
    fixture.set_with("Shop:Json", SetKeyValue::new(r#"{"a": [1]}"#).content_type("application/json"));
    fixture.set_with(".appconfig.featureflag/beta", SetKeyValue::feature_flag("beta", true));
    fixture.refer("Shop:Db:Password", "db");
    fixture.refer("Shop:Ld_Preload", "db");
    fixture.0.write("a.env", "FILED=of-the-file\n");
    let options = [
        "--select",
        "Shop*",
        "--select",
        "Shop:*@prod",
        "--trim-prefix",
        "Shop:",
        "--env-file",
        "a.env",
        "--prefix",
        "Shop--",
    ];
    let mut command = fixture.run_command(&options, &["env", "-0"]);
    command.env("SET", "of-the-environment");
    let output = run(command).await;
    let found = variables(&output);
    for expected in [
        "DB__HOST=db.example",
        "DB__USER=app",
        "SHOP__SMTP__FROM_ADDRESS=a@example.com",
        "LOGGING__LEVEL__ROOT=warn",
        "DB__URL=postgres://app:hunter2@db/shop",
        "SET=of-the-environment",
        "FILED=of-the-file",
        "EMPTY=",
        "JSON={\"a\": [1]}",
        "DB__PASSWORD=hunter2",
        "MAPPED=mapped",
    ] {
        assert!(found.contains(&expected), "{expected}\n{found:?}");
    }
    for absent in ["OTHER=", "BETA", "LD_PRELOAD=", "KEYVAULT_APP_CONFIGURATION="] {
        assert!(!found.iter().any(|one| one.contains(absent)), "{absent}\n{found:?}");
    }
    let note =
        "App Configuration key Shop:Ld_Preload is not set as LD_PRELOAD, because this variable makes programs run code";
    assert_eq!(output.err, format!("keyvault: {note}\n"));
    let mut command = fixture.run_command(&["--keep-credentials"], &["env"]);
    command.env("AZURE_CLIENT_ID", "kept");
    let output = run(command).await;
    assert!(output.assert_code(0).out.contains("KEYVAULT_APP_CONFIGURATION=Endpoint="), "{}", output.out);
    assert!(output.out.contains("\nOTHER=not-selected\n"), "{}", output.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_needs_no_vault_without_references() {
    let fixture = StoreFixture::start().await;
    fixture.set("Plain", "1");
    fixture.set("Escaped", "@@KeyVault(x");
    let command = || {
        let mut command = fixture.0.command_without_vault("run");
        command.args(["--app-configuration", &fixture.connection_string(), "--", "env", "-0"]);
        command
    };
    let output = run(command()).await;
    assert!(variables(&output).contains(&"PLAIN=1"), "{}", output.out);
    assert!(variables(&output).contains(&"ESCAPED=@KeyVault(x"), "{}", output.out);
    fixture.refer("Db", "db");
    let output = run(command()).await;
    let advice = format!("allow it with --vault {}", fixture.0.emulator.vault_url());
    let text = output.assert_code(4).err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(&advice), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_of_references_in_the_store_are_masked() {
    let fixture = StoreFixture::start().await;
    fixture.0.emulator.set("db", CANARY);
    fixture.refer("Password", "db");
    fixture.set("Url", "u:@KeyVault(SecretName=db)@h");
    let output = run(fixture.run_command(&["--mask"], &sh(r#"echo "$PASSWORD $URL" | tee /dev/stderr"#))).await;
    output.assert_code(0).assert_no_canary();
    assert_eq!((output.out.as_str(), output.err.as_str()), ("*** u:***@h\n", "*** u:***@h\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_restarts_when_the_store_changes() {
    let fixture = StoreFixture::start().await;
    fixture.0.emulator.set("db", "first-7f3a");
    fixture.refer("Db", "db");
    fixture.set("Size", "1");
    let script = r#"echo "$DB $SIZE" >> starts; exec sleep 1000"#;
    let options = ["--restart-on-change", "--interval", "1s", "--grace", "200ms", "--only", "X,DB"];
    let mut command = fixture.run_command(&options, &sh(script));
    let child = command.stdout(Stdio::null()).spawn().expect("the command starts");
    let starts = |text: &'static str| {
        let fixture = &fixture;
        async move { eventually(text, || fixture.read("starts").lines().next_back() == Some(text)).await }
    };
    starts("first-7f3a 1").await;
    fixture.set("Size", "2");
    starts("first-7f3a 2").await;
    // A store that fails changes nothing.
    let store = fixture.0.emulator.app_configuration("");
    let requests =
        || fixture.0.emulator.request_log().iter().filter(|one| one.path_and_query.starts_with("/kv")).count();
    store.fault(Fault::status(403));
    let before = requests();
    eventually("a poll that fails", || requests() > before).await;
    fixture.0.emulator.clear_faults();
    fixture.0.emulator.set("db", "second-7f3a");
    starts("second-7f3a 2").await;
    store.delete("Size", None);
    starts("second-7f3a ").await;
    send_signal(&child, "-TERM");
    let output = wait(child).await;
    for line in [
        "X matches no variable",
        "restarting the command, because these variables changed: SIZE",
        "cannot check for new versions, the command keeps running: ",
        "restarting the command, because these variables changed: DB",
    ] {
        assert_eq!(
            output.err.matches(line).count(),
            if line.ends_with("SIZE") { 2 } else { 1 },
            "{line}\n{}",
            output.err
        );
    }
    assert!(!output.err.contains("7f3a"), "{}", output.err);
    assert_eq!(fixture.read("starts").lines().count(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selection_that_matches_nothing_is_a_failure() {
    let fixture = StoreFixture::start().await;
    fixture.refer("Db", "db");
    fixture.0.emulator.set("db", "hunter2");
    fixture.0.write("a.toml", "a = 1\n");
    let misspelt = "selection matches no key-value: key filter shop:*, label prdo";
    let options = ["--select", "*", "--select", "shop:*@prdo"];
    let output = run(fixture.run_command(&options, &["env"])).await;
    assert!(output.assert_code(3).err.contains(misspelt), "{}", output.err);
    assert_eq!(output.out, "", "the command does not start");
    let output = run(fixture.command("check", &[&["a.toml", "--json"][..], &options].concat())).await;
    let problems = output.assert_code(3).json()["problems"].to_string();
    assert!(problems.contains(misspelt), "{problems}");
    fixture.0.write("a.conf", "@AppConfiguration(Key=Db)");
    let output = run(fixture.command("render", &[&["a.conf"][..], &options].concat())).await;
    assert!(output.assert_code(3).err.contains(misspelt), "{}", output.err);
    // Without a selection, too.
    fixture.0.emulator.app_configuration("").delete("Db", None);
    let output = run(fixture.run_command(&[], &["true"])).await;
    assert!(output.assert_code(3).err.contains("no key-value: key filter *, no label"), "{}", output.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pattern_that_matches_no_variable_is_reported() {
    let fixture = StoreFixture::start().await;
    fixture.refer("Db", "db");
    fixture.0.emulator.set("db", "hunter2");
    fixture.0.write("a.toml", "a = 1\n");
    let options = ["--only", "D?,DX"];
    let output = run(fixture.run_command(&options, &["env"])).await;
    assert!(output.assert_code(0).out.contains("\nDB=hunter2\n") || output.out.starts_with("DB=hunter2\n"));
    assert_eq!(output.err, "keyvault: DX matches no variable\n");
    let output = run(fixture.command("check", &[&["a.toml", "--json"][..], &options].concat())).await;
    let notes = &output.assert_code(0).json()["notes"];
    assert_eq!(notes[0]["origin"], "DX");
    assert_eq!(notes[0]["detail"], "matches no variable");
    assert!(notes[1].is_null(), "{notes}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_under_the_emulator_reads_its_store() {
    let directory = tempfile::tempdir().expect("a directory");
    let seed = "db = 'hunter2'\n[app_configuration]\n\"Db:Host\" = 'localhost'\n\"Db:Password\" = { secret = 'db' }\n";
    let seed = write_in(&directory, "seed.toml", seed);
    let script = "$KEYVAULT run -- sh -c 'echo $DB__HOST $DB__PASSWORD' && $KEYVAULT check && \
                  $KEYVAULT doctor >/dev/null && echo '@AppConfiguration(Key=Db:Host)' | $KEYVAULT render -";
    let mut command = keyvault();
    command.args(["emulator", "--seed", &seed, "--app-configuration", "--", "sh", "-c", script]);
    command.env("KEYVAULT", env!("CARGO_BIN_EXE_keyvault"));
    // The store of the caller is not the one of the command.
    command.env("KEYVAULT_APP_CONFIGURATION", "Endpoint=https://127.0.0.1:9;Id=a;Secret=YQ==");
    let output = run(command).await;
    let out = &output.assert_code(0).out;
    assert!(out.starts_with("localhost hunter2\n") && out.ends_with("\nlocalhost\n"), "{out}");
    assert!(out.contains("App Configuration key Db:Password"), "{out}");
}
