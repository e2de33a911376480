//! The settings of the VM extension, and the vaults that may be asked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{is_root, mode};
use crate::authority::Authority;
use crate::fixture::{Fixture, eventually, run, run_with, send_signal, wait};

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
            let output = super::cat_as(user, group, fixture.directory(), file);
            assert_eq!(output.status.success(), is_allowed, "{user}: {file}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_that_is_not_allowed_is_not_asked() {
    let fixture = Fixture::start().await;
    let config =
        |url: &str| serde_json::json!({"secretsManagementSettings": {"observedCertificates": [url]}}).to_string();
    // These commands name another vault than the emulator's or none, so a request would be in its log.
    let own = fixture.emulator.vault_url();
    let (own_secret, own_advice) = (format!("{own}/secrets/tls"), format!("allow it with --vault {own}"));
    for (url, vault, code, text) in [
        (own_secret.as_str(), None, 4, own_advice.as_str()),
        (&own_secret, Some("contoso"), 4, &own_advice),
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
    let observed = [
        serde_json::json!({ "url": own_secret, "customSymbolicLinkName": "newest" }),
        serde_json::json!({ "url": format!("{own_secret}/{}", "0".repeat(32)), "customSymbolicLinkName": "pinned" }),
    ];
    let settings = serde_json::json!({ "secretsManagementSettings": { "observedCertificates": observed } }).to_string();
    let mut command = fixture.command("certs");
    command.args(["--config", "-", "--out", "certs"]);
    let output = run_with(command, &settings).await;
    assert!(output.assert_code(2).err.contains("is written into certs twice, with another"), "{}", output.err);
    assert_eq!(fixture.emulator.requests().total, 0);
}
