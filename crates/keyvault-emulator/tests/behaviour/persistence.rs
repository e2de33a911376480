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

fn names(directory: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
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
    // Continues with a copy, as after a kill: the file already contains every change of a client.
    let copy = tempfile::tempdir().unwrap();
    fs::copy(data_file(&directory), data_file(&copy)).unwrap();
    drop(emulator);

    let emulator = builder(&copy).start().await.unwrap();
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
    assert_eq!(names(&directory), [".vault.json.lock", "vault.json"]);
    let mode = fs::metadata(directory.path().join(".vault.json.lock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_change_that_cannot_be_written_is_an_error_and_has_no_effect() {
    let directory = tempfile::tempdir().unwrap();
    let emulator = builder(&directory).start().await.unwrap();
    for name in ["a", "gone"] {
        call(&emulator, "PUT", &with_version(&format!("/secrets/{name}")), r#"{"value":"1"}"#).await;
    }
    let backup = call(&emulator, "POST", &with_version("/secrets/a/backup"), "").await.text().to_owned();
    call(&emulator, "DELETE", &with_version("/secrets/gone"), "").await;
    let contents = async || {
        let mut contents = String::new();
        for path in ["/secrets/a", "/secrets/a/versions", "/secrets", "/deletedsecrets"] {
            contents += get(&emulator, path).await.text();
        }
        contents
    };
    let before = contents().await;

    fs::remove_dir_all(directory.path()).unwrap();
    for (method, path, body) in [
        ("PUT", "/secrets/a", r#"{"value":"2"}"#),
        ("PUT", "/secrets/new", r#"{"value":"2"}"#),
        ("PATCH", "/secrets/a", r#"{"attributes":{"enabled":false}}"#),
        ("DELETE", "/secrets/a", ""),
        ("POST", "/deletedsecrets/gone/recover", ""),
        ("DELETE", "/deletedsecrets/gone", ""),
    ] {
        let response = call(&emulator, method, &with_version(path), body).await;
        assert_eq!(response.error().0, 500, "{method} {path}");
        assert!(response.header("x-ms-request-id").is_some());
        assert_eq!(emulator.request_log().last().unwrap().status, 500, "{method} {path}");
        assert_eq!(contents().await, before, "{method} {path}");
    }
    let seed = serde_json::json!({ "contoso/seeded": "1" }).to_string();
    let url = format!("{}/secrets", emulator.control_url());
    let control = crate::client(&emulator).post(url).body(seed).send().await.unwrap();
    assert_eq!(control.status().as_u16(), 500);
    assert_eq!(contents().await, before);
    assert!(emulator.save().is_err());

    fs::create_dir(directory.path()).unwrap();
    let saved = call(&emulator, "PUT", &with_version("/secrets/late"), r#"{"value":"3"}"#).await;
    assert_eq!(saved.status(), 200, "a later change is written");
    assert_eq!(get(&emulator, "/secrets").await.names(), ["a", "late"]);
    drop(emulator);
    let emulator = builder(&directory).start().await.unwrap();
    assert_eq!(get(&emulator, "/secrets").await.names(), ["a", "late"], "the file contains no discarded change");
    // The restored secret is the one before every discarded change.
    call(&emulator, "DELETE", &with_version("/secrets/a"), "").await;
    call(&emulator, "DELETE", &with_version("/deletedsecrets/a"), "").await;
    assert_eq!(call(&emulator, "POST", &with_version("/secrets/restore"), &backup).await.status(), 200);
    assert_eq!(get(&emulator, "/secrets/a").await.json()["value"], "1");
}

#[tokio::test]
async fn a_restore_that_cannot_be_written_leaves_the_name_free() {
    let directory = tempfile::tempdir().unwrap();
    let emulator = builder(&directory).start().await.unwrap();
    let other = Emulator::start().await.unwrap();
    other.vault("contoso").set("a", "1");
    let backup = call(&other, "POST", &with_version("/secrets/a/backup"), "").await.text().to_owned();
    fs::remove_dir_all(directory.path()).unwrap();
    assert_eq!(call(&emulator, "POST", &with_version("/secrets/restore"), &backup).await.status(), 500);
    assert_eq!(get(&emulator, "/secrets/a").await.status(), 404);
    fs::create_dir(directory.path()).unwrap();
    assert_eq!(call(&emulator, "POST", &with_version("/secrets/restore"), &backup).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_changes_are_all_in_the_file_when_they_are_answered() {
    let directory = tempfile::tempdir().unwrap();
    let emulator = builder(&directory).start().await.unwrap();
    let set = |n: usize| {
        let (emulator, file) = (&emulator, data_file(&directory));
        async move {
            let path = format!("/secrets/s{}", n % 10);
            let body = format!(r#"{{"value":"value-{n}"}}"#);
            let status = call(emulator, "PUT", &with_version(&path), &body).await.status();
            let is_saved = fs::read_to_string(file).unwrap().contains(&format!(r#""value-{n}""#));
            (status, is_saved, get(emulator, &path).await.status())
        }
    };
    let results = futures::future::join_all((0..60).map(set)).await;
    assert!(results.iter().all(|result| *result == (200, true, 200)), "{results:?}");
}

#[tokio::test]
async fn a_second_emulator_is_refused_until_the_first_ends() {
    let directory = tempfile::tempdir().unwrap();
    let first = builder(&directory).start().await.unwrap();
    let error = builder(&directory).start().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy);
    let path = data_file(&directory);
    assert_eq!(error.to_string(), format!("another emulator uses the data file {}", path.display()));
    assert_eq!(call(&first, "PUT", &with_version("/secrets/a"), r#"{"value":"1"}"#).await.status(), 200);
    drop(first);
    let second = builder(&directory).start().await.unwrap();
    assert_eq!(get(&second, "/secrets/a").await.json()["value"], "1");
    second.stop().await;
    builder(&directory).start().await.unwrap();
}

#[tokio::test]
async fn a_start_removes_the_temporary_files_of_a_killed_emulator_and_no_others() {
    let directory = tempfile::tempdir().unwrap();
    builder(&directory).start().await.unwrap().stop().await;
    let expected = names(&directory);
    for n in 0..5 {
        let left = directory.path().join(format!(".vault.json.keyvault-emulator-AbCd123{n}.tmp"));
        fs::write(left, "{\"keyvault_emulator\":1,").unwrap();
    }
    let foreign = [".other.json.keyvault-emulator-AbCd1234.tmp", ".vault.json.abcdef.tmp", "vault.json.tmp"];
    for name in foreign {
        fs::write(directory.path().join(name), "foreign").unwrap();
    }
    let emulator = builder(&directory).start().await.unwrap();
    let mut expected: Vec<_> = expected.into_iter().chain(foreign.map(str::to_owned)).collect();
    expected.sort();
    assert_eq!(names(&directory), expected);
    assert_eq!(get(&emulator, "/secrets").await.status(), 200);
}

#[cfg(unix)]
#[tokio::test]
async fn a_data_file_behind_a_link_or_on_a_device_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("target");
    std::os::unix::fs::symlink(&target, data_file(&directory)).unwrap();
    let error = builder(&directory).start().await.unwrap_err().to_string();
    assert!(error.contains("vault.json: it is a symbolic link"), "{error}");
    assert_eq!(names(&directory), ["vault.json"], "neither the target nor a lock exists");
    let error = Emulator::builder().data_file("/dev/null").start().await.unwrap_err().to_string();
    assert_eq!(error, "cannot use the data file /dev/null: it is not a regular file");
}
