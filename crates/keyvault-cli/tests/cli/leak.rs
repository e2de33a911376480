//! No command prints a secret value or a token, whatever fails, unless the user asks for the value.

use std::process::Command;

use keyvault_emulator::{Denial, Fault, SetKeyValue};
use keyvault_test_support::canary::{Canary, Finder};

use crate::authority::Authority;
use crate::fixture::{Fixture, keyvault, run_with};

/// A vault with a canary as a secret and as a token, and the output of every command so far.
struct LeakTest {
    fixture: Fixture,
    secret: Canary,
    /// Text in files and arguments where a secret does not belong.
    word: Canary,
    token: Canary,
    /// Further secrets of this test.
    more: Vec<Canary>,
    /// Each command line with its output.
    outputs: Vec<(String, String)>,
}

impl LeakTest {
    async fn start() -> Self {
        let fixture = Fixture::start().await;
        let (secret, word) = (Canary::secret(), Canary::word());
        fixture.emulator.set("db", secret.text());
        let json = serde_json::json!({ "keys": [secret.text()] }).to_string();
        fixture.emulator.set("json", &json);
        // Only the signature of a token is secret.
        let token = Canary::of(fixture.emulator.token().rsplit('.').next().expect("a signature"));
        Self { fixture, secret, word, token, more: Vec::new(), outputs: Vec::new() }
    }

    /// Adds another text to the search.
    fn look_for(&mut self, text: impl Into<String>) {
        self.more.push(Canary::of(text));
    }

    /// Runs a command with the most verbose logging. Returns whether it succeeds.
    async fn run_command(&mut self, mut command: Command, input: &str) -> bool {
        command.env("RUST_LOG", "trace").env("AZURE_LOG_LEVEL", "verbose").env("RUST_BACKTRACE", "full");
        let shown = format!("{command:?}");
        let output = run_with(command, input).await;
        let arguments = shown.split(" \"").skip(1).collect::<Vec<_>>().join(" \"");
        self.outputs.push((arguments, output.out + &output.err));
        output.code == Some(0)
    }

    /// Runs `keyvault`. The first argument is the subcommand.
    async fn run(&mut self, arguments: &[&str], input: &str) -> bool {
        let (name, rest) = arguments.split_first().expect("a command");
        let mut command = self.fixture.command(name);
        command.args(rest);
        self.run_command(command, input).await
    }

    async fn succeeds(&mut self, arguments: &[&str], input: &str) {
        assert!(self.run(arguments, input).await, "{arguments:?}: {:?}", self.outputs.last());
    }

    async fn fails(&mut self, arguments: &[&str], input: &str) {
        assert!(!self.run(arguments, input).await, "{arguments:?}: {:?}", self.outputs.last());
    }

    /// Runs the commands that contact the vault, with a short timeout.
    async fn run_against_failing_vault(&mut self, value: &str) {
        for arguments in [
            &["secret get", "db"][..],
            &["secret list"],
            &["check", "good.toml"],
            &["render", "good.toml", "-o", "out"],
        ] {
            self.run(&[arguments, &["--timeout", "2s"]].concat(), "").await;
        }
        self.run(&["secret set", "db", "--timeout", "2s"], value).await;
        self.run(&["doctor", "--timeout", "2s"], "").await;
    }

    /// Asserts that no output contains a canary.
    fn assert_no_leak(self) {
        let finder = Finder::new([&self.secret, &self.word, &self.token].into_iter().chain(&self.more));
        assert!(self.outputs.iter().any(|(_, output)| !output.is_empty()), "no command printed anything");
        for (command, output) in &self.outputs {
            let hits = finder.hits(output.as_bytes());
            assert!(hits.is_empty(), "{command} leaks:\n{}", hits.join("\n"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[should_panic(expected = "leaks")]
async fn a_leak_fails_the_test() {
    let mut test = LeakTest::start().await;
    test.succeeds(&["secret get", "db"], "").await;
    test.assert_no_leak();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secret_commands_other_than_get_print_no_value() {
    let mut test = LeakTest::start().await;
    let value = test.secret.text().to_owned();
    for json in [&[][..], &["--json"]] {
        let with = |arguments: &[&'static str]| [arguments, json].concat();
        test.succeeds(&with(&["secret set", "new"]), &value).await;
        test.succeeds(&with(&["secret show", "new"]), "").await;
        test.succeeds(&with(&["secret list"]), "").await;
        test.succeeds(&with(&["secret versions", "new"]), "").await;
        test.succeeds(&with(&["secret update", "new", "--tag", "a=b"]), "").await;
        test.succeeds(&with(&["secret delete", "new", "--yes"]), "").await;
        test.succeeds(&with(&["secret deleted"]), "").await;
        test.fails(&with(&["secret set", "new"]), &value).await;
        test.succeeds(&with(&["secret recover", "new"]), "").await;
    }
    test.succeeds(&["secret backup", "new", "-o", "new.backup"], "").await;
    test.fails(&["secret restore", "new.backup"], "").await;
    test.fixture.write("pasted.backup", &value);
    test.fails(&["secret restore", "pasted.backup"], "").await;
    test.succeeds(&["secret delete", "new", "--yes"], "").await;
    test.succeeds(&["secret purge", "new", "--yes"], "").await;
    // A value pasted in place of a name.
    for command in ["secret get", "secret show", "secret versions", "secret update", "secret backup"] {
        test.fails(&[command, &value], "").await;
    }
    test.assert_no_leak();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_resolve_references_print_no_value() {
    let mut test = LeakTest::start().await;
    let (value, word) = (test.secret.text().to_owned(), test.word.text().to_owned());
    let good = format!(
        "a = \"@KeyVault(SecretName=db;Encode=json)\"\nb = \"{word}@KeyVault(SecretName=json;Property=keys[0];Encode=json)\"\nc = \"{word}\"\n"
    );
    test.fixture.write("good.toml", &good);
    for options in [&[][..], &["--json"], &["--offline"]] {
        test.succeeds(&[&["check", "good.toml"], options].concat(), "").await;
    }
    test.succeeds(&["render", "good.toml", "-o", "rendered"], "").await;
    test.succeeds(&["doctor", "--secret", "db"], "").await;
    test.succeeds(&["doctor", "--json"], "").await;
    for (name, text) in [
        ("missing.toml", format!("a = '{word}@KeyVault(SecretName=gone)'")),
        ("malformed.toml", format!("a = '{word}@KeyVault(SecretName={word}!'")),
        ("property.toml", "a = '@KeyVault(SecretName=db;Property=x)'".to_owned()),
        ("parameter.toml", format!("a = '@KeyVault(SecretName=db;{word}={word})'")),
        ("broken.toml", format!("a = '{word}\n")),
        ("broken.json", format!("{{\"a\": {word}}}")),
        ("broken.yaml", format!("a: [{word}\nb: '{word}")),
        ("broken.env", format!("A='{word}\n{word}")),
        ("userinfo.toml", format!("a = '@KeyVault(SecretUri=https://u:{word}@contoso.vault.azure.net/secrets/a)'")),
    ] {
        test.fixture.write(name, &text);
        test.run(&["check", name], "").await;
        test.run(&["check", name, "--json"], "").await;
        test.run(&["check", name, "--github"], "").await;
        test.run(&["render", name, "-o", "rendered"], "").await;
        test.run(&["run", "--env-file", name, "--", "true"], "").await;
    }
    test.fails(&["render", "-", "-o", "rendered"], &format!("{value}@KeyVault({value}")).await;
    test.assert_no_leak();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_command_prints_a_connection_string_or_a_value_of_its_store() {
    let mut test = LeakTest::start().await;
    let (value, word) = (test.secret.text().to_owned(), test.word.text().to_owned());
    let connection_string = test.fixture.emulator.app_configuration("").connection_string();
    let (start, key) = connection_string.rsplit_once("Secret=").expect("a secret");
    test.look_for(key);
    let store = test.fixture.emulator.app_configuration("");
    let reference = format!("{}/secrets/db", test.fixture.emulator.vault_url());
    store.set("plain", &word);
    store.set_key_value("db", SetKeyValue::secret_reference(reference));
    test.fixture.write("a.conf", "@AppConfiguration(Key=plain) @AppConfiguration(Key=db)");
    let malformed = [
        format!("{start}Secret={word}!"),
        format!("{connection_string};X={word}"),
        word.clone() + ".evil=",
        key.to_owned(),
    ];
    for step in ["good", "malformed key-value", "denied", "fault", "malformed store"] {
        let store = test.fixture.emulator.app_configuration("");
        match step {
            "malformed key-value" => {
                store.set("bad", &format!("{word}@KeyVault({word}=1)"));
            }
            "denied" => store.deny(Denial::Rbac, None),
            "fault" => store.fault(Fault::status(400).body(&value).header("x-ms-request-id", &word)),
            _ => {}
        }
        let stores = if step == "malformed store" { &malformed[..] } else { std::slice::from_ref(&connection_string) };
        for (named, arguments) in
            stores.iter().flat_map(|named| STORE_COMMANDS.map(|arguments| (named.clone(), arguments)))
        {
            let (name, rest) = arguments.split_first().expect("a command");
            let mut command = test.fixture.command(name);
            command.args(["--timeout", "2s"]).args(rest).env("KEYVAULT_APP_CONFIGURATION", named);
            let succeeds = test.run_command(command, "").await;
            assert!(succeeds || step != "good", "{arguments:?}: {:?}", test.outputs.last());
        }
    }
    test.assert_no_leak();
}

/// Commands that read a store.
const STORE_COMMANDS: [&[&str]; 7] = [
    &["run", "--", "true"],
    &["run", "--mask", "--", "sh", "-c", "echo $DB"],
    &["check"],
    &["check", "--json", "--select", "*"],
    &["render", "a.conf", "-o", "rendered"],
    &["doctor", "--json"],
    &["doctor"],
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_read_certificates_print_no_key() {
    let mut test = LeakTest::start().await;
    // A secret that is no certificate, and settings with a value in a wrong place.
    let (value, word) = (test.secret.text().to_owned(), test.word.text().to_owned());
    let url = format!("{}/secrets/db", test.fixture.emulator.vault_url());
    test.fails(&["certs", "--certificate", "db", "--out", "certs"], "").await;
    test.fails(&["check", "--certificate", "db"], "").await;
    test.fails(&["doctor", "--certificate", "db"], "").await;
    for settings in [
        value.clone(),
        serde_json::json!({ "secretsManagementSettings": value }).to_string(),
        serde_json::json!({ "secretsManagementSettings": { "observedCertificates": [value] } }).to_string(),
        serde_json::json!({ "secretsManagementSettings": {
            "pollingIntervalInS": word, "observedCertificates": [url] } })
        .to_string(),
        serde_json::json!({ "secretsManagementSettings": { "observedCertificates": [
            { "url": url, "customSymbolicLinkName": format!("{word}/") } ] } })
        .to_string(),
    ] {
        test.fails(&["certs", "--config", "-"], &settings).await;
    }
    let authority = Authority::new();
    let (first, second) = (authority.issue("shop.example"), authority.issue("shop.example"));
    test.fixture.emulator.set_secret("tls", first.managed());
    test.fixture.emulator.set("foreign", &(first.key.clone() + &second.chain));
    test.look_for(first.key_part());
    let mut command = test.fixture.command("secret get");
    command.arg("tls");
    // The container in base64. This output is not searched, because the user asked for the value.
    let container = run_with(command, "").await;
    test.look_for(container.assert_code(0).out.trim());
    test.succeeds(&["certs", "--certificate", "tls", "--out", "certs", "--format", "pem,key,pfx"], "").await;
    for name in ["tls", "foreign"] {
        test.run(&["certs", "--certificate", name, "--out", "certs"], "").await;
        for json in [&[][..], &["--json"]] {
            test.run(&[&["check", "--certificate", name], json].concat(), "").await;
            test.run(&[&["doctor", "--certificate", name], json].concat(), "").await;
        }
    }
    test.assert_no_leak();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn run_masks_the_output_and_its_failures_print_no_value() {
    let mut test = LeakTest::start().await;
    for script in ["echo \"$A $URL\"", "printf '%s' \"$A\" >&2; exit 3", "exit 1", "kill -KILL $$"] {
        let mut command = test.fixture.command("run");
        command.args(["--mask", "--", "sh", "-c", script]);
        command.env("A", "@KeyVault(SecretName=db)").env("URL", "u:@KeyVault(SecretName=db)@h");
        test.run_command(command, "").await;
    }
    for words in [&["true"][..], &["no-such-command-7f3a"], &["/"]] {
        let mut command = test.fixture.command("run");
        command.arg("--").args(words).env("A", "@KeyVault(SecretName=db)");
        test.run_command(command, "").await;
    }
    test.assert_no_leak();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_vault_failure_leaks_a_value_or_token() {
    let mut test = LeakTest::start().await;
    let (value, word) = (test.secret.text().to_owned(), test.word.text().to_owned());
    test.fixture.write("good.toml", "a = \"@KeyVault(SecretName=db)\"\n");
    let error = serde_json::json!({ "error": { "code": word, "message": value, "innererror": { "code": word } } });
    for fault in [
        Fault::status(403).body(error.to_string()).header("x-ms-request-id", &word),
        Fault::status(404).body(error.to_string()),
        Fault::status(400).body(&value),
        Fault::status(200).body(&value),
        Fault::Challenge(format!("Bearer resource=\"https://{word}\"")),
        Fault::Redirect(format!("https://{word}.example")),
        Fault::NotJson,
        Fault::WrongJson,
        Fault::WrongId,
        Fault::Truncated,
    ] {
        test.fixture.emulator.fault(fault);
        test.run_against_failing_vault(&value).await;
        test.fixture.emulator.clear_faults();
    }
    test.fixture.emulator.deny_all(Denial::Rbac);
    test.run_against_failing_vault(&value).await;
    test.fixture.emulator.clear_denials();
    let mut command = test.fixture.command("check");
    command.args(["good.toml", "--timeout", "2s"]).env("KEYVAULT_TOKEN", &word);
    assert!(!test.run_command(command, "").await, "the token is invalid");
    test.assert_no_leak();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_seed_is_not_printed() {
    let mut test = LeakTest::start().await;
    let (value, word) = (test.secret.text().to_owned(), test.word.text().to_owned());
    for text in [
        value.clone(),
        format!("{{\"a\": {word}}}"),
        serde_json::json!({ "a": { "value": value, "expires": word } }).to_string(),
        serde_json::json!({ "a": { "pem": value } }).to_string(),
        serde_json::json!({ "a": [value] }).to_string(),
    ] {
        let path = test.fixture.write("seed.json", &text);
        let mut command = keyvault();
        command.args(["emulator", "--seed", &path]);
        assert!(!test.run_command(command, "").await, "{text}");
    }
    test.assert_no_leak();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emulator_with_a_command_prints_nothing_of_its_seed() {
    let mut test = LeakTest::start().await;
    let path = test.fixture.write("seed.json", &serde_json::json!({ "db": test.secret.text() }).to_string());
    for (words, succeeds) in [(&["true"][..], true), (&["no-such-command-7f3a"], false), (&["/"], false)] {
        let mut command = keyvault();
        command.args(["emulator", "--seed", &path, "--"]).args(words);
        assert_eq!(test.run_command(command, "").await, succeeds, "{words:?}");
    }
    test.assert_no_leak();
}
