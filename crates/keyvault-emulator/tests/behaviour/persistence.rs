//! The data file, which survives a restart.

use std::fs;
use std::path::PathBuf;

use keyvault_emulator::{Emulator, EmulatorBuilder, Seed};
use tempfile::TempDir;

use crate::{call, get, with_version};

fn data_file(directory: &TempDir) -> PathBuf {
    directory.path().join("vault.json")
}

fn builder(directory: &TempDir) -> EmulatorBuilder {
    Emulator::builder().data_file(data_file(directory))
}

#[tokio::test]
async fn vaults_authority_and_application_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let emulator = builder(&directory).start().await.unwrap();
    call(&emulator, "PUT", &with_version("/secrets/a"), r#"{"value":"1","tags":{"k":"v"}}"#).await;
    call(&emulator, "PUT", &with_version("/secrets/a"), r#"{"value":"2"}"#).await;
    call(&emulator, "PUT", &with_version("/secrets/gone"), r#"{"value":"3"}"#).await;
    call(&emulator, "DELETE", &with_version("/secrets/gone"), "").await;
    let paths = ["/secrets/a", "/secrets/a/versions", "/deletedsecrets", "/secrets"];
    let mut before = Vec::new();
    for path in paths {
        before.push(get(&emulator, path).await.text().to_owned());
    }
    let identity = [emulator.ca_pem(), emulator.tenant_id(), emulator.client_id(), emulator.client_secret()];
    let identity = identity.map(str::to_owned);
    let token = emulator.token();
    // Forgets the emulator instead of dropping it, because the file already contains every change of a client.
    std::mem::forget(emulator);

    let emulator = builder(&directory).start().await.unwrap();
    assert_eq!(identity, [emulator.ca_pem(), emulator.tenant_id(), emulator.client_id(), emulator.client_secret()]);
    for (path, before) in paths.into_iter().zip(before) {
        assert_eq!(get(&emulator, path).await.text(), before, "{path}");
    }
    let url = format!("{}/secrets?api-version=7.4", emulator.vault_url());
    let response = crate::client(&emulator).get(url).bearer_auth(token).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200, "the saved authority signs the new listener, and the token is valid");
}

#[tokio::test]
async fn a_change_of_a_test_is_saved_at_the_stop_and_a_seed_does_not_replace_it() {
    let directory = tempfile::tempdir().unwrap();
    let emulator = builder(&directory).start().await.unwrap();
    emulator.vault("contoso").set("a", "changed");
    emulator.stop().await;
    let seed = Seed::from_json(r#"{"contoso/A":"seed","contoso/b":"seed"}"#).unwrap();
    let emulator = builder(&directory).seed(seed).start().await.unwrap();
    assert_eq!(get(&emulator, "/secrets/a").await.json()["value"], "changed");
    assert_eq!(get(&emulator, "/secrets/b").await.json()["value"], "seed");
}

#[tokio::test]
async fn a_damaged_file_is_rejected_without_quotes_and_stays_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    builder(&directory).start().await.unwrap().stop().await;
    let valid = fs::read_to_string(data_file(&directory)).unwrap();
    let nameless =
        valid.replace(r#""vaults":{}"#, r#""vaults":{"":{"live":{"A":{"name":"A","versions":[]}},"deleted":{}}}"#);
    for damaged in
        [&valid[..valid.len() / 2], "", "hunter2", r#"{"a":"hunter2"}"#, &nameless, &valid.replacen(":1,", ":2,", 1)]
    {
        fs::write(data_file(&directory), damaged).unwrap();
        let error = builder(&directory).start().await.unwrap_err().to_string();
        assert!(error.contains("vault.json") && error.contains("the file is unchanged"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        assert_eq!(fs::read_to_string(data_file(&directory)).unwrap(), damaged);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_file_and_no_temporary_file_remains() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().unwrap();
    let emulator = builder(&directory).start().await.unwrap();
    call(&emulator, "PUT", &with_version("/secrets/a"), r#"{"value":"1"}"#).await;
    let mode = fs::metadata(data_file(&directory)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    emulator.save().unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_change_that_cannot_be_written_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let emulator = builder(&directory).start().await.unwrap();
    fs::remove_dir_all(directory.path()).unwrap();
    let set = call(&emulator, "PUT", &with_version("/secrets/a"), r#"{"value":"1"}"#).await;
    assert_eq!(set.error().0, 500);
    assert!(emulator.save().is_err());
}
