//! The settings of a store are those that the official provider of Python loads.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue panics at once, and so do its helpers")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use figment::Figment;
use keyvault::InMemory;
use keyvault_appconfig::{AppConfiguration, AppConfigurationClient, NO_LABEL};
use keyvault_emulator::{Emulator, SetKeyValue};
use serde_json::{Value, json};
use tokio::process::Command;

type Settings = BTreeMap<String, Value>;

/// Content types that mean JSON, and some that do not although they look like it.
const CONTENT_TYPES: [&str; 10] = [
    "",
    "text/plain",
    "application/json",
    "Application/JSON ; charset=utf-8",
    "application/vnd.shop+json;charset=utf-8",
    "application/json+shop",
    "application/json; profile=\"https://azconfig.io/mime-profiles/ai/chat-completion\"",
    "application/jsonp",
    "text/json",
    "json",
];

#[tokio::test]
async fn key_values_become_the_same_settings_as_with_the_provider_of_python() {
    let Some(python) = python() else { return };
    let emulator = Emulator::start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let authority = directory.path().join("ca.pem");
    emulator.write_ca(&authority).unwrap();
    fill(&emulator, 600);

    let connection = emulator.app_configuration("").connection_string();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("official_provider/provider.py");
    let output = Command::new(python).arg(script).arg(&connection).arg(&authority).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Settings = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(theirs.len(), 600);

    let ours = ours(&emulator, &connection).await;
    let kinds = theirs.values().fold([0; 3], |[texts, trees, others], value| match value {
        Value::String(_) => [texts + 1, trees, others],
        Value::Object(_) | Value::Array(_) => [texts, trees + 1, others],
        _ => [texts, trees, others + 1],
    });
    assert!(kinds.iter().all(|count| *count > 40), "{kinds:?}");
    let expected: Settings = theirs.into_iter().filter_map(|(key, value)| Some((key, as_ours(value)?))).collect();
    let all: BTreeSet<&String> = ours.keys().chain(expected.keys()).collect();
    let different = all.into_iter().filter(|key| ours.get(*key) != expected.get(*key));
    let different: Vec<_> = different.map(|key| (key, ours.get(key), expected.get(key))).collect();
    assert!(different.is_empty(), "key, ours, theirs:\n{different:#?}");
}

/// Returns what the layer makes of the store, by the same selections.
async fn ours(emulator: &Emulator, connection: &str) -> Settings {
    let client = AppConfigurationClient::from_connection_string(connection).certificate_authority(emulator.ca_pem());
    let store = AppConfiguration::builder(client.build().unwrap())
        .select("*", NO_LABEL)
        .select("*", "prod")
        .trim_prefix("shop:")
        .trim_prefix("shop:db:")
        .build()
        .unwrap();
    let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
    let live = keyvault_figment::layered(vault, Figment::new).with_layer(store).start::<Settings>().await.unwrap();
    Settings::clone(&live.current())
}

/// Sets key-values with random content types and values, each without a label, with the label `prod`, or with both.
fn fill(emulator: &Emulator, count: usize) {
    let store = emulator.app_configuration("");
    let mut random = fastrand::Rng::with_seed(20);
    for n in 0..count {
        let prefix = ["", "shop:", "shop:db:"][random.usize(..3)];
        let labels: &[Option<&str>] = [&[None][..], &[Some("prod")], &[None, Some("prod")]][random.usize(..3)];
        for label in labels {
            let mut set = SetKeyValue::new(text(&mut random));
            if let content_type @ [_, ..] = CONTENT_TYPES[random.usize(..CONTENT_TYPES.len())].as_bytes() {
                set = set.content_type(std::str::from_utf8(content_type).unwrap());
            }
            if let Some(label) = label {
                set = set.label(*label);
            }
            store.set_key_value(&format!("{prefix}key{n:03}"), set);
        }
    }
}

/// Returns a text: JSON, JSON with comments, or almost JSON.
fn text(random: &mut fastrand::Rng) -> String {
    let json = value(random, 3).to_string();
    match random.u8(..10) {
        0 => format!("// \"a\"\n{json} /* b */"),
        1 => json.replace(',', ", // \"c\n"),
        2 => format!("{json},"),
        3 => json.replace('}', ",}"),
        4 => json.chars().take(random.usize(..=json.len())).collect(),
        5 => ["", " ", "'a'", "01", "1.", "+1", "tru", "True", "a//b", "/*", "\u{feff}1"][random.usize(..11)].into(),
        _ => json,
    }
}

fn value(random: &mut fastrand::Rng, depth: u8) -> Value {
    let kinds = if depth == 0 { 6 } else { 9 };
    match random.u8(..kinds) {
        0 => Value::Null,
        1 => json!(random.bool()),
        2 => json!(random.i64(..)),
        3 => json!(f64::from(random.i32(..)) / 8.0),
        4 => json!(["", "1", "true", "a // b", "/* c */", "\"", "\\", "ü\u{1f511}\n"][random.usize(..8)]),
        5 => json!(random.u8(..)),
        6 => (0..random.u8(..4)).map(|_| value(random, depth - 1)).filter(|value| !value.is_null()).collect(),
        _ => {
            let members = 0..random.u8(..4);
            Value::Object(members.map(|_| (random.lowercase().to_string(), value(random, depth - 1))).collect())
        }
    }
}

/// Returns a value of the provider as the layer has it: a null is absent, so that a lower layer applies.
fn as_ours(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(value),
        Value::Array(items) => Some(items.into_iter().filter_map(as_ours).collect()),
        Value::Object(members) => {
            let kept = members.into_iter().filter_map(|(name, value)| Some((name, as_ours(value)?)));
            Some(Value::Object(kept.collect()))
        }
    }
}

/// Returns the Python in which `.ci/sdks` installs the provider. Prints a line if it is not installed. Panics in CI in
/// this case.
fn python() -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk/bin/python");
    if python.exists() {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "the official provider is not installed: run .ci/sdks");
    eprintln!("SKIPPED: the official provider is not installed (.ci/sdks)");
    None
}
