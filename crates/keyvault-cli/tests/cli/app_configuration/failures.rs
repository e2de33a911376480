//! Failures of a store and of its key-values.

use keyvault_emulator::{Denial, Fault, SetKeyValue};

use super::{StoreFixture, variables};
use crate::fixture::{CANARY, keyvault, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_failure_of_a_store_has_its_exit_code_and_prints_no_value() {
    let fixture = StoreFixture::start().await;
    fixture.set("A", CANARY);
    let good = fixture.connection_string();
    let (head, secret) = good.rsplit_once("Secret=").expect("a secret");
    let wrong_secret = format!("{head}Secret=Y2FuYXJ5LTdmM2E5Yw==");
    for (store, options, code, text) in [
        (format!("{head}Secret={CANARY}!"), &[][..], 2, "secret of the access key is not Base64"),
        (format!("Secret={CANARY}"), &[], 2, "connection string is not Endpoint=…;Id=…;Secret=…"),
        (format!("http://{CANARY}.azconfig.io"), &[], 2, "endpoint is not https://"),
        (format!("https://{CANARY}.vault.azure.net"), &[], 2, "endpoint is that of a key vault"),
        ("Endpoint=https://127.0.0.1:9;Id=a;Secret=YQ==".to_owned(), &["--timeout", "1s"], 5, "127.0.0.1:9"),
        (wrong_secret, &[], 4, "secret of the access key is wrong"),
        (good.clone(), &["--select", "a*b"], 2, "filter has an asterisk before its end"),
        (good.clone(), &["--select", "*@a,b"], 2, "select once for each"),
        (good.clone(), &["--trim-prefix", ""], 2, "--trim-prefix"),
        (String::new(), &["--select", "*"], 2, "--select needs a store: name it with --app-configuration"),
        (" ".to_owned(), &["--trim-prefix", "a"], 2, "--trim-prefix needs a store"),
    ] {
        let mut command = fixture.run_command(options, &["true"]);
        command.env("KEYVAULT_APP_CONFIGURATION", store);
        let before = fixture.requests();
        let output = run(command).await;
        output.assert_code(code).assert_no_canary();
        assert!(output.err.contains(text), "{text}\n{}", output.err);
        assert!(!output.text().contains(secret) && !output.text().contains("Y2FuYXJ5"), "{}", output.err);
        assert!(code != 2 || fixture.requests() == before, "wrong usage is refused before the first request: {text}");
    }
    let store = fixture.0.emulator.app_configuration("");
    for (fault, code, text) in [
        (Fault::status(429).retry_after("60"), 5, "throttling"),
        (Fault::status(503), 5, "store failed"),
        (Fault::status(200).body(CANARY), 5, ""),
        (Fault::Hang, 5, ""),
    ] {
        store.fault(fault);
        let output = run(fixture.run_command(&["--timeout", "1s"], &["true"])).await;
        output.assert_code(code).assert_no_canary();
        assert!(output.err.contains(text), "{text}\n{}", output.err);
        fixture.0.emulator.clear_faults();
    }
    store.deny(Denial::Rbac, None);
    let output = run(fixture.run_command(&[], &["true"])).await;
    assert!(output.assert_code(4).assert_no_canary().err.contains("App Configuration Data Reader"), "{}", output.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_failure_of_a_key_value_names_its_key_and_label() {
    const REFERENCE: &str = "application/vnd.microsoft.appconfig.keyvaultref+json;charset=utf-8";
    let reference = |value: &str| SetKeyValue::new(value).content_type(REFERENCE);
    let stranger = SetKeyValue::secret_reference("https://stranger.vault.azure.net/secrets/a");
    let a = "https://contoso.vault.azure.net/secrets/a";
    let missing = |fixture: &StoreFixture| fixture.refer("Db:Password@prod", "gone");
    let fixture = StoreFixture::start().await;
    missing(&fixture);
    let output = run(fixture.run_command(&["--select", "*@prod"], &["true"])).await;
    assert!(output.assert_code(3).err.contains("App Configuration key Db:Password label prod"), "{}", output.err);
    for (set, code, text) in [
        (reference(CANARY), 2, "Key Vault reference is not JSON with the URI of a secret"),
        (reference(&format!("{{\"uri\":\"{a}\",\"uri\":\"{a}\"}}")), 2, "is not JSON with the URI of a secret"),
        (
            reference(&format!("{{\"uri\":\"https://contoso.vault.azure.net/keys/{CANARY}\"}}")),
            2,
            "Key Vault reference has no URI of a secret",
        ),
        (stranger, 4, "--vault stranger"),
        (SetKeyValue::new("@KeyVault(SecretNme=a)"), 2, "did you mean SecretName?"),
        (SetKeyValue::new(format!("KeyVault(SecretName=a){CANARY}")), 2, "--except DB__PASSWORD"),
        (SetKeyValue::new(format!("{CANARY}\0")), 2, "contains a NUL"),
    ] {
        fixture.set_with("Db:Password@prod", set);
        let output = run(fixture.run_command(&["--select", "*@prod"], &["true"])).await;
        output.assert_code(code).assert_no_canary();
        assert!(output.err.contains("App Configuration key Db:Password label prod"), "{}", output.err);
        assert!(output.err.contains(text), "{text}\n{}", output.err);
    }
    // `--except` passes such text on.
    for set in [SetKeyValue::new("KeyVault(SecretName=a)"), reference("KeyVault(SecretName=a)")] {
        fixture.set_with("Db:Password@prod", set);
        let options = ["--select", "*@prod", "--except", "DB__PASSWORD"];
        let output = run(fixture.run_command(&options, &["env", "-0"])).await;
        assert!(variables(&output).contains(&"DB__PASSWORD=KeyVault(SecretName=a)"), "{}", output.out);
    }
    let output = run(fixture.run_command(&["--select", "Db:P*@prod", "--trim-prefix", "Db:Password"], &["true"])).await;
    let nameless = "App Configuration key Db:Password label prod: the key without its prefix is empty";
    assert!(output.assert_code(2).err.contains(nameless), "{}", output.err);
    // Keys of one selection replace each other never silently, those of a later one do.
    for key in ["a-b", "a:b@prod", "a/b@prod"] {
        fixture.set(key, key);
    }
    let output = run(fixture.run_command(&["--select", "a*@prod", "--select", "a*"], &["true"])).await;
    let collision =
        "App Configuration key a:b label prod: gives the same variable A__B as App Configuration key a/b label prod";
    assert!(output.assert_code(2).err.contains(collision), "{}", output.err);
    let options = ["--select", "a/b@prod", "--select", "a:b@prod", "--select", "a-b"];
    let output = run(fixture.run_command(&options, &["env", "-0"])).await;
    assert!(variables(&output).contains(&"A__B=a:b@prod") && variables(&output).contains(&"A_B=a-b"), "{}", output.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn help_never_shows_the_connection_string() {
    let fixture = StoreFixture::start().await;
    for name in ["run", "check", "render", "doctor"] {
        let mut command = keyvault();
        command.args([name, "--help"]).env("KEYVAULT_APP_CONFIGURATION", CANARY);
        let output = run(command).await;
        output.assert_code(0).assert_no_canary();
        assert!(output.out.contains("KEYVAULT_APP_CONFIGURATION"), "{}", output.out);
        let mut command = fixture.0.command(name);
        command.args(["--app-configuration", CANARY, "--app-configuration", CANARY]);
        run(command).await.assert_code(2).assert_no_canary();
    }
}
