//! Settings files.

use config::{Config, File, FileFormat};
use figment::Figment;
use figment::providers::{Format, Toml};
use keyvault::InMemory;
use serde_json::Value;

use crate::references::is_marked;
use crate::{CANARY, assert_error_is_value_free, run};

/// Checks a TOML file with both adapters: no text of a reference reaches the settings, and no error contains a value.
pub(crate) fn settings(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
    for (name, value) in [("a", "plain"), ("b", r#"{"user":"ann","list":[1,"two"]}"#), ("c", CANARY)] {
        vault.set(name, value).unwrap();
    }
    run(async {
        let figment = Figment::new().merge(Toml::string(text));
        let figment = keyvault_figment::resolve(figment, vault.clone()).await;
        check(text, figment.and_then(keyvault_figment::ResolvedFigment::extract));
        let config = Config::builder().add_source(File::from_str(text, FileFormat::Toml)).build();
        if let Ok(config) = config {
            let config = keyvault_config::resolve(config, vault).await;
            check(text, config.and_then(keyvault_config::ResolvedConfig::extract));
        }
    });
}

fn check(text: &str, settings: keyvault::Result<Value>) {
    match settings {
        // An escape, which TOML can write in several ways, is the intended text of a reference.
        Ok(settings) if !text.contains("@@") && !text.contains('\\') => assert_resolved(&settings),
        Ok(_) => {}
        Err(error) => {
            // The key of a setting is not confidential.
            if !error.failures().iter().any(|failure| failure.setting().is_some_and(|key| key.contains(CANARY))) {
                assert_error_is_value_free(&error);
            }
        }
    }
}

fn assert_resolved(value: &Value) {
    match value {
        Value::String(text) => assert!(!is_marked(text), "the text of a reference reached the settings"),
        Value::Array(items) => items.iter().for_each(assert_resolved),
        Value::Object(members) => members.values().for_each(assert_resolved),
        _ => {}
    }
}
