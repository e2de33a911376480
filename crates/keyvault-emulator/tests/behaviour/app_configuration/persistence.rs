//! Stores in the data file and in a seed.

use std::fs;

use keyvault_emulator::{Emulator, Seed, SetKeyValue};
use serde_json::json;

use super::{call, get, items};

#[tokio::test]
async fn stores_and_access_keys_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("data.json");
    let emulator = Emulator::builder().data_file(&file).start().await.unwrap();
    call(&emulator, "PUT", "/kv/a?label=prod", r#"{"value":"1","tags":{"t":"v"}}"#).await;
    call(&emulator, "PUT", "/kv/a?label=prod", r#"{"value":"2"}"#).await;
    call(&emulator, "PUT", "/locks/a?label=prod", "").await;
    call(&emulator, "PUT", "/kv/b", r#"{"value":"3"}"#).await;
    call(&emulator, "DELETE", "/kv/b", "").await;
    call(&emulator, "PUT", "/snapshots/s", r#"{"filters":[{"key":"*","label":"prod"}]}"#).await;
    call(&emulator, "PATCH", "/snapshots/s", r#"{"status":"archived"}"#).await;
    let paths = ["/kv", "/kv?snapshot=s", "/snapshots", "/revisions", "/labels"];
    let mut before = Vec::new();
    for path in paths {
        before.push(get(&emulator, path).await.text().to_owned());
    }
    let (token, keys) =
        (emulator.app_configuration("contoso").sync_token(), emulator.app_configuration("").connection_string());
    let keys = keys.split_once(';').unwrap().1.to_owned();
    // Continues with a copy, as after a kill: the file already contains every change of a client.
    let copy = directory.path().join("copy.json");
    fs::copy(&file, &copy).unwrap();
    drop(emulator);

    let emulator = Emulator::builder().data_file(&copy).start().await.unwrap();
    for (path, before) in paths.into_iter().zip(before) {
        assert_eq!(get(&emulator, path).await.text(), before, "{path}");
    }
    assert_eq!(emulator.app_configuration("contoso").sync_token(), token);
    assert!(emulator.app_configuration("").connection_string().ends_with(&keys));
}

#[tokio::test]
async fn a_seed_does_not_restore_what_a_client_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("data.json");
    let section = json!({ "a": ["1", { "value": "2", "label": "prod" }] });
    let seed = Seed::from_json(&json!({ "app_configuration": section }).to_string()).unwrap();
    let start = || Emulator::builder().data_file(&file).app_configuration("contoso").seed(seed.clone()).start();
    let emulator = start().await.unwrap();
    assert_eq!(call(&emulator, "DELETE", "/kv/a?label=prod", "").await.status(), 200);
    drop(emulator);
    let emulator = start().await.unwrap();
    assert_eq!(items(&get(&emulator, "/kv").await, "value"), ["1"]);
    assert_eq!(emulator.load(&seed).unwrap(), 2);
    assert_eq!(items(&get(&emulator, "/kv").await, "value"), ["1", "2"], "a load sets it again");
}

#[tokio::test]
async fn a_file_without_stores_is_read_and_a_damaged_one_is_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("data.json");
    Emulator::builder().data_file(&file).start().await.unwrap().stop().await;
    let mut saved: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    saved.as_object_mut().unwrap().remove("stores").unwrap();
    saved["identity"].as_object_mut().unwrap().remove("access_keys").unwrap();
    fs::write(&file, saved.to_string()).unwrap();
    let emulator = Emulator::builder().data_file(&file).start().await.unwrap();
    emulator.app_configuration("contoso").set("a", "1");
    emulator.stop().await;

    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(r#""key":"a""#, r#""key":"b""#)).unwrap();
    let error = Emulator::builder().data_file(&file).start().await.unwrap_err().to_string();
    assert!(error.contains("a key-value has another key"), "{error}");
}

#[tokio::test]
async fn a_file_with_an_unreadable_access_key_is_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("data.json");
    Emulator::builder().data_file(&file).start().await.unwrap().stop().await;
    let valid: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    for (key, secret) in [("read_write", ""), ("read_only", ""), ("read_write", "hunter2!"), ("read_only", "hunter2!")]
    {
        let mut damaged = valid.clone();
        damaged["identity"]["access_keys"][key]["secret"] = secret.into();
        fs::write(&file, damaged.to_string()).unwrap();
        let error = Emulator::builder().data_file(&file).start().await.unwrap_err().to_string();
        assert!(error.contains("it is damaged: an access key is empty or not base64"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_change_that_cannot_be_written_is_an_error_and_has_no_effect() {
    let directory = tempfile::tempdir().unwrap();
    let emulator = Emulator::builder().data_file(directory.path().join("data.json")).start().await.unwrap();
    call(&emulator, "PUT", "/kv/a", r#"{"value":"1"}"#).await;
    let before = get(&emulator, "/kv").await.text().to_owned();
    fs::remove_dir_all(directory.path()).unwrap();
    for (method, path, body) in [
        ("PUT", "/kv/a", r#"{"value":"2"}"#),
        ("DELETE", "/kv/a", ""),
        ("PUT", "/locks/a", ""),
        ("PUT", "/snapshots/s", r#"{"filters":[{"key":"*"}]}"#),
    ] {
        let response = call(&emulator, method, path, body).await;
        assert_eq!(response.status(), 500, "{method} {path}");
        assert_eq!(response.header("content-type"), Some("application/problem+json; charset=utf-8"));
        assert_eq!(get(&emulator, "/kv").await.text(), before, "{method} {path}");
        assert_eq!(get(&emulator, "/snapshots/s").await.status(), 404);
    }
}

#[tokio::test]
async fn a_seed_sets_key_values_and_leaves_saved_ones() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("data.json");
    let builder = || Emulator::builder().data_file(&file).app_configuration("Contoso");
    let emulator = builder().start().await.unwrap();
    emulator.app_configuration("contoso").set_key_value("a", SetKeyValue::new("saved").label("prod"));
    emulator.stop().await;
    let section =
        json!({ "a": ["seed", { "value": "seed", "label": "prod", "content_type": "t", "tags": { "t": "v" } }] });
    let seed = json!({ "db": "hunter2", "app_configuration": section });
    let seed = Seed::from_json(&seed.to_string()).unwrap();
    let emulator = builder().seed(seed.clone()).start().await.unwrap();
    assert_eq!(items(&get(&emulator, "/kv").await, "value"), ["seed", "saved"]);
    assert_eq!(emulator.load(&seed).unwrap(), 3, "a load replaces what exists");
    let list = get(&emulator, "/kv").await.json();
    assert_eq!((&list["items"][1]["value"], &list["items"][1]["tags"]["t"]), (&"seed".into(), &"v".into()));
}

#[test]
fn an_invalid_seed_names_the_key_and_never_the_value() {
    let long = "hunter2".repeat(2_000);
    for (section, expected) in [
        (json!([]), "app_configuration: expected an object"),
        (json!({ "k": 5432 }), "k: expected a string, an object or a list of them"),
        (json!({ "k": { "value": "hunter2", "colour": 1 } }), "k: `colour`: unknown field"),
        (json!({ "k": { "value": 5432 } }), "k: `value`: expected a string"),
        (json!({ "k": { "value": "hunter2", "locked": "no" } }), "k: `locked`: expected true or false"),
        (
            json!({ "k": { "value": "hunter2", "secret": "db" } }),
            "k: expected either `value` or `secret`, and `content_type` with a value only",
        ),
        (json!({ "100%": "hunter2" }), "100%: invalid character in the key, the label or a property"),
    ] {
        let error = Seed::from_json(&json!({ "app_configuration": section }).to_string()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let error = runtime.block_on(async {
        let seed = Seed::from_json(&json!({ "app_configuration": { "k": long } }).to_string()).unwrap();
        Emulator::start().await.unwrap().load(&seed).unwrap_err()
    });
    assert_eq!(error.to_string(), "k: the key-value is longer than 10 KB");
}
