//! No command shows a value or a token, whatever goes wrong, unless it is asked for the value.

#![cfg(unix)]

#[allow(dead_code, reason = "shared with the tests of references, which need all of it")]
#[path = "references/scene.rs"]
mod scene;

use std::process::Command;

use keyvault_emulator::{Denial, Fault};
use keyvault_test_support::canary::{Canary, Finder};

use self::scene::{Scene, run_with};

/// A vault with a canary in it, a token that is one, and everything that was said so far.
struct Listener {
    scene: Scene,
    secret: Canary,
    /// What stands in files and arguments where no secret should.
    word: Canary,
    token: Canary,
    heard: Vec<(String, String)>,
}

impl Listener {
    async fn begin(name: &str) -> Self {
        let scene = Scene::begin(name).await;
        let (secret, word) = (Canary::secret(), Canary::word());
        scene.emulator.set("db", secret.text());
        let json = serde_json::json!({ "keys": [secret.text()] }).to_string();
        scene.emulator.set("json", &json);
        // The signature is what makes a token one.
        let token = Canary::of(scene.emulator.token().rsplit('.').next().expect("a signature"));
        Self { scene, secret, word, token, heard: Vec::new() }
    }

    /// Runs a command with everything on that makes programs talk; tells whether it worked.
    async fn hear(&mut self, command: Command, input: &str) -> bool {
        let mut command = command;
        command.env("RUST_LOG", "trace").env("AZURE_LOG_LEVEL", "verbose").env("RUST_BACKTRACE", "full");
        let shown = format!("{command:?}");
        let said = run_with(command, input).await;
        self.heard.push((shown.split(" \"").skip(1).collect::<Vec<_>>().join(" \""), said.out + &said.err));
        said.code == Some(0)
    }

    /// Runs `keyvault` with arguments, the first of which may be two words.
    async fn run(&mut self, arguments: &[&str], input: &str) -> bool {
        let (name, rest) = arguments.split_first().expect("a command");
        let mut command = match name.split_once(' ') {
            Some((name, sub)) => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_keyvault"));
                let token = self.scene.emulator.token();
                command.args([name, sub, "--ca-file", "ca.pem", "--vault", self.scene.emulator.vault_url()]);
                command.current_dir(&self.scene.directory).env("KEYVAULT_TOKEN", token);
                command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
                command
            }
            None => self.scene.command(name),
        };
        command.args(rest);
        self.hear(command, input).await
    }

    async fn works(&mut self, arguments: &[&str], input: &str) {
        assert!(self.run(arguments, input).await, "{arguments:?}: {:?}", self.heard.last());
    }

    async fn fails(&mut self, arguments: &[&str], input: &str) {
        assert!(!self.run(arguments, input).await, "{arguments:?}: {:?}", self.heard.last());
    }

    /// Asserts that no canary was heard.
    fn end(self) {
        let finder = Finder::new([&self.secret, &self.word, &self.token]);
        assert!(self.heard.iter().any(|(_, said)| !said.is_empty()), "nothing was said");
        for (command, said) in &self.heard {
            let hits = finder.hits(said.as_bytes());
            assert!(hits.is_empty(), "{command} lets out:\n{}", hits.join("\n"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[should_panic(expected = "lets out")]
async fn a_command_that_lets_a_value_out_is_heard() {
    let mut listener = Listener::begin("leak-heard").await;
    listener.works(&["secret get", "db"], "").await;
    listener.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_command_about_secrets_shows_a_value_it_is_not_asked_for() {
    let mut listener = Listener::begin("leak-secret").await;
    let value = listener.secret.text().to_owned();
    for json in [&[][..], &["--json"]] {
        let with = |arguments: &[&'static str]| [arguments, json].concat();
        listener.works(&with(&["secret set", "new"]), &value).await;
        listener.works(&with(&["secret show", "new"]), "").await;
        listener.works(&with(&["secret list"]), "").await;
        listener.works(&with(&["secret versions", "new"]), "").await;
        listener.works(&with(&["secret update", "new", "--tag", "a=b"]), "").await;
        listener.works(&with(&["secret delete", "new", "--yes"]), "").await;
        listener.works(&with(&["secret deleted"]), "").await;
        listener.fails(&with(&["secret set", "new"]), &value).await;
        listener.works(&with(&["secret recover", "new"]), "").await;
    }
    listener.works(&["secret backup", "new", "-o", "new.backup"], "").await;
    listener.fails(&["secret restore", "new.backup"], "").await;
    listener.scene.write("pasted.backup", &value);
    listener.fails(&["secret restore", "pasted.backup"], "").await;
    listener.works(&["secret delete", "new", "--yes"], "").await;
    listener.works(&["secret purge", "new", "--yes"], "").await;
    // Pasted to where a name belongs.
    for command in ["secret get", "secret show", "secret versions", "secret update", "secret backup"] {
        listener.fails(&[command, &value], "").await;
    }
    listener.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_command_that_resolves_shows_a_value() {
    let mut listener = Listener::begin("leak-resolve").await;
    let (value, word) = (listener.secret.text().to_owned(), listener.word.text().to_owned());
    let good = format!(
        "a = \"@KeyVault(SecretName=db)\"\nb = \"{word}@KeyVault(SecretName=json;Property=keys[0])\"\nc = \"{word}\"\n"
    );
    listener.scene.write("good.toml", &good);
    for options in [&[][..], &["--json"], &["--offline"]] {
        listener.works(&[&["check", "good.toml"], options].concat(), "").await;
    }
    listener.works(&["render", "good.toml", "-o", "rendered"], "").await;
    listener.works(&["doctor", "--secret", "db"], "").await;
    listener.works(&["doctor", "--json"], "").await;
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
        listener.scene.write(name, &text);
        listener.run(&["check", name], "").await;
        listener.run(&["check", name, "--json"], "").await;
        listener.run(&["render", name, "-o", "rendered"], "").await;
        listener.run(&["run", "--env-file", name, "--", "true"], "").await;
    }
    listener.fails(&["render", "-", "-o", "rendered"], &format!("{value}@KeyVault({value}")).await;
    listener.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_is_run_is_masked_and_its_failures_show_nothing() {
    let mut listener = Listener::begin("leak-run").await;
    for script in ["echo \"$A $URL\"", "printf '%s' \"$A\" >&2; exit 3", "exit 1", "kill -KILL $$"] {
        let mut command = listener.scene.command("run");
        command.args(["--mask", "--", "sh", "-c", script]);
        command.env("A", "@KeyVault(SecretName=db)").env("URL", "u:@KeyVault(SecretName=db)@h");
        listener.hear(command, "").await;
    }
    for words in [&["true"][..], &["no-such-command-7f3a"], &["/"]] {
        let mut command = listener.scene.command("run");
        command.arg("--").args(words).env("A", "@KeyVault(SecretName=db)");
        listener.hear(command, "").await;
    }
    listener.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_failure_of_the_vault_brings_anything_to_light() {
    let mut listener = Listener::begin("leak-fails").await;
    let (value, word) = (listener.secret.text().to_owned(), listener.word.text().to_owned());
    listener.scene.write("good.toml", "a = \"@KeyVault(SecretName=db)\"\n");
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
        listener.scene.emulator.fault(fault);
        listener.ask_for_everything(&value).await;
        listener.scene.emulator.clear_faults();
    }
    listener.scene.emulator.deny_all(Denial::Rbac);
    listener.ask_for_everything(&value).await;
    listener.scene.emulator.clear_denials();
    let mut command = listener.scene.command("check");
    command.args(["good.toml", "--timeout", "2s"]).env("KEYVAULT_TOKEN", &word);
    assert!(!listener.hear(command, "").await, "its token is none");
    listener.end();
}

impl Listener {
    /// Asks in a hurry for what cannot be had.
    async fn ask_for_everything(&mut self, value: &str) {
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seed_that_is_none_is_not_repeated() {
    let mut listener = Listener::begin("leak-seed").await;
    let (value, word) = (listener.secret.text().to_owned(), listener.word.text().to_owned());
    for text in [
        value.clone(),
        format!("{{\"a\": {word}}}"),
        serde_json::json!({ "a": { "value": value, "expires": word } }).to_string(),
        serde_json::json!({ "a": { "pem": value } }).to_string(),
        serde_json::json!({ "a": [value] }).to_string(),
    ] {
        let path = listener.scene.write("seed.json", &text);
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyvault"));
        command.args(["emulator", "--seed", &path]).stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        assert!(!listener.hear(command, "").await, "{text}");
    }
    listener.end();
}
