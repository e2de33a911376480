//! `keyvault emulator` as a user runs it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

fn keyvault(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyvault"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn first_line(child: &mut Child) -> String {
    let out = child.stdout.take().expect("stdout is piped");
    let line = timeout(PATIENCE, BufReader::new(out).lines().next_line()).await;
    line.expect("a line within the time").expect("a line of text").expect("a line")
}

fn field(json: &str, name: &str) -> String {
    let (_, rest) = json.split_once(&format!("\"{name}\":\"")).expect("the field is there");
    rest.split_once('"').expect("the field ends").0.to_owned()
}

#[tokio::test]
async fn it_says_where_it_is_serves_there_and_ends_on_a_signal() {
    let ca_file = std::env::temp_dir().join(format!("keyvault-cli-{}.pem", std::process::id()));
    let ca_path = ca_file.to_str().expect("the path is text");
    let mut child = keyvault(&["emulator", "--ca-file", ca_path]).spawn().expect("the command starts");
    let ready = first_line(&mut child).await;
    let ca = std::fs::read(&ca_file).expect("the authority was written");
    std::fs::remove_file(&ca_file).expect("the authority can be removed");

    let roots = reqwest::Certificate::from_pem(&ca).expect("the authority is PEM");
    let client = reqwest::Client::builder().tls_certs_only([roots]).build().expect("a client");
    let url = format!("{}/secrets/x?api-version=2025-07-01", field(&ready, "vault_url"));
    let answer = client.get(url).send().await.expect("an answer over TLS");
    assert_eq!(answer.status(), 401);
    assert!(field(&ready, "identity_endpoint").starts_with("http://127.0.0.1:"));

    let id = child.id().expect("it still runs").to_string();
    let killed = Command::new("kill").args(["-TERM", &id]).status().await.expect("kill runs");
    assert!(killed.success());
    let status = timeout(PATIENCE, child.wait()).await.expect("it ends").expect("a status");
    assert!(status.success(), "{status}");
}

/// A directory that goes when the test ends.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("keyvault-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("the path is text").to_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).expect("a file");
        self.path(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn read(ready: &str, path: &str) -> String {
    let url = format!("{}/{path}?api-version=2025-07-01", field(ready, "http_url"));
    let answer = reqwest::Client::new().get(url).bearer_auth("any").send().await.expect("an answer");
    answer.text().await.expect("a body")
}

async fn end(child: &mut Child, signal: &str) {
    let id = child.id().expect("it still runs").to_string();
    let killed = Command::new("kill").args([signal, &id]).status().await.expect("kill runs");
    assert!(killed.success());
    let status = timeout(PATIENCE, child.wait()).await.expect("it ends").expect("a status");
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_seed_in_toml_or_json_is_served_and_requests_are_logged_without_values() {
    let directory = Directory::new("seed");
    let toml = "plain = 'hunter2'\n[full]\nvalue = 'v'\ncontent_type = 't'\nexpires = 2027-01-01T00:00:00Z\n";
    let json = r#"{"plain":"hunter2","full":{"value":"v","contentType":"t","exp":1798761600}}"#;
    for (name, seed) in [("seed.toml", toml), ("seed.json", json)] {
        let seed = directory.write(name, seed);
        let mut child = keyvault(&["emulator", "--seed", &seed, "--accept-any-token"]).spawn().expect("it starts");
        let ready = first_line(&mut child).await;
        assert!(read(&ready, "secrets/plain").await.starts_with(r#"{"value":"hunter2""#), "{name}");
        let full = read(&ready, "secrets/full").await;
        assert!(full.contains(r#""contentType":"t""#) && full.contains(r#""exp":1798761600"#), "{name}: {full}");
        let mut log = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        for path in ["plain", "full"] {
            let line = timeout(PATIENCE, log.next_line()).await.expect("a line").expect("text").expect("a line");
            assert!(line.starts_with(&format!("GET /secrets/{path} 200 ")) && line.ends_with(" ms"), "{line}");
        }
        assert!(field(&ready, "control_url").ends_with("/_emulator"));
        end(&mut child, "-INT").await;
    }
}

#[tokio::test]
async fn a_data_file_is_served_again_after_a_restart_and_refused_when_damaged() {
    let directory = Directory::new("data");
    let (seed, data) = (directory.write("seed.toml", "a = '1'"), directory.path("vault.json"));
    let arguments = ["emulator", "--seed", &seed, "--data", &data, "--accept-any-token"];
    let mut before = (String::new(), String::new());
    for signal in ["-TERM", "-KILL"] {
        let mut child = keyvault(&arguments).spawn().expect("it starts");
        let ready = first_line(&mut child).await;
        let secret = read(&ready, "secrets/a").await;
        let (_, version) = secret.split_once("/secrets/a/").expect("an identifier");
        let now = (field(&ready, "client_secret"), version.to_owned());
        assert!(before.1.is_empty() || now == before, "{now:?}");
        before = now;
        match signal {
            "-KILL" => child.kill().await.expect("it can be killed"),
            _ => end(&mut child, signal).await,
        }
    }
    directory.write("vault.json", "{\"keyvault_emulator\":1,");
    let output = keyvault(&arguments).output().await.expect("it ran");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.lines().count() == 1 && said.contains("vault.json") && said.contains("damaged"), "{said}");
    assert_eq!(std::fs::read_to_string(&data).expect("it is still there"), "{\"keyvault_emulator\":1,");
}

#[tokio::test]
async fn a_seed_with_a_mistake_is_refused_in_one_line_that_quotes_no_value() {
    let directory = Directory::new("mistake");
    for (text, expected) in [
        ("a = 'x'\nb = hunter2", "neither JSON nor TOML (line 2)"),
        ("a_b = 'hunter2'", "a_b: no name of a secret"),
        ("[a]\nvalue = 'hunter2'\ncolour = 'hunter2'", "a: `colour`: no such field"),
        ("{\"a\": hunter2}", "no JSON object (line 1, column 7)"),
    ] {
        let seed = directory.write("seed", text);
        let output = keyvault(&["emulator", "--seed", &seed]).output().await.expect("it ran");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
        assert!(said.contains(expected) && !said.contains("hunter2"), "{said}");
    }
}

#[tokio::test]
async fn help_shows_a_seed_that_works_and_durations_are_written_as_people_do() {
    let help = keyvault(&["emulator", "--help"]).output().await.expect("it ran");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let (_, seed) = help.split_once("A seed, as TOML:\n").expect("a seed");
    let (seed, _) = seed.split_once("The same as JSON").expect("its end");
    let directory = Directory::new("help");
    let seed = directory.write("seed.toml", seed);
    let times = ["emulator", "--accept-any-token", "--latency", "1ms", "--async-delete", "1h 2s", "--seed", &seed];
    let mut child = keyvault(&times).spawn().expect("it starts");
    let ready = first_line(&mut child).await;
    assert!(read(&ready, "secrets/tls").await.contains(r#""managed":true"#));
    end(&mut child, "-TERM").await;
    let wrong = keyvault(&["emulator", "--latency", "soon"]).output().await.expect("it ran");
    assert_eq!(wrong.status.code(), Some(2));
}

#[tokio::test]
async fn a_port_in_use_is_said_in_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = timeout(PATIENCE, keyvault(&["emulator", "--listen", &address]).output()).await;
    let output = output.expect("it ends").expect("it ran");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains(&address), "{said}");
}

#[tokio::test]
async fn usage_is_told_and_ends_with_2() {
    let version = keyvault(&["--version"]).output().await.expect("it ran");
    assert_eq!(String::from_utf8_lossy(&version.stdout).trim(), concat!("keyvault ", env!("CARGO_PKG_VERSION")));
    let wrong = keyvault(&["emulator", "--listen", "nonsense"]).output().await.expect("it ran");
    assert_eq!(wrong.status.code(), Some(2));
}
