//! `keyvault render --app-configuration`.

use keyvault_emulator::Fault;

use super::StoreFixture;
use crate::fixture::{eventually, run, send_signal, wait};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn templates_have_settings_of_the_store() {
    let fixture = StoreFixture::start().await;
    fixture.0.emulator.set("db", "hunter2\"");
    fixture.refer("shop:password", "db");
    fixture.set("shop:host", "localhost");
    fixture.set("shop:host@prod", "db.example");
    let endpoint = fixture.0.emulator.vault_url();
    fixture.0.write(
        "a.json",
        &format!(
            "{{\"host\": \"@AppConfiguration(Key=shop:host)\",\n\
             \"base\": \"http://@Microsoft.AppConfiguration(Endpoint={endpoint}; Key=shop:host; Label=prod)/\",\n\
             \"none\": \"@AppConfiguration(Key=gone;Optional=true)\",\n\
             \"password\": \"@AppConfiguration(Key=shop:password)\",\n\"text\": \"@@AppConfiguration(Key=a)\"}}"
        ),
    );
    let selected = ["--select", "*@prod", "--select", "*"];
    let output = run(fixture.command("render", &[&["a.json"][..], &selected].concat())).await;
    let expected = "{\"host\": \"localhost\",\n\"base\": \"http://db.example/\",\n\"password\": \"hunter2\\\"\",\n\
                    \"text\": \"@AppConfiguration(Key=a)\"}";
    assert_eq!((output.assert_code(0).out.as_str(), output.err.as_str()), (expected, ""));
    let output = run(fixture.command("render", &["a.json", "--select", "*", "--select", "*@prod"])).await;
    assert!(output.assert_code(0).out.contains("db.example"), "{}", output.out);
    for (template, code, text) in [
        ("\n@AppConfiguration(Key=gone)", 3, "a.conf:2: no selected key-value has the key"),
        ("@AppConfiguration(Key=shop:host;Label=test)", 3, "a.conf:1"),
        ("@AppConfiguration(Nme=canary-7f3a9c)", 2, "a.conf:1: unknown parameter"),
        ("@AppConfiguration(Key=shop:host;Endpoint=https://canary-7f3a9c.azconfig.io)", 2, "names another store"),
        ("@AppConfiguration(Key=gone)@KeyVault(SecretName=gone)", 3, "1 reference cannot be resolved"),
    ] {
        fixture.0.write("a.conf", template);
        let output = run(fixture.command("render", &["a.conf", "-o", "out"])).await;
        output.assert_code(code).assert_no_canary();
        assert!(output.err.contains(text), "{text}\n{}", output.err);
        assert!(!std::fs::exists(fixture.0.path("out")).expect("a directory"));
    }
    fixture.0.write("a.conf", "@AppConfiguration(Key=shop:host)");
    let mut command = fixture.0.command("render");
    command.arg("a.conf");
    let output = run(command).await;
    assert!(output.assert_code(2).err.contains("reference needs a store: name it with --app-configuration"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_file_follows_the_store() {
    let fixture = StoreFixture::start().await;
    fixture.0.emulator.set("db", "first-7f3a");
    fixture.refer("password", "db");
    fixture.set("host", "a");
    fixture.0.write("a.conf", "@AppConfiguration(Key=host) @AppConfiguration(Key=password)\n");
    let then = "env | grep -q KEYVAULT_APP_CONFIGURATION && echo leak >> seen; cat out >> seen";
    let options = ["a.conf", "-o", "out", "--watch", "--interval", "1s", "--then", then];
    let child = fixture.command("render", &options).spawn().expect("the command starts");
    eventually("the first file", || fixture.read("seen") == "a first-7f3a\n").await;
    fixture.set("host", "b");
    eventually("a change of the store", || fixture.read("seen") == "a first-7f3a\nb first-7f3a\n").await;
    let store = fixture.0.emulator.app_configuration("");
    store.fault_next(1, Fault::status(403));
    fixture.0.emulator.set("db", "second-7f3a");
    eventually("a rotation", || fixture.read("seen").ends_with("b second-7f3a\n")).await;
    assert_eq!(fixture.read("seen").lines().count(), 3);
    send_signal(&child, "-TERM");
    let output = wait(child).await;
    assert!(!output.err.contains("7f3a"), "{}", output.err);
}
