//! `keyvault emulator` as a user runs it.

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
