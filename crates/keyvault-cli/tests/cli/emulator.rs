//! `keyvault emulator`.

use std::time::Duration;

use keyvault_emulator::Seed;
use keyvault_test_support::json_schema::{assert_conforms, conforms};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::fixture::{self, path_in, write_in};

const DEADLINE: Duration = Duration::from_secs(20);

fn keyvault(arguments: &[&str]) -> Command {
    let mut command = Command::from(fixture::keyvault());
    command.args(arguments).kill_on_drop(true);
    command
}

async fn first_line(child: &mut Child) -> String {
    let out = child.stdout.take().expect("stdout is piped");
    let line = timeout(DEADLINE, BufReader::new(out).lines().next_line()).await;
    line.expect("a line in time").expect("a line of text").expect("a line")
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).expect("JSON")
}

fn field(json: &str, name: &str) -> String {
    let (_, rest) = json.split_once(&format!("\"{name}\":\"")).expect("the field is there");
    rest.split_once('"').expect("the field ends").0.to_owned()
}

#[tokio::test]
async fn the_ready_line_has_the_addresses_and_a_signal_ends_the_emulator() {
    let directory = tempfile::tempdir().expect("a directory");
    let ca_file = path_in(&directory, "ca.pem");
    let mut child = keyvault(&["emulator", "--ca-file", &ca_file]).spawn().expect("the command starts");
    let ready = first_line(&mut child).await;
    assert_conforms(&parsed(&ready), &parsed(include_str!("../../../../docs/schemas/emulator.schema.json")));
    let ca = std::fs::read(&ca_file).expect("the authority was written");

    let roots = reqwest::Certificate::from_pem(&ca).expect("the authority is PEM");
    let client = reqwest::Client::builder().tls_certs_only([roots]).build().expect("a client");
    let url = format!("{}/secrets/x?api-version=2025-07-01", field(&ready, "vault_url"));
    let response = client.get(url).send().await.expect("a response over TLS");
    assert_eq!(response.status(), 401);
    assert!(field(&ready, "identity_endpoint").starts_with("http://127.0.0.1:"));
    end(&mut child, "-TERM").await;
}

#[tokio::test]
async fn the_ready_line_has_the_app_configuration_store_if_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let seed = write_in(&directory, "seed.toml", "[app_configuration]\n'shop:db' = { value = 'v', label = 'prod' }\n");
    for (name, host) in [(None, "127.0.0.1"), (Some("contoso"), "contoso.localhost")] {
        let arguments = ["emulator", "--accept-any-token", "--seed", &seed, "--app-configuration"];
        let mut child =
            keyvault(&[&arguments, &Vec::from_iter(name)[..]].concat()).spawn().expect("the command starts");
        let ready = first_line(&mut child).await;
        assert_conforms(&parsed(&ready), &parsed(include_str!("../../../../docs/schemas/emulator.schema.json")));
        let endpoint = field(&ready, "app_configuration_endpoint");
        assert!(endpoint.starts_with(&format!("https://{host}:")), "{endpoint}");
        let connection_string = field(&ready, "app_configuration_connection_string");
        assert!(connection_string.starts_with(&format!("Endpoint={endpoint};Id=")), "{connection_string}");
        let url = format!("{}/kv?api-version=2023-11-01&label=prod", field(&ready, "http_url"));
        let response = reqwest::Client::new().get(url).bearer_auth("any").send().await.expect("a response");
        assert!(response.text().await.expect("a body").contains(r#""key":"shop:db""#));
        end(&mut child, "-TERM").await;
    }
}

async fn read(ready: &str, path: &str) -> String {
    let url = format!("{}/{path}?api-version=2025-07-01", field(ready, "http_url"));
    let response = reqwest::Client::new().get(url).bearer_auth("any").send().await.expect("a response");
    response.text().await.expect("a body")
}

async fn end(child: &mut Child, signal: &str) {
    let id = child.id().expect("the command is running").to_string();
    let killed = Command::new("kill").args([signal, &id]).status().await.expect("kill runs");
    assert!(killed.success());
    let status = timeout(DEADLINE, child.wait()).await.expect("the command ends in time").expect("a status");
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_seed_is_served_and_the_request_log_contains_no_values() {
    let directory = tempfile::tempdir().expect("a directory");
    let toml = "plain = 'hunter2'\n[full]\nvalue = 'v'\ncontent_type = 't'\nexpires = 2027-01-01T00:00:00Z\n";
    let json = r#"{"plain":"hunter2","full":{"value":"v","contentType":"t","exp":1798761600}}"#;
    for (name, seed) in [("seed.toml", toml), ("seed.json", json)] {
        let seed = write_in(&directory, name, seed);
        let mut child =
            keyvault(&["emulator", "--seed", &seed, "--accept-any-token"]).spawn().expect("the command starts");
        let ready = first_line(&mut child).await;
        assert!(read(&ready, "secrets/plain").await.starts_with(r#"{"value":"hunter2""#), "{name}");
        let full = read(&ready, "secrets/full").await;
        assert!(full.contains(r#""contentType":"t""#) && full.contains(r#""exp":1798761600"#), "{name}: {full}");
        let mut log = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        for path in ["plain", "full"] {
            let line = timeout(DEADLINE, log.next_line()).await.expect("a line").expect("text").expect("a line");
            assert!(line.starts_with(&format!("GET /secrets/{path} 200 ")) && line.ends_with(" ms"), "{line}");
        }
        assert!(field(&ready, "control_url").ends_with("/_emulator"));
        end(&mut child, "-INT").await;
    }
}

#[tokio::test]
async fn a_data_file_survives_a_restart_and_is_refused_if_damaged() {
    let directory = tempfile::tempdir().expect("a directory");
    let (seed, data) = (write_in(&directory, "seed.toml", "a = '1'"), path_in(&directory, "vault.json"));
    let arguments = ["emulator", "--seed", &seed, "--data", &data, "--accept-any-token"];
    let mut before = (String::new(), String::new());
    for signal in ["-TERM", "-KILL"] {
        let mut child = keyvault(&arguments).spawn().expect("the command starts");
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
    write_in(&directory, "vault.json", "{\"keyvault_emulator\":1,");
    let output = keyvault(&arguments).output().await.expect("the command ran");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(err.lines().count() == 1 && err.contains("vault.json") && err.contains("damaged"), "{err}");
    assert_eq!(std::fs::read_to_string(&data).expect("it is still there"), "{\"keyvault_emulator\":1,");
}

#[tokio::test]
async fn an_invalid_seed_is_refused_in_one_line_that_quotes_no_value() {
    let directory = tempfile::tempdir().expect("a directory");
    for (text, expected) in [
        (&b"a = 'x'\nb = hunter2"[..], "neither JSON nor TOML (line 2)"),
        (b"a_b = 'hunter2'", "a_b: "),
        (b"[a]\nvalue = 'hunter2'\ncolour = 'hunter2'", "a: `colour`: "),
        (b"{\"a\": hunter2}", "JSON object (line 1, column 7)"),
        (b"a = 'hunter2\xff'", "UTF-8"),
    ] {
        let seed = path_in(&directory, "seed");
        std::fs::write(&seed, text).expect("a file");
        let output = keyvault(&["emulator", "--seed", &seed]).output().await.expect("the command ran");
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), err.lines().count()), (Some(2), 1), "{err}");
        assert!(err.contains(expected) && !err.contains("hunter2"), "{err}");
    }
    let output = keyvault(&["emulator", "--seed", &path_in(&directory, "missing")]).output().await;
    assert_eq!(output.expect("the command ran").status.code(), Some(1));
}

#[tokio::test]
async fn the_seed_of_the_help_text_works_and_durations_have_units() {
    let help = keyvault(&["emulator", "--help"]).output().await.expect("the command ran");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let (_, seed) = help.split_once("A seed, as TOML:\n").expect("a seed");
    let (seed, _) = seed.split_once("The same as JSON").expect("its end");
    let directory = tempfile::tempdir().expect("a directory");
    let seed = write_in(&directory, "seed.toml", seed);
    let times = ["emulator", "--accept-any-token", "--latency", "1ms", "--async-delete", "1h 2s", "--seed", &seed];
    let mut child = keyvault(&times).spawn().expect("the command starts");
    let ready = first_line(&mut child).await;
    assert!(read(&ready, "secrets/tls").await.contains(r#""managed":true"#));
    end(&mut child, "-TERM").await;
    let wrong = keyvault(&["emulator", "--latency", "soon"]).output().await.expect("the command ran");
    assert_eq!(wrong.status.code(), Some(2));
}

#[tokio::test]
async fn a_port_in_use_is_reported_in_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = timeout(DEADLINE, keyvault(&["emulator", "--listen", &address]).output()).await;
    let output = output.expect("the command ends in time").expect("the command ran");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.contains(&address), "{err}");
}

#[tokio::test]
async fn wrong_usage_exits_with_2() {
    let version = keyvault(&["--version"]).output().await.expect("the command ran");
    assert_eq!(String::from_utf8_lossy(&version.stdout).trim(), concat!("keyvault ", env!("CARGO_PKG_VERSION")));
    let wrong = keyvault(&["emulator", "--listen", "nonsense"]).output().await.expect("the command ran");
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn the_schema_of_a_seed_accepts_what_the_emulator_accepts() {
    let schema = parsed(include_str!("../../../../docs/schemas/seed.schema.json"));
    for (seed, is_good) in [
        (r#"{}"#, true),
        (r#"{"a": "v", "other/a": "v"}"#, true),
        (r#"{"a": {"value": "v", "content_type": "t", "tags": {"k": "v"}, "enabled": false, "expires": 7}}"#, true),
        (r#"{"a": {"value": "v", "not_before": "2026-01-01T00:00:00Z", "expires": null, "tags": null}}"#, true),
        (r#"{"a": {"value": "v", "contentType": "t", "nbf": 5, "exp": 7}}"#, true),
        (r#"{"a": {"value": "v", "version": "0123456789ABCDEF0123456789abcdef"}}"#, true),
        (r#"{"a": {"versions": ["old", {"value": "new"}]}}"#, true),
        (r#"{"a": {"certificate": "app.example"}}"#, true),
        (r#"{"a": {"certificate": "app.example", "policy": {"issuer": {"name": "Self"}}}}"#, true),
        (r#"{"a": {"value": "v", "policy": {}}}"#, false),
        (r#"{"a": {"certificate": "app.example", "policy": []}}"#, false),
        (r#"{"app_configuration": {"a:b": "v", "c": ["v", {"value": "v", "label": "prod"}]}}"#, true),
        (r#"{"app_configuration": {"a": {"secret": "db", "tags": {"k": "v"}, "locked": true}}}"#, true),
        (
            r#"{"app_configuration": {"a": {"value": "{}", "content_type": "application/json", "description": "d"}}}"#,
            true,
        ),
        (r#"{"app_configuration": "v"}"#, false),
        (r#"{"app_configuration": {"a": 5432}}"#, false),
        (r#"{"app_configuration": {"a": {}}}"#, false),
        (r#"{"app_configuration": {"a": {"value": "v", "secret": "db"}}}"#, false),
        (r#"{"app_configuration": {"a": {"value": "v", "colour": "red"}}}"#, false),
        (r#"[]"#, false),
        (r#"{"a": 5432}"#, false),
        (r#"{"a": {}}"#, false),
        (r#"{"a": {"value": 5432}}"#, false),
        (r#"{"a": {"value": "v", "certificate": "app.example"}}"#, false),
        (r#"{"a": {"value": "v", "colour": "red"}}"#, false),
        (r#"{"a": {"value": "v", "tags": {"k": 1}}}"#, false),
        (r#"{"a": {"value": "v", "enabled": "yes"}}"#, false),
        (r#"{"a": {"value": "v", "expires": true}}"#, false),
        (r#"{"a": {"versions": []}}"#, false),
        (r#"{"a": {"versions": ["v"], "enabled": true}}"#, false),
    ] {
        assert_eq!(Seed::from_json(seed).is_ok(), is_good, "emulator: {seed}");
        assert_eq!(conforms(&parsed(seed), &schema).is_ok(), is_good, "schema: {seed}");
    }
}

#[test]
fn every_schema_has_an_id_with_a_version_and_a_row_in_the_table() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schemas");
    let table = std::fs::read_to_string(format!("{folder}.md")).expect("the table");
    let mut count = 0;
    for file in std::fs::read_dir(folder).expect("a folder").flatten() {
        let file = file.file_name().into_string().expect("a name");
        let Some(name) = file.strip_suffix(".schema.json") else { continue };
        let schema = parsed(&std::fs::read_to_string(format!("{folder}/{file}")).expect("a schema"));
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{file}");
        let version = schema["$id"].as_str().and_then(|id| id.strip_prefix(&format!("urn:keyvault:schema:{name}:")));
        let version: u32 = version.and_then(|version| version.parse().ok()).expect("an id with a version");
        assert!(table.contains(&format!("| [`{name}`](schemas/{file}) | {version} |")), "{file}");
        count += 1;
    }
    assert_eq!(table.matches(".schema.json) |").count(), count, "{table}");
}
