//! The files and their links, owners and modes.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use keyvault_emulator::{Denial, SetSecret};

use super::{assert_no_key, is_root, mode};
use crate::authority::{Authority, DAY, openssl};
use crate::fixture::{CANARY, Fixture, run};

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
async fn no_link_is_switched_if_one_cannot_be() {
    let fixture = Fixture::start().await;
    let authority = Authority::new();
    let renew = |name: &str| fixture.emulator.set_secret(name, authority.issue("shop.example").managed());
    let command = || {
        let mut command = fixture.certs();
        command.args(["--certificate", "other"]);
        command
    };
    let [version, _] = ["tls", "other"].map(renew);
    run(command()).await.assert_code(0);
    // A directory cannot be replaced by a link.
    let other = fixture.path(&format!("certs/{}", fixture.name("other", "")));
    fs::remove_file(&other).expect("a link");
    fs::create_dir(&other).expect("a directory");
    for name in ["tls", "other"] {
        renew(name);
    }
    let output = run(command()).await;
    assert!(output.assert_code(1).err.contains(": is a directory"), "{}", output.err);
    assert_eq!(fixture.linked_version(), version);
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
    let file = format!("new/certs/{}", fixture.name("tls", ""));
    let owner_of = || {
        let file = fs::metadata(fixture.path(&file)).expect("a file");
        (file.uid(), file.gid())
    };
    run(command(Some("65534:7"))).await.assert_code(0);
    assert_eq!((mode(fixture.path("new")), mode(fixture.path("new/certs"))), (mode(fixture.path("usual")), 0o700));
    if !is_root() {
        return eprintln!("SKIPPED in part: only root sets another owner");
    }
    assert_eq!(owner_of(), (65_534, 7));
    if cfg!(target_os = "linux") {
        fs::set_permissions(fixture.directory(), fs::Permissions::from_mode(0o711)).expect("a mode");
        for (user, is_allowed) in [("65534", true), ("65533", false)] {
            let output = super::cat_as(user, "7", fixture.directory(), &file);
            assert_eq!(output.status.success(), is_allowed, "{user}: {output:?}");
        }
    }
    // Without an owner it is that of the process.
    run(command(None)).await.assert_code(0);
    assert_eq!(owner_of().0, 0);
}
