//! Changes in the vault and in the layers reach each framework, under the keys that changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use config::{Config, ConfigError, Map, Source, Value};
use figment::Figment;
use futures::FutureExt;
use keyvault::{Live, Notice, ValidationError};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::time::timeout;

use super::service::{BOTH, One, Service, vault};

#[derive(Deserialize)]
struct Settings {
    url: String,
    plain: String,
    list: Vec<String>,
    database: BTreeMap<String, String>,
}

const FILE: &str = "url = 'db:@KeyVault(SecretName=s)'\nplain = 'plain'\nlist = ['@KeyVault(SecretName=s)', 'x']";

fn service() -> Service {
    Service::new(FILE).secret("s", "one").secret("Database--Password", "p").secret("Database--User", "u")
}

#[tokio::test]
async fn a_rotated_secret_changes_every_setting_that_refers_to_it() {
    for framework in BOTH {
        let service = service();
        let live: Live<Settings> = service.start(framework).await.unwrap();
        let mut watcher = live.watch();
        service.vault.set("s", "two").unwrap();
        let change = live.refresh_now().await.unwrap().unwrap();
        assert_eq!(change.keys, ["list[0]", "url"], "{framework:?}");
        assert_eq!(change.generation, 2);
        assert_eq!(watcher.changed().now_or_never().flatten().unwrap(), change);
        assert_eq!(live.current().url, "db:two", "{framework:?}");
        assert_eq!(live.current().list, ["two", "x"], "{framework:?}");
    }
}

#[tokio::test]
async fn a_rotated_secret_changes_the_setting_of_its_name() {
    for framework in BOTH {
        let service = service();
        let live: Live<Settings> = service.start(framework).await.unwrap();
        service.vault.set("Database--Password", "q").unwrap();
        assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["database.password"], "{framework:?}");
        assert_eq!(live.current().database["password"], "q", "{framework:?}");
        assert_eq!(live.current().database["user"], "u", "{framework:?}");
    }
}

#[tokio::test]
async fn settings_appear_and_disappear_with_their_secrets() {
    for framework in BOTH {
        let service = service();
        let live: Live<Settings> = service.start(framework).await.unwrap();
        service.vault.set("Database--Host", "h").unwrap();
        service.vault.delete("Database--User");
        assert_eq!(
            live.refresh_now().await.unwrap().unwrap().keys,
            ["database.host", "database.user"],
            "{framework:?}"
        );
        let keys: Vec<String> = live.current().database.keys().cloned().collect();
        assert_eq!(keys, ["host", "password"], "{framework:?}");
    }
}

#[tokio::test]
async fn an_edited_file_changes_the_settings_that_were_edited() {
    for framework in BOTH {
        let service = service();
        let live: Live<Settings> = service.start(framework).await.unwrap();
        for (file, keys) in [
            (FILE.replace("'plain'", "'other'"), &["plain"][..]),
            // Comments, order and quotes do not count as a change.
            (format!("# comment\n{}", FILE.replace("'plain'", "\"other\"")), &[]),
            (FILE.replace("'plain'", "'other'").replace(", 'x'", ", 'y', 'z'"), &["list[1]", "list[2]"]),
            (FILE.replace("'plain'", "'other'"), &["list[1]", "list[2]"]),
            (FILE.replace("'plain'", "'other'") + "\nnew = 1", &["new"]),
            (FILE.replace("'plain'", "'other'") + "\nnew = '1'", &["new"]),
            (FILE.replace("'plain'", "'other'") + "\nnew = 1.0", &["new"]),
            (FILE.replace("'plain'", "'other'") + "\nnew = true", &["new"]),
            (FILE.replace("'plain'", "'other'"), &["new"]),
            // A plain value replaces the reference, and then the reference returns.
            (FILE.replace("'plain'", "'other'") + "\n[database]\nuser = 'u'", &["database.user"]),
            (FILE.replace("'plain'", "'other'"), &["database.user"]),
            // A different reference to the same version yields a different value.
            (FILE.replace("'plain'", "'other'").replace("db:", "db2:"), &["url"]),
        ] {
            service.file.write(&file);
            let change = live.refresh_now().await.unwrap();
            let changed = change.map(|change| change.keys).unwrap_or_default();
            assert_eq!(changed, keys, "{framework:?} {file}");
        }
    }
}

#[tokio::test]
async fn empty_lists_and_tables_can_appear_and_disappear() {
    #[derive(Deserialize)]
    struct Settings {
        list: Option<Vec<String>>,
        table: Option<BTreeMap<String, String>>,
    }
    for framework in BOTH {
        let service = Service::new("");
        let live: Live<Settings> = service.start(framework).await.unwrap();
        assert!(live.current().list.is_none() && live.current().table.is_none());
        service.file.write("list = []\ntable = {}");
        assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["list", "table"], "{framework:?}");
        assert!(live.current().list.is_some() && live.current().table.is_some(), "{framework:?}");
        service.file.write("list = ['x']\ntable = {}");
        assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["list", "list[0]"], "{framework:?}");
        service.file.write("");
        assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["list[0]", "table"], "{framework:?}");
        assert!(live.current().list.is_none() && live.current().table.is_none(), "{framework:?}");
    }
}

#[tokio::test]
async fn an_unchanged_refresh_runs_no_hook_and_notifies_no_watcher() {
    for framework in BOTH {
        let service = service();
        let asked = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&asked);
        let hook = move |_: &Settings| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let live = service.start_validated(framework, hook).await.unwrap();
        let (mut watcher, published) = (live.watch(), live.published());
        for _ in 0..3 {
            assert_eq!(live.refresh_now().await.unwrap(), None, "{framework:?}");
        }
        // Rewritten with the same content.
        service.file.write(FILE);
        assert_eq!(live.refresh_now().await.unwrap(), None, "{framework:?}");
        assert!(watcher.next().now_or_never().is_none(), "{framework:?}");
        assert!(Arc::ptr_eq(&published, &live.published()), "{framework:?}");
        assert_eq!(asked.load(Ordering::Relaxed), 1, "{framework:?}");
        service.vault.set("s", "two").unwrap();
        live.refresh_now().await.unwrap().unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 2, "{framework:?}");
    }
}

#[tokio::test]
async fn settings_that_validation_refuses_are_not_published() {
    for framework in BOTH {
        let service = service();
        let hook = |settings: &Settings| match settings.url.as_str() {
            "db:canary" => Err(ValidationError::new("no good").of("url")),
            _ => Ok(()),
        };
        let live = service.start_validated(framework, hook).await.unwrap();
        let mut watcher = live.watch();
        service.vault.set("s", "canary").unwrap();
        let error = live.refresh_now().await.unwrap_err();
        assert_eq!(error.setting(), Some("url"));
        assert!(error.to_string().contains("settings.toml"), "{framework:?} {error}");
        assert!(!error.report().contains("canary"), "{framework:?} {error}");
        let notice = watcher.next().now_or_never().flatten();
        assert!(matches!(notice, Some(Notice::Failed(_))), "{framework:?}");
        assert_eq!(live.current().url, "db:one", "{framework:?}");
    }
}

#[tokio::test]
async fn a_deleted_secret_leaves_the_last_good_settings() {
    for framework in BOTH {
        let service = service();
        let live: Live<Settings> = service.start(framework).await.unwrap();
        service.vault.delete("s");
        let error = live.refresh_now().await.unwrap_err();
        assert_eq!(error.failures().len(), 2, "{framework:?} {error}");
        assert_eq!(live.current().url, "db:one", "{framework:?}");
        service.vault.set("s", "two").unwrap();
        assert!(live.refresh_now().await.unwrap().is_some());
        assert_eq!(live.current().url, "db:two", "{framework:?}");
    }
}

/// A source that nests another source under a key.
#[derive(Clone, Debug)]
struct Under<S>(&'static str, S);

impl<S: Source + Clone + Send + Sync + 'static> Source for Under<S> {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.1.collect()?.into_iter().map(|(key, value)| (format!("{}.{key}", self.0), value)).collect())
    }
}

#[tokio::test]
async fn a_rotation_arrives_even_if_the_layers_moved_the_secret_to_another_key() {
    #[derive(Deserialize)]
    struct Moved {
        moved: One<String>,
    }
    let vault = vault("contoso");
    vault.set("value", "one").unwrap();
    let live: Live<Moved> =
        keyvault_config::layered_with(vault.clone(), |secrets| Config::builder().add_source(Under("moved", secrets)))
            .start()
            .await
            .unwrap();
    vault.set("value", "two").unwrap();
    assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["moved.value"]);
    assert_eq!(live.current().moved.value, "two");

    vault.set("moved--value", "one").unwrap();
    vault.delete("value");
    let live: Live<One<String>> =
        keyvault_figment::layered_with(vault.clone(), |secrets| Figment::from(secrets).focus("moved"))
            .start()
            .await
            .unwrap();
    vault.set("moved--value", "two").unwrap();
    assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["value"]);
    assert_eq!(live.current().value, "two");
}

#[tokio::test(start_paused = true)]
async fn the_background_brings_rotations_and_edits_by_itself() {
    // The default interval is 5 minutes.
    const SOON: Duration = Duration::from_secs(330);
    for framework in BOTH {
        let service = service();
        let live: Live<Settings> = service.start(framework).await.unwrap();
        let mut watcher = live.watch();
        service.vault.set("s", "two").unwrap();
        let change = timeout(SOON, watcher.changed()).await.unwrap().unwrap();
        assert_eq!(change.keys, ["list[0]", "url"], "{framework:?}");
        service.file.write(&FILE.replace("'plain'", "'other'"));
        let change = timeout(SOON, watcher.changed()).await.unwrap().unwrap();
        assert_eq!(change.keys, ["plain"], "{framework:?}");
        assert_eq!(live.current().plain, "other", "{framework:?}");
    }
}

#[tokio::test]
async fn an_unchanged_vault_is_listed_and_its_secrets_are_not_fetched_again() {
    for framework in BOTH {
        let service = Service::new(FILE).secret("s", "one");
        let live: Live<IgnoredAny> = service.start(framework).await.unwrap();
        let before = service.vault.reads();
        live.refresh_now().await.unwrap();
        assert_eq!(service.vault.reads().lists, before.lists + 1, "{framework:?}");
        // A secret set in the second of its read may have another version in that second, so one extra read is allowed.
        assert!(service.vault.reads().gets <= before.gets + 1, "{framework:?}");
    }
}
