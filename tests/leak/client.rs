//! Every operation of the client, successful and refused.

use std::time::Duration;

use futures::TryStreamExt;
use keyvault::client::{SecretBackup, VersionProperties};
use keyvault::{SecretClient, SecretStore, blocking};
use keyvault_emulator::{Certificate, SetSecret};

use super::scan::Scan;
use super::vault::CanaryVault;

#[tokio::test]
async fn every_operation_succeeds_and_leaks_nothing() {
    let mut scan = Scan::begin();
    let vault = CanaryVault::of(&scan).await;
    for builder in [vault.client(), vault.client().http1_only()] {
        scan.shows("builder", &builder);
        let client = builder.build().unwrap();
        read(&mut scan, &client).await;
        write(&mut scan, &client).await;
        take_away(&mut scan, &client).await;
        scan.shows("client", &client);
        scan.shows("traffic", &client.stats());
        scan.shows("another vault's", &client.with_vault(vault.emulator.vault_url()).unwrap());
    }
    assert!(vault.emulator.requests().total > 30);
    scan.shows("credential", &vault.credential);
    scan.end();
}

async fn read(scan: &mut Scan, client: &SecretClient) {
    let secret = client.get("password").await.unwrap();
    assert_eq!(secret.expose_secret(), scan.secret.text());
    scan.shows("secret", &secret);
    scan.shows("properties", secret.properties());
    scan.says("id", secret.id());
    let version = secret.id().version().unwrap().to_string();
    scan.shows("version", &client.get_version("password", &version).await.unwrap());
    scan.shows("by the trait", &SecretStore::get(client, secret.id()).await.unwrap());
    scan.outcome("PEM of no certificate", &client.get_pem("password").await);
    for list in [client.list(), client.list_versions("password"), client.list().page_size(1)] {
        scan.shows("list", &list);
        let pages: Vec<_> = list.pages().try_collect().await.unwrap();
        scan.shows("pages", &pages);
        if let Some(next) = &pages[0].next {
            scan.shows("the rest", &client.list().resume(next).try_collect::<Vec<_>>().await.unwrap());
        }
    }
}

async fn write(scan: &mut Scan, client: &SecretClient) {
    let properties = VersionProperties::new().content_type("text/plain").tag("a", "b");
    scan.shows("properties", &properties);
    scan.shows("set", &client.set_with("written", scan.secret.text(), properties).await.unwrap());
    let update = VersionProperties::new().content_type("text/html");
    scan.shows("update", &update);
    scan.shows("updated", &client.update("written", update).await.unwrap());
    let disabled = VersionProperties::new().enabled(false);
    client.set_with("disabled", scan.secret.text(), disabled).await.unwrap();
    scan.outcome("disabled", &client.get("disabled").await);
}

async fn take_away(scan: &mut Scan, client: &SecretClient) {
    let backup = client.backup("written").await.unwrap();
    scan.shows("backup", &backup);
    // Only the backups of Azure are encrypted.
    scan.look_for(azure_core::base64::encode_url_safe(backup.expose_secret()));
    let deletion = client.begin_delete("written").await.unwrap();
    scan.shows("deletion", &deletion);
    scan.shows("poll", &deletion.poll().await);
    scan.shows("deleted", &deletion.interval(Duration::from_millis(1)).await.unwrap());
    scan.outcome("got when deleted", &client.get("written").await);
    scan.outcome("set when deleted", &client.set("written", scan.secret.text()).await);
    scan.shows("deleted", &client.get_deleted("written").await.unwrap());
    scan.shows("all deleted", &client.list_deleted().try_collect::<Vec<_>>().await.unwrap());
    let recovery = client.begin_recover("written").await.unwrap();
    scan.shows("recovery", &recovery);
    scan.shows("recovered", &recovery.interval(Duration::from_millis(1)).await.unwrap());
    scan.outcome("restored over it", &client.restore(&backup).await);
    scan.shows("deleted again", &client.delete("written").await.unwrap());
    client.purge("written").await.unwrap();
    scan.shows("restored", &client.restore(&backup).await.unwrap());
    scan.outcome("restored from nonsense", &client.restore(&SecretBackup::new(scan.secret.text())).await);
    client.delete("written").await.unwrap();
    scan.shows("recovered", &client.recover("written").await.unwrap());
    client.delete("written").await.unwrap();
    client.purge("written").await.unwrap();
}

#[tokio::test]
async fn the_key_of_a_certificate_is_not_shown_in_pem_or_pkcs_12() {
    let mut scan = Scan::begin();
    let vault = CanaryVault::of(&scan).await;
    vault.emulator.set_secret("certificate", SetSecret::certificate(Certificate::self_signed("contoso").unwrap()));
    let client = vault.client().build().unwrap();
    let (packed, pem) = (client.get("certificate").await.unwrap(), client.get_pem("certificate").await.unwrap());
    scan.look_for(packed.expose_secret());
    for line in pem.expose_secret().lines().filter(|line| line.len() == 64) {
        scan.look_for(line);
    }
    scan.shows("packed", &packed);
    scan.shows("PEM", &pem);
    scan.outcome("set", &client.set("certificate", "x").await);
    scan.outcome("deleted", &client.begin_delete("certificate").await);
    scan.end();
}

/// Misplaced text is usually a secret or a token.
#[tokio::test]
async fn a_secret_pasted_for_a_name_a_version_or_a_url_is_not_repeated() {
    let mut scan = Scan::begin();
    let vault = CanaryVault::of(&scan).await;
    let client = vault.client().build().unwrap();
    for pasted in [scan.secret.text().to_owned(), scan.token.text().to_owned()] {
        scan.outcome("get", &client.get(&pasted).await);
        scan.outcome("version", &client.get_version("password", &pasted).await);
        scan.outcome("PEM", &client.get_pem(&pasted).await);
        scan.outcome("versions", &client.list_versions(&pasted).try_collect::<Vec<_>>().await);
        scan.shows("versions", &client.list_versions(&pasted));
        scan.outcome("set", &client.set(&pasted, "x").await);
        scan.outcome("update", &client.update(&pasted, VersionProperties::new()).await);
        scan.outcome("update", &client.update_version("password", &pasted, VersionProperties::new()).await);
        scan.outcome("delete", &client.begin_delete(&pasted).await);
        scan.outcome("deleted", &client.get_deleted(&pasted).await);
        scan.outcome("recover", &client.begin_recover(&pasted).await);
        scan.outcome("purge", &client.purge(&pasted).await);
        scan.outcome("backup", &client.backup(&pasted).await);
        for url in
            [pasted.clone(), format!("https://{pasted}"), format!("https://user:{pasted}@contoso.vault.azure.net")]
        {
            scan.shows("builder", &SecretClient::builder(&url));
            scan.outcome("client", &SecretClient::builder(&url).build());
            scan.outcome("another vault's", &client.with_vault(&url));
        }
        scan.outcome("API", &vault.client().api_version(&pasted).build());
        scan.outcome("authority", &vault.client().certificate_authority(&pasted).build());
        let pem = format!("-----BEGIN CERTIFICATE-----\n{pasted}\n-----END CERTIFICATE-----");
        scan.outcome("authority", &vault.client().certificate_authority(pem).build());
    }
    let long = format!("{}{}", scan.secret.text(), "x".repeat(30_000));
    scan.outcome("too long", &client.set("a", long).await);
    scan.end();
}

#[test]
fn the_blocking_client_leaks_nothing_either() {
    let mut scan = Scan::begin();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let vault = runtime.block_on(CanaryVault::of(&scan));
    scan.shows("builder", &vault.client());
    let client: blocking::SecretClient = vault.client().build_blocking().unwrap();
    scan.shows("client", &client);
    scan.shows("set", &client.set("written", scan.secret.text()).unwrap());
    scan.shows("secret", &client.get("written").unwrap());
    scan.shows("list", &client.list());
    scan.outcome("listed", &client.list().collect::<Result<Vec<_>, _>>());
    scan.outcome("versions", &client.list_versions("written").collect::<Result<Vec<_>, _>>());
    let pasted = scan.secret.text().to_owned();
    scan.outcome("pasted", &client.get(&pasted));
    scan.outcome("missing", &client.get("missing"));
    let backup = client.backup("written").unwrap();
    scan.shows("backup", &backup);
    let deletion = client.begin_delete("written").unwrap();
    scan.shows("deletion", &deletion);
    scan.shows("deleted", &deletion.wait().unwrap());
    scan.shows("recovery", &client.begin_recover("written").unwrap());
    vault.emulator.fault(keyvault_emulator::Fault::status(403).body(pasted));
    scan.outcome("denied", &client.get("written"));
    scan.end();
}
