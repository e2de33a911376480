//! What survives a restart.

use std::fs;
use std::path::PathBuf;

use keyvault_emulator::{Emulator, EmulatorBuilder, Seed};

use crate::{call, get, with_version};

/// A directory that goes when the test ends.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("keyvault-emulator-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("vault.json")
    }

    fn emulator(&self) -> EmulatorBuilder {
        Emulator::builder().data_file(self.file())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn vaults_authority_and_application_survive_a_restart() {
    let directory = Directory::new("restart");
    let emulator = directory.emulator().start().await.unwrap();
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
    // Forgotten, not dropped: what a client was told is in the file by then, come what may.
    std::mem::forget(emulator);

    let emulator = directory.emulator().start().await.unwrap();
    assert_eq!(identity, [emulator.ca_pem(), emulator.tenant_id(), emulator.client_id(), emulator.client_secret()]);
    for (path, before) in paths.into_iter().zip(before) {
        assert_eq!(get(&emulator, path).await.text(), before, "{path}");
    }
    let url = format!("{}/secrets?api-version=7.4", emulator.vault_url());
    let answer = crate::client(&emulator).get(url).bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "the authority kept vouches for the new listener, and the token is good");
}

#[tokio::test]
async fn what_a_test_sets_is_kept_when_the_emulator_stops_and_a_seed_leaves_it_alone() {
    let directory = Directory::new("stop");
    let emulator = directory.emulator().start().await.unwrap();
    emulator.vault("contoso").set("a", "changed");
    emulator.stop().await;
    let seed = Seed::from_json(r#"{"contoso/A":"seed","contoso/b":"seed"}"#).unwrap();
    let emulator = directory.emulator().seed(seed).start().await.unwrap();
    assert_eq!(get(&emulator, "/secrets/a").await.json()["value"], "changed");
    assert_eq!(get(&emulator, "/secrets/b").await.json()["value"], "seed");
}

#[tokio::test]
async fn a_damaged_file_is_refused_not_quoted_and_left_as_it_is() {
    let directory = Directory::new("damaged");
    directory.emulator().start().await.unwrap().stop().await;
    let good = fs::read_to_string(directory.file()).unwrap();
    let nameless =
        good.replace(r#""vaults":{}"#, r#""vaults":{"":{"live":{"A":{"name":"A","versions":[]}},"deleted":{}}}"#);
    for bad in
        [&good[..good.len() / 2], "", "hunter2", r#"{"a":"hunter2"}"#, &nameless, &good.replacen(":1,", ":2,", 1)]
    {
        fs::write(directory.file(), bad).unwrap();
        let error = directory.emulator().start().await.unwrap_err().to_string();
        assert!(error.contains("vault.json") && error.contains("left as it is"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        assert_eq!(fs::read_to_string(directory.file()).unwrap(), bad);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_reads_the_file_and_nothing_is_left_beside_it() {
    use std::os::unix::fs::PermissionsExt;

    let directory = Directory::new("mode");
    let emulator = directory.emulator().start().await.unwrap();
    call(&emulator, "PUT", &with_version("/secrets/a"), r#"{"value":"1"}"#).await;
    let mode = fs::metadata(directory.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    emulator.save().unwrap();
    assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 1);
}

#[tokio::test]
async fn a_change_that_cannot_be_written_is_no_success() {
    let directory = Directory::new("full");
    let emulator = directory.emulator().start().await.unwrap();
    fs::remove_dir_all(&directory.0).unwrap();
    let set = call(&emulator, "PUT", &with_version("/secrets/a"), r#"{"value":"1"}"#).await;
    assert_eq!(set.error().0, 500);
    assert!(emulator.save().is_err());
}
