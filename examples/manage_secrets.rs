//! Manages secrets with the plain client: sets, lists, disables, deletes, recovers, backs up and restores them.
//!
//! ```sh
//! cargo run --example manage_secrets
//! ```
//!
//! The vault is an emulator in this process; for a vault in Azure, build the client from its URL and
//! `keyvault::default_credential()`. The identity needs the role Key Vault Secrets Officer.

use std::time::{Duration, SystemTime};

use futures::TryStreamExt;
use keyvault::client::VersionProperties;
use keyvault::{ErrorKind, SecretClient};
use keyvault_emulator::Emulator;
use keyvault_examples_support::{Result, client, ensure, new_password, print_heading};

/// Sets a secret with properties, and a second version of it.
async fn create(vault: &SecretClient) -> Result {
    let quarter = Duration::from_secs(90 * 24 * 60 * 60);
    let properties = VersionProperties::new()
        .content_type("text/plain")
        .tag("user", "shop-app")
        .expires(SystemTime::now() + quarter);
    let first = vault.set_with(NAME, new_password(), properties.clone()).await?;
    println!("set {}", first.id());
    // A new version inherits nothing: the properties are given again.
    let second = vault.set_with(NAME, new_password(), properties).await?;
    println!("set {}, the latest version", second.id());

    let latest = vault.get(NAME).await?;
    ensure(latest.id() == second.id(), "the second version is not the latest")?;
    let version = first.id().version().ok_or("a secret names its version")?.to_string();
    let old = vault.get_version(NAME, &version).await?;
    ensure(old.expose_secret() == first.expose_secret(), "the first version has lost its value")
}

/// Lists secrets and versions. Lists have properties and no values.
async fn list(vault: &SecretClient) -> Result {
    let secrets: Vec<_> = vault.list().try_collect().await?;
    println!("the vault has {} secret", secrets.len());
    let mut versions = vault.list_versions(NAME);
    while let Some(version) = versions.try_next().await? {
        println!("{} with tags {:?}", version.id(), version.tags());
    }
    Ok(())
}

/// Disables the latest version, which the vault then refuses, and enables it again.
async fn disable(vault: &SecretClient) -> Result {
    vault.update(NAME, VersionProperties::new().enabled(false)).await?;
    let error = vault.get(NAME).await.err().ok_or("a disabled secret was returned")?;
    println!("{error}");
    ensure(error.kind() == ErrorKind::NotFound, "a disabled secret has no value")?;
    vault.update(NAME, VersionProperties::new().enabled(true)).await?;
    vault.get(NAME).await?;
    Ok(())
}

/// Deletes the secret with its versions and recovers it.
async fn delete_and_recover(vault: &SecretClient) -> Result {
    // Waits until the vault has completed the deletion. `begin_delete` does not wait.
    let deleted = vault.delete(NAME).await?;
    println!("deleted {}", deleted.id().name());
    let error = vault.set(NAME, new_password()).await.err().ok_or("a deleted secret kept no name")?;
    println!("{error}");
    ensure(error.kind() == ErrorKind::Conflict, "a deleted secret holds its name")?;
    let recovered = vault.recover(NAME).await?;
    println!("recovered {}", recovered.id());
    Ok(())
}

/// Backs up the secret, purges it and restores it with all its versions.
async fn back_up_and_restore(vault: &SecretClient) -> Result {
    let before = vault.get(NAME).await?;
    let backup = vault.backup(NAME).await?;
    println!("the backup has {} bytes", backup.expose_secret().len());
    vault.delete(NAME).await?;
    vault.purge(NAME).await?;
    vault.restore(&backup).await?;
    let after = vault.get(NAME).await?;
    ensure(after.expose_secret() == before.expose_secret(), "the restored secret has another value")?;
    println!("restored {}", after.id());
    Ok(())
}

const NAME: &str = "db-password";

#[tokio::main]
async fn main() -> Result {
    let emulator = Emulator::start().await?;
    let vault = client(&emulator)?;
    print_heading("Create");
    create(&vault).await?;
    print_heading("List");
    list(&vault).await?;
    print_heading("Disable");
    disable(&vault).await?;
    print_heading("Delete and recover");
    delete_and_recover(&vault).await?;
    print_heading("Back up and restore");
    back_up_and_restore(&vault).await
}
