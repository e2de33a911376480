//! What changes in the vault and in the layers arrives through each framework, under its keys.

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

use super::shop::{BOTH, One, Shop, vault};

#[derive(Deserialize)]
struct Settings {
    url: String,
    plain: String,
    list: Vec<String>,
    database: BTreeMap<String, String>,
}

const FILE: &str = "url = 'db:@KeyVault(SecretName=s)'\nplain = 'plain'\nlist = ['@KeyVault(SecretName=s)', 'x']";

fn shop() -> Shop {
    Shop::new(FILE).secret("s", "one").secret("Database--Password", "p").secret("Database--User", "u")
}

#[tokio::test]
async fn a_rotated_secret_changes_every_setting_that_refers_to_it() {
    for framework in BOTH {
        let shop = shop();
        let live: Live<Settings> = shop.start(framework).await.unwrap();
        let mut watcher = live.watch();
        shop.vault.set("s", "two").unwrap();
        let change = live.refresh_now().await.unwrap().unwrap();
        // The secret is a setting by its own name, too.
        assert_eq!(change.keys, ["list[0]", "s", "url"], "{framework:?}");
        assert_eq!(change.generation, 2);
        assert_eq!(watcher.changed().now_or_never().flatten().unwrap(), change);
        assert_eq!(live.current().url, "db:two", "{framework:?}");
        assert_eq!(live.current().list, ["two", "x"], "{framework:?}");
    }
}

#[tokio::test]
async fn a_rotated_secret_changes_the_setting_of_its_name() {
    for framework in BOTH {
        let shop = shop();
        let live: Live<Settings> = shop.start(framework).await.unwrap();
        shop.vault.set("Database--Password", "q").unwrap();
        assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["database.password"], "{framework:?}");
        assert_eq!(live.current().database["password"], "q", "{framework:?}");
        assert_eq!(live.current().database["user"], "u", "{framework:?}");
    }
}

#[tokio::test]
async fn secrets_that_come_and_go_are_settings_that_come_and_go() {
    for framework in BOTH {
        let shop = shop();
        let live: Live<Settings> = shop.start(framework).await.unwrap();
        shop.vault.set("Database--Host", "h").unwrap();
        shop.vault.delete("Database--User");
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
        let shop = shop();
        let live: Live<Settings> = shop.start(framework).await.unwrap();
        for (file, keys) in [
            (FILE.replace("'plain'", "'other'"), &["plain"][..]),
            // Comments, order and quotes are no change.
            (format!("# comment\n{}", FILE.replace("'plain'", "\"other\"")), &[]),
            (FILE.replace("'plain'", "'other'").replace(", 'x'", ", 'y', 'z'"), &["list[1]", "list[2]"]),
            (FILE.replace("'plain'", "'other'"), &["list[1]", "list[2]"]),
            (FILE.replace("'plain'", "'other'") + "\nnew = 1", &["new"]),
            (FILE.replace("'plain'", "'other'") + "\nnew = '1'", &["new"]),
            (FILE.replace("'plain'", "'other'") + "\nnew = 1.0", &["new"]),
            (FILE.replace("'plain'", "'other'") + "\nnew = true", &["new"]),
            (FILE.replace("'plain'", "'other'"), &["new"]),
            // A value in the place of a secret, and the secret in its place again.
            (FILE.replace("'plain'", "'other'") + "\n[database]\nuser = 'u'", &["database.user"]),
            (FILE.replace("'plain'", "'other'"), &["database.user"]),
            // Another reference to the same secret's same version says something else.
            (FILE.replace("'plain'", "'other'").replace("db:", "db2:"), &["url"]),
        ] {
            shop.file.write(&file);
            let change = live.refresh_now().await.unwrap();
            let changed = change.map(|change| change.keys).unwrap_or_default();
            assert_eq!(changed, keys, "{framework:?} {file}");
        }
    }
}

#[tokio::test]
async fn empty_lists_and_tables_come_and_go_too() {
    #[derive(Deserialize)]
    struct Settings {
        list: Option<Vec<String>>,
        table: Option<BTreeMap<String, String>>,
    }
    for framework in BOTH {
        let shop = Shop::new("");
        let live: Live<Settings> = shop.start(framework).await.unwrap();
        assert!(live.current().list.is_none() && live.current().table.is_none());
        shop.file.write("list = []\ntable = {}");
        assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["list", "table"], "{framework:?}");
        assert!(live.current().list.is_some() && live.current().table.is_some(), "{framework:?}");
        shop.file.write("list = ['x']\ntable = {}");
        assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["list", "list[0]"], "{framework:?}");
        shop.file.write("");
        assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["list[0]", "table"], "{framework:?}");
        assert!(live.current().list.is_none() && live.current().table.is_none(), "{framework:?}");
    }
}

#[tokio::test]
async fn a_refresh_in_which_nothing_changed_asks_no_hook_and_tells_nobody() {
    for framework in BOTH {
        let shop = shop();
        let asked = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&asked);
        let hook = move |_: &Settings| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let live = shop.start_validated(framework, hook).await.unwrap();
        let (mut watcher, published) = (live.watch(), live.published());
        for _ in 0..3 {
            assert_eq!(live.refresh_now().await.unwrap(), None, "{framework:?}");
        }
        // Written anew, and the same.
        shop.file.write(FILE);
        assert_eq!(live.refresh_now().await.unwrap(), None, "{framework:?}");
        assert!(watcher.next().now_or_never().is_none(), "{framework:?}");
        assert!(Arc::ptr_eq(&published, &live.published()), "{framework:?}");
        assert_eq!(asked.load(Ordering::Relaxed), 1, "{framework:?}");
        shop.vault.set("s", "two").unwrap();
        live.refresh_now().await.unwrap().unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 2, "{framework:?}");
    }
}

#[tokio::test]
async fn what_the_application_refuses_is_not_published() {
    for framework in BOTH {
        let shop = shop();
        let hook = |settings: &Settings| match settings.url.as_str() {
            "db:canary" => Err(ValidationError::new("no good").of("url")),
            _ => Ok(()),
        };
        let live = shop.start_validated(framework, hook).await.unwrap();
        let mut watcher = live.watch();
        shop.vault.set("s", "canary").unwrap();
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
async fn a_secret_that_goes_leaves_the_last_good_settings() {
    for framework in BOTH {
        let shop = shop();
        let live: Live<Settings> = shop.start(framework).await.unwrap();
        shop.vault.delete("s");
        let error = live.refresh_now().await.unwrap_err();
        assert_eq!(error.failures().len(), 2, "{framework:?} {error}");
        assert_eq!(live.current().url, "db:one", "{framework:?}");
        shop.vault.set("s", "two").unwrap();
        assert!(live.refresh_now().await.unwrap().is_some());
        assert_eq!(live.current().url, "db:two", "{framework:?}");
    }
}

/// A source that puts another's table under a key of its own.
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
        let shop = shop();
        let live: Live<Settings> = shop.start(framework).await.unwrap();
        let mut watcher = live.watch();
        shop.vault.set("s", "two").unwrap();
        let change = timeout(SOON, watcher.changed()).await.unwrap().unwrap();
        assert_eq!(change.keys, ["list[0]", "s", "url"], "{framework:?}");
        shop.file.write(&FILE.replace("'plain'", "'other'"));
        let change = timeout(SOON, watcher.changed()).await.unwrap().unwrap();
        assert_eq!(change.keys, ["plain"], "{framework:?}");
        assert_eq!(live.current().plain, "other", "{framework:?}");
    }
}

#[tokio::test]
async fn an_unchanged_vault_is_listed_and_its_secrets_are_not_fetched_again() {
    for framework in BOTH {
        let shop = Shop::new(FILE).secret("s", "one");
        let live: Live<IgnoredAny> = shop.start(framework).await.unwrap();
        let before = shop.vault.reads();
        live.refresh_now().await.unwrap();
        assert_eq!(shop.vault.reads().lists, before.lists + 1, "{framework:?}");
        // A secret that was set in the second in which it was read may have another version in it, so once is allowed.
        assert!(shop.vault.reads().gets <= before.gets + 1, "{framework:?}");
    }
}
