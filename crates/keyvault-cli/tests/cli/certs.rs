//! `keyvault certs`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use keyvault_emulator::{Denial, SetSecret};

use crate::authority::{Authority, DAY, Issued, openssl};
use crate::fixture::{CANARY, CommandOutput, Fixture, eventually, run, run_with, send_signal, wait};

impl Fixture {
    /// Returns `keyvault certs` of the certificate `tls`.
    fn certs(&self) -> Command {
        let mut command = self.command("certs");
        command.args(["--certificate", "tls", "--out", "certs"]);
        command
    }

    /// Returns the name of a file of a certificate.
    fn name(&self, certificate: &str, rest: &str) -> String {
        format!("{}.{certificate}{rest}", self.vault())
    }

    /// Returns the path of a file of `tls`.
    fn file(&self, rest: &str) -> String {
        format!("certs/{}", self.name("tls", rest))
    }

    /// Returns the emulator in the names of files: `127.0.0.1-8443`.
    pub(crate) fn vault(&self) -> String {
        self.emulator.vault_url().trim_start_matches("https://").trim_end_matches('/').replace(':', "-")
    }

    /// Returns the version that the link of `tls` leads to. Empty without a link.
    fn linked_version(&self) -> String {
        let target = fs::read_link(self.path(&self.file(""))).unwrap_or_default();
        target.to_string_lossy().rsplit('.').next().unwrap_or_default().to_owned()
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(directory)) else { return Vec::new() };
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name().into_string();
        let mut names: Vec<String> = entries.map(|entry| name(entry).expect("text")).collect();
        names.sort();
        names
    }
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o7777
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

fn assert_no_key(output: &CommandOutput, issued: &[&Issued]) {
    for issued in issued {
        assert!(!output.text().contains(issued.key_part()), "{}", output.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_format_is_a_file_with_a_link_that_other_tools_read() {
    let fixture = Fixture::start().await;
    let issued = Authority::new().issue("shop.example");
    let version = fixture.emulator.set_secret("tls", issued.managed());
    let command = || {
        let mut command = fixture.certs();
        command.args(["--format", "pem,chain,key,pfx"]);
        command
    };
    let output = run(command()).await;
    output.assert_code(0);
    assert!(output.err.contains("certificate for shop.example, expires 20"), "{}", output.err);
    assert_no_key(&output, &[&issued]);
    let mut expected = Vec::new();
    for suffix in ["", ".keyid", ".pem", ".pfx"] {
        let (link, target) = (fixture.name("tls", suffix), fixture.name("tls", &format!(".{version}{suffix}")));
        assert_eq!(fs::read_link(fixture.path(&format!("certs/{link}"))).expect("a link"), Path::new(&target));
        assert_eq!(mode(fixture.path(&format!("certs/{link}"))), 0o600, "{link}");
        expected.extend([link, target]);
    }
    expected.sort();
    assert_eq!(fixture.names("certs"), expected);
    assert_eq!(mode(fixture.path("certs")), 0o700);

    // As version 3.0 of the extension does: the leaf, its issuers, and the key at the end.
    let pem = fixture.read(&fixture.file(""));
    let normalized = |text: &str| text.replace("\r\n", "\n");
    assert!(pem.starts_with(&normalized(&issued.chain)), "{pem}");
    assert_eq!(pem, fixture.read(&fixture.file(".pem")) + &fixture.read(&fixture.file(".keyid")));

    // Nothing changes, so nothing is written.
    let written =
        || fs::symlink_metadata(fixture.path(&fixture.file(""))).and_then(|it| it.modified()).expect("a link");
    let before = written();
    assert_eq!(run(command()).await.assert_code(0).err, "");
    assert_eq!(written(), before);

    let text = |name: &str, arguments: &[&str]| {
        let name = fixture.file(name);
        openssl(fixture.directory(), &[arguments, &["-in", &name]].concat())
    };
    let Some(public_key) = text("", &["x509", "-noout", "-pubkey"]) else { return };
    for name in ["", ".keyid"] {
        assert_eq!(text(name, &["pkey", "-pubout"]).as_ref(), Some(&public_key), "{name}");
    }
    let container = text(".pfx", &["pkcs12", "-nodes", "-passin", "pass:"]).unwrap_or_default();
    assert!(container.contains("BEGIN PRIVATE KEY") && container.matches("BEGIN CERTIFICATE").count() == 2);
    fixture.write("root.pem", issued.chain.split_inclusive("-----END CERTIFICATE-----\n").nth(1).expect("the root"));
    let file = fixture.file("");
    openssl(fixture.directory(), &["verify", "-CAfile", "root.pem", "-verify_hostname", "shop.example", &file]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_is_written_as_it_is_and_other_forms_are_converted() {
    let fixture = Fixture::start().await;
    let issued = Authority::new().issue("shop.example");
    fixture.write("tls.key", &issued.key);
    fixture.write("tls.pem", &issued.chain);
    let export = ["pkcs12", "-export", "-inkey", "tls.key", "-in", "tls.pem", "-name", "friend", "-out"];
    let with = |rest: &[&str]| openssl(fixture.directory(), &[&export[..], rest].concat());
    if with(&["open.pfx", "-passout", "pass:"]).is_none() || with(&["closed.pfx", "-passout", "pass:hunter2"]).is_none()
    {
        return;
    }
    let base64 = |name: &str| openssl(fixture.directory(), &["base64", "-A", "-in", name]).expect("openssl ran");
    let json = serde_json::json!({ "data": base64("closed.pfx"), "dataType": "pfx", "password": "hunter2" });
    for (value, is_container) in [(base64("open.pfx"), true), (json.to_string(), false), (issued.pem(), false)] {
        fixture.emulator.set("tls", &value);
        let mut command = fixture.certs();
        command.args(["--format", "pfx"]);
        run(command).await.assert_code(0);
        let written = fs::read(fixture.path(&fixture.file(".pfx"))).expect("a file");
        let original = fs::read(fixture.path("open.pfx")).expect("a file");
        assert_eq!(written == original, is_container);
        let file = fixture.file(".pfx");
        let open = ["pkcs12", "-nodes", "-nocerts", "-passin", "pass:", "-in", &file];
        assert!(openssl(fixture.directory(), &open).expect("openssl ran").contains(issued.key_part()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_unless_every_certificate_is_good() {
    let fixture = Fixture::start().await;
    let authority = Authority::new();
    let (good, other) = (authority.issue("shop.example"), authority.issue("shop.example"));
    let (expired, early) = (authority.issue_between("a", -2 * DAY, -DAY), authority.issue_between("a", DAY, 2 * DAY));
    fixture.emulator.set_secret("good", good.managed());
    for (value, code, clause) in [
        (None, 3, "secret not found"),
        (Some(SetSecret::new(CANARY)), 1, "value is not a certificate"),
        (Some(SetSecret::new(good.key.clone() + &other.chain)), 1, "private key does not belong to the certificate"),
        (Some(SetSecret::new(good.chain.clone())), 1, "certificate has no private key"),
        (Some(SetSecret::new(expired.pem())), 1, "certificate has expired"),
        (Some(SetSecret::new(early.pem())), 1, "certificate is not valid yet"),
        (Some(SetSecret::new(good.pem()).enabled(false)), 3, "secret is disabled"),
    ] {
        if let Some(value) = value {
            fixture.emulator.set_secret("tls", value);
        }
        for watch in [&[][..], &["--watch", "--then", "touch reloaded"]] {
            let mut command = fixture.certs();
            command.args(["--certificate", "good"]).args(watch).env("RUST_LOG", "trace");
            let output = run(command).await;
            output.assert_code(code).assert_no_canary();
            assert!(output.err.contains(clause) && output.err.contains(": tls "), "{clause}: {}", output.err);
            assert_no_key(&output, &[&good, &other, &expired, &early]);
            assert!(!Path::new(&fixture.path("reloaded")).exists(), "{clause}");
            assert_eq!(fixture.names("certs"), [""; 0], "{clause}");
        }
    }
    fixture.emulator.deny(Denial::Rbac, &[keyvault_emulator::Operation::Get]);
    run(fixture.certs()).await.assert_code(4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewals_are_followed_and_failures_keep_the_last_good_files() {
    let fixture = Fixture::start().await;
    let authority = Authority::new();
    let first = authority.issue("shop.example");
    let versions = [fixture.emulator.set("tls", &first.pem())];
    let mut command = fixture.certs();
    let then = "cp certs/*.tls seen; echo run >> runs; env | grep -q KEYVAULT_TOKEN && echo leak >> runs; true";
    command.args(["--watch", "--interval", "1s", "--then", then]);
    let child = command.spawn().expect("the command starts");
    let read = |name: &str| fs::read_to_string(fixture.path(name)).unwrap_or_default();
    let content = |issued: &Issued| issued.chain.replace("\r\n", "\n") + &issued.key.replace("\r\n", "\n");
    eventually("the first file", || read("seen") == content(&first)).await;
    let polls = async |count: u64| {
        let before = fixture.emulator.requests().total;
        eventually("polls", || fixture.emulator.requests().total >= before + count).await;
    };
    // Neither of these replaces the files, and each failure is printed once.
    let early = authority.issue_between("shop.example", DAY, 2 * DAY);
    let foreign = authority.issue("shop.example").key + &first.chain;
    for value in [CANARY, &early.pem(), &foreign] {
        fixture.emulator.set("tls", value);
        polls(3).await;
    }
    fixture.emulator.set_enabled("tls", None, false);
    polls(3).await;
    fixture.emulator.delete("tls");
    polls(3).await;
    assert_eq!(read(&fixture.file("")), content(&first));
    assert_eq!((fixture.linked_version(), read("runs").as_str()), (versions[0].clone(), "run\n"));

    // A deleted secret keeps its name, so the renewed one comes by another certificate's rotation.
    send_signal(&child, "-TERM");
    let output = wait(child).await;
    output.assert_code(0).assert_no_canary();
    let file = fixture.file("");
    for part in [
        format!("wrote {file}: certificate for shop.example, expires "),
        format!("did not write {file}: value is not a certificate: tls version "),
        format!("did not write {file}: certificate is not valid yet"),
        format!("did not write {file}: private key does not belong to the certificate"),
        "secret is disabled: tls in 127.0.0.1".to_owned(),
        "secret not found: tls in 127.0.0.1".to_owned(),
    ] {
        assert_eq!(output.err.matches(&part).count(), 1, "{part}\n{}", output.err);
    }
    assert_no_key(&output, &[&first, &early]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_version_before_the_newest_stays_and_a_removed_file_comes_back() {
    let fixture = Fixture::start().await;
    let authority = Authority::new();
    let issued: Vec<Issued> = (0..3).map(|_| authority.issue("shop.example")).collect();
    let mut versions = vec![fixture.emulator.set_secret("tls", issued[0].managed())];
    fs::create_dir(fixture.path("certs")).expect("a directory");
    let mut foreign =
        Vec::from([".notes", ".0123456789abcdef0123456789abcdef.pem"].map(|rest| fixture.name("tls", rest)));
    for name in &foreign {
        fixture.write(&format!("certs/{name}"), "mine");
    }
    // It has the name of a version, and cannot be removed like one.
    let directory = fixture.name("tls", ".0123456789abcdef0123456789abcdef");
    fs::create_dir(fixture.path(&format!("certs/{directory}"))).expect("a directory");
    foreign.push(directory.clone());
    let mut command = fixture.certs();
    command.args(["--watch", "--interval", "1s", "--then", "echo run >> runs"]);
    let child = command.spawn().expect("the command starts");
    eventually("the first version", || fixture.linked_version() == versions[0]).await;
    for next in &issued[1..] {
        versions.push(fixture.emulator.set_secret("tls", next.managed()));
        eventually("the next version", || fixture.linked_version() == *versions.last().expect("a version")).await;
    }
    let file = |version: &str| fixture.name("tls", &format!(".{version}"));
    let mut expected = vec![fixture.name("tls", ""), file(&versions[1]), file(&versions[2])];
    expected.extend(foreign);
    expected.sort();
    eventually("the first version is removed", || fixture.names("certs") == expected).await;
    for name in [fixture.name("tls", ""), file(&versions[2])] {
        fs::remove_file(fixture.path(&format!("certs/{name}"))).expect("a file");
        eventually("the file is back", || fixture.names("certs") == expected).await;
    }
    eventually("five runs", || fixture.read("runs") == "run\n".repeat(5)).await;
    // Nobody reads this pipe.
    let (pipe, newest) = (fixture.path("pipe"), fixture.path(&format!("certs/{}", file(&versions[2]))));
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    fs::remove_file(&newest).expect("a file");
    std::os::unix::fs::symlink(&pipe, &newest).expect("a link");
    eventually("the link is a file again", || fs::symlink_metadata(&newest).is_ok_and(|file| file.is_file())).await;
    eventually("six runs", || fixture.read("runs") == "run\n".repeat(6)).await;
    send_signal(&child, "-TERM");
    let output = wait(child).await;
    assert!(output.assert_code(0).err.contains(&format!("cannot remove certs/{directory}: ")), "{}", output.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_can_open_the_files_of_a_new_directory() {
    let fixture = Fixture::start().await;
    fixture.emulator.set_secret("tls", Authority::new().issue("shop.example").managed());
    fs::create_dir(fixture.path("usual")).expect("a directory");
    let command = |owner: Option<&str>| {
        let mut command = fixture.command("certs");
        command.args(["--certificate", "tls", "--out", "new/certs"]);
        command.args(owner.filter(|_| is_root()).into_iter().flat_map(|owner| ["--owner", owner]));
        command
    };
    let owner_of = || {
        let file = fs::metadata(fixture.path(&format!("new/certs/{}", fixture.name("tls", "")))).expect("a file");
        (file.uid(), file.gid())
    };
    run(command(Some("65534:7"))).await.assert_code(0);
    assert_eq!((mode(fixture.path("new")), mode(fixture.path("new/certs"))), (mode(fixture.path("usual")), 0o700));
    if is_root() {
        assert_eq!(owner_of(), (65_534, 7));
        // Without an owner it is that of the process.
        run(command(None)).await.assert_code(0);
        assert_eq!(owner_of().0, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_settings_of_the_vm_extension_work_as_they_are() {
    let fixture = Fixture::start().await;
    let authority = Authority::new();
    fixture.emulator.set_secret("one", authority.issue("one.example").managed());
    let version = fixture.emulator.set("two", &authority.issue("two.example").pem());
    let url = |name: &str| format!("{}/secrets/{name}", fixture.emulator.vault_url());
    let settings = serde_json::json!({
        "secretsManagementSettings": {
            "pollingIntervalInS": "1",
            "linkOnRenewal": true,
            "requireInitialSync": false,
            "aclEnabled": true,
            "observedCertificates": [
                {
                    "url": url("one"),
                    "certificateStoreLocation": fixture.path("first"),
                    "customSymbolicLinkName": "app1",
                    "acls": [{ "user": "65534" }]
                },
                { "url": format!("{}/{version}", url("two")), "certificateStoreLocation": fixture.path("second") },
                { "url": url("late"), "certificateStoreLocation": fixture.path("second"), "acls": [{ "group": "7" }] }
            ]
        },
        "authenticationSettings": {
            "msiEndpoint": "http://169.254.169.254/metadata/identity",
            "msiClientId": fixture.emulator.client_id()
        }
    });
    fixture.write("settings.json", &settings.to_string());
    let command = |further: &[&str]| {
        let mut command = fixture.command("certs");
        command.args(["--config", "settings.json"]).args(further);
        // The identity of the settings is used, and not another.
        command.env_remove("KEYVAULT_TOKEN").env("AZURE_CLIENT_ID", "another");
        command.env("IDENTITY_ENDPOINT", fixture.emulator.identity_endpoint());
        command.env("IDENTITY_HEADER", fixture.emulator.identity_header());
        command
    };
    // Without --watch there is no later.
    let output = run(command(&[])).await;
    assert!(
        output.assert_code(3).err.contains("secretsManagementSettings.linkOnRenewal has no effect"),
        "{}",
        output.err
    );
    assert!(fixture.names("second").is_empty());

    let child = command(&["--watch"]).spawn().expect("the command starts");
    let second = |name: &str| format!("second/{}", fixture.name(name, ""));
    let is_there = |path: &str| Path::new(&fixture.path(path)).exists();
    eventually("the first two", || is_there("first/app1") && is_there(&second("two"))).await;
    fixture.emulator.set_secret("late", authority.issue("late.example").managed());
    eventually("the late one", || is_there(&second("late"))).await;
    send_signal(&child, "-TERM");
    let output = wait(child).await;
    assert!(output.assert_code(0).err.contains("is a single version, which is never renewed"), "{}", output.err);

    // The mask of the access control list is where the group's permissions are without one.
    assert_eq!((mode(fixture.path("first/app1")), mode(fixture.path("first"))), (0o640, 0o711));
    assert_eq!((mode(fixture.path(&second("two"))), mode(fixture.path("second"))), (0o600, 0o711));
    assert_eq!(mode(fixture.path(&second("late"))), 0o640);
    if is_root() && cfg!(target_os = "linux") {
        fs::set_permissions(fixture.directory(), fs::Permissions::from_mode(0o711)).expect("a mode");
        let late = second("late");
        for (user, group, file, is_allowed) in [
            ("65534", "65534", "first/app1", true),
            ("65533", "7", "first/app1", false),
            ("65533", "7", &late, true),
            ("65534", "65534", &late, false),
        ] {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", user, "--regid", group, "--clear-groups", "cat", file]);
            let output = command.current_dir(fixture.directory()).output().expect("setpriv runs");
            assert_eq!(output.status.success(), is_allowed, "{user}: {file}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_that_is_not_allowed_is_not_asked() {
    let fixture = Fixture::start().await;
    let config =
        |url: &str| serde_json::json!({"secretsManagementSettings": {"observedCertificates": [url]}}).to_string();
    for (url, vault, code, text) in [
        ("https://127.0.0.1:9/secrets/tls", None, 4, "allow it with --vault https://127.0.0.1:9"),
        ("https://stranger.vault.azure.net/secrets/tls", Some("contoso"), 4, "allow it with --vault https://stranger."),
        ("https://contoso.vault.azure.net/certificates/tls", None, 2, "URL is that of a certificate"),
    ] {
        let mut command = fixture.command_without_vault("certs");
        command.args(["--config", "-"]).args(vault.map(|vault| ["--vault", vault]).into_iter().flatten());
        let output = run_with(command, &config(url)).await;
        assert!(output.assert_code(code).err.contains(text), "{}", output.err);
    }
    for arguments in [&["--certificate", "tls"][..], &["--out", "certs"], &["--certificate", "a_b", "--out", "certs"]] {
        let mut command = fixture.command("certs");
        command.args(arguments);
        run(command).await.assert_code(2);
    }
    let mut command = fixture.certs();
    command.args(["--certificate", "TLS"]);
    assert!(run(command).await.assert_code(2).err.contains("is the file of two certificates"));
    let url = "https://contoso.vault.azure.net/secrets/tls";
    let observed = [
        serde_json::json!({ "url": url, "customSymbolicLinkName": "newest" }),
        serde_json::json!({ "url": format!("{url}/{}", "0".repeat(32)), "customSymbolicLinkName": "pinned" }),
    ];
    let settings = serde_json::json!({ "secretsManagementSettings": { "observedCertificates": observed } }).to_string();
    let mut command = fixture.command_without_vault("certs");
    command.args(["--config", "-", "--out", "certs"]);
    let output = run_with(command, &settings).await;
    assert!(output.assert_code(2).err.contains("is written into certs twice, with another"), "{}", output.err);
    assert_eq!(fixture.emulator.requests().total, 0);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_manager_is_notified_after_the_first_files() {
    let fixture = Fixture::start().await;
    fixture.emulator.set_secret("tls", Authority::new().issue("shop.example").managed());
    let socket = UnixDatagram::bind(fixture.path("notify")).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let mut command = fixture.certs();
    command.args(["--watch", "--mode", "640"]).env("NOTIFY_SOCKET", fixture.path("notify"));
    if is_root() {
        command.args(["--owner", "65534:7"]);
    }
    let child = command.spawn().expect("the command starts");
    let received = tokio::task::spawn_blocking(move || {
        let mut bytes = [0; 64];
        let length = socket.recv(&mut bytes).expect("a message");
        (bytes[..length].to_vec(), SystemTime::now())
    });
    let (message, at) = received.await.expect("it ran");
    assert_eq!(message, b"READY=1");
    let file = fs::metadata(fixture.path(&fixture.file(""))).expect("the file is there");
    assert!(file.modified().expect("a time") <= at);
    assert_eq!(mode(fixture.path(&fixture.file(""))), 0o640);
    if is_root() {
        assert_eq!((file.uid(), file.gid()), (65_534, 7));
    }
    send_signal(&child, "-TERM");
    wait(child).await.assert_code(0);
}
