//! Indexes in the names of secrets make lists, and fill and override those of other layers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use figment::Figment;
use figment::providers::{Format, Toml};
use keyvault::{ErrorKind, Live, NameMap};
use keyvault_figment::KeyVaultProvider;
use keyvault_test_support::canary::assert_value_free;
use serde::Deserialize;

use super::service::{BOTH, Place, Service, WAYS};

#[derive(Debug, Deserialize)]
struct Settings {
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    servers: Vec<Server>,
}

#[derive(Debug, Deserialize)]
struct Server {
    #[serde(default)]
    host: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    ports: Vec<u16>,
}

const FILE: &str = "hosts = ['a', 'b']\n[[servers]]\nhost = 'one'\npassword = 'file'\n[[servers]]\nhost = 'two'";

#[tokio::test]
async fn indexes_in_names_make_lists() {
    let service = Service::new("").secret("Hosts--0", "a").secret("Hosts--1", "b").secret("servers--0--host", "one");
    let service = service.secret("Servers--1--Password", "p").secret("servers--0--ports--0", "80");
    let service = service.secret("servers--0--ports--1", "81");
    for way in WAYS {
        let settings = service.settings::<Settings>(way).await.unwrap();
        assert_eq!(settings.hosts, ["a", "b"], "{way:?}");
        assert_eq!((&*settings.servers[0].host, &*settings.servers[0].ports), ("one", &[80, 81][..]), "{way:?}");
        assert_eq!((&*settings.servers[1].host, &*settings.servers[1].password), ("", "p"), "{way:?}");
    }
    let many = (0..12).fold(Service::new(""), |service, i| service.secret(&format!("hosts--{i}"), &i.to_string()));
    for framework in BOTH {
        let live: Live<Settings> = many.start(framework).await.unwrap();
        assert_eq!(live.current().hosts.join(" "), "0 1 2 3 4 5 6 7 8 9 10 11", "{framework:?}");
    }
}

#[tokio::test]
async fn elements_by_name_fill_and_override_the_lists_of_a_file() {
    for (place, hosts, passwords) in [
        (Place::Bottom, ["a", "b", "c"], ["file", "vault"]),
        (Place::Between, ["a", "vault", "c"], ["vault", "vault"]),
        (Place::Top, ["a", "vault", "c"], ["vault", "vault"]),
    ] {
        let service = Service::new(FILE).vault_at(place).secret("Hosts--1", "vault").secret("Hosts--2", "c");
        let service = service.secret("Servers--0--Password", "vault").secret("Servers--1--Password", "vault");
        for framework in BOTH {
            let live: Live<Settings> = service.start(framework).await.unwrap();
            let current = live.current();
            assert_eq!(current.hosts, hosts, "{framework:?} {place:?}");
            let found: Vec<_> = current.servers.iter().map(|server| (&*server.host, &*server.password)).collect();
            assert_eq!(found, [("one", passwords[0]), ("two", passwords[1])], "{framework:?} {place:?}");
            let published = live.published();
            let origin = |key: &str| published.origins().get(key).unwrap().to_string();
            assert!(origin("servers[1].password").contains("Servers--1--Password"), "{framework:?} {place:?}");
            assert!(origin("servers[1].host").contains("settings.toml"), "{framework:?} {place:?}");
            assert!(published.report().rows().iter().any(|row| row.setting == "servers[1].password"));

            service.vault.set("Servers--1--Password", "rotated").unwrap();
            let change = live.refresh_now().await.unwrap().unwrap();
            assert_eq!(change.keys, ["servers[1].password"], "{framework:?} {place:?}");
            assert_eq!(live.current().servers[1].password, "rotated", "{framework:?} {place:?}");
            assert_eq!(live.current().servers[1].host, "two", "{framework:?} {place:?}");
            service.vault.set("Servers--1--Password", "vault").unwrap();
        }
    }
}

#[tokio::test]
async fn one_element_by_name_overrides_one_of_a_file_that_has_references() {
    let file = "hosts = ['@KeyVault(SecretName=first)', '@KeyVault(SecretName=gone)']";
    let service = Service::new(file).vault_at(Place::Top).secret("first", "a").secret("Hosts--1", "vault");
    for framework in BOTH {
        let live: Live<Settings> = service.start(framework).await.unwrap();
        assert_eq!(live.current().hosts, ["a", "vault"], "{framework:?}");
    }
}

#[tokio::test]
async fn the_layers_of_figment_run_once_unless_a_secret_and_another_layer_set_the_same_element() {
    for (name, value, runs) in [("Hosts--2", "a b vault", 1), ("Hosts--1", "a vault", 2), ("other", "a b", 1)] {
        let service = Service::new("").secret(name, "vault");
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let layers = move |secrets| {
            counted.fetch_add(1, Ordering::Relaxed);
            Figment::from(Toml::string("hosts = ['a', 'b']")).merge(secrets)
        };
        let live: Live<Settings> = keyvault_figment::layered_with(service.vault.clone(), layers).start().await.unwrap();
        assert_eq!(live.current().hosts.join(" "), value, "{name}");
        assert_eq!(count.load(Ordering::Relaxed), runs, "{name}");
    }
}

#[tokio::test]
async fn in_figment_the_order_of_layers_decides_however_their_lists_are_merged() {
    let file = || Toml::string("hosts = ['a', 'b']");
    type Layers = fn(Figment, KeyVaultProvider) -> Figment;
    let above: [(&str, Layers); 3] = [
        ("merge", |file, secrets| file.merge(secrets)),
        ("admerge", |file, secrets| file.admerge(secrets)),
        ("adjoined by the file", |file, secrets| Figment::from(secrets).adjoin(file)),
    ];
    let below: [(&str, Layers); 4] = [
        ("join", |file, secrets| file.join(secrets)),
        ("adjoin", |file, secrets| file.adjoin(secrets)),
        ("merged by the file", |file, secrets| Figment::from(secrets).merge(file)),
        ("admerged by the file", |file, secrets| Figment::from(secrets).admerge(file)),
    ];
    let service = Service::new("").secret("Hosts--0", "vault").secret("Hosts--2", "c");
    for (expected, layers) in [("vault b c", &above[..]), ("a b c", &below)] {
        for (order, layers) in layers.iter().copied() {
            let merged = move |secrets| layers(Figment::from(file()), secrets);
            let vault = service.vault.clone();
            let live: Live<Settings> = keyvault_figment::layered_with(vault, merged).start().await.unwrap();
            assert_eq!(live.current().hosts.join(" "), expected, "{order}");
        }
    }
}

#[tokio::test]
async fn a_gap_in_a_list_fails_the_start_with_its_remedy() {
    for (file, name, setting) in [
        ("", "Hosts--1", "hosts[1]"),
        ("", "servers--0--ports--1", "servers[0].ports[1]"),
        (FILE, "Hosts--3", "hosts[3]"),
        (FILE, "Servers--7--Password", "servers[7].password"),
    ] {
        for place in [Place::Bottom, Place::Between, Place::Top] {
            let service = Service::new(file).vault_at(place).secret(name, "canary");
            for framework in BOTH {
                let error = service.start::<Settings>(framework).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidSettings, "{framework:?} {error}");
                assert_eq!(error.setting(), Some(setting), "{framework:?} {place:?} {error:?}");
                let report = error.report();
                assert!(
                    report.contains(name) && report.contains("add the elements before it"),
                    "{framework:?} {report}"
                );
                assert_value_free(&error, &["canary"]);
            }
        }
    }
}

#[tokio::test]
async fn a_setting_that_is_a_table_and_a_list_fails_the_start() {
    for (file, name) in [("[hosts]\na = 'b'", "Hosts--0"), (FILE, "Hosts--first"), (FILE, "Servers--0--Host--1")] {
        let service = Service::new(file).secret(name, "canary");
        for framework in BOTH {
            let outcome = service.start::<Settings>(framework).await;
            if name.ends_with("Host--1") {
                assert_eq!(outcome.unwrap().current().servers[0].host, "one", "{framework:?}: the file's value stays");
                continue;
            }
            let error = outcome.unwrap_err();
            let report = error.report();
            assert!(report.contains("both a table and a list") && report.contains(name), "{framework:?} {report}");
            assert_value_free(&error, &["canary"]);
        }
    }
    let service = Service::new("").secret("hosts--0", "canary").secret("hosts--first", "canary");
    for way in WAYS {
        let error = service.settings::<Settings>(way).await.unwrap_err();
        assert!(error.report().contains("both a table and a list"), "{way:?} {error}");
    }
}

#[tokio::test]
async fn an_aspnet_layout_is_served_with_its_case_and_its_lists() {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase", deny_unknown_fields)]
    struct AspNet {
        allowed_hosts: Vec<String>,
    }
    let service = Service::new("AllowedHosts = ['localhost', 'dev']").vault_at(Place::Top);
    let service = service.secret("AllowedHosts--1", "shop").names(NameMap::new().keep_case());
    for framework in BOTH {
        let live: Live<AspNet> = service.start(framework).await.unwrap();
        assert_eq!(live.current().allowed_hosts, ["localhost", "shop"], "{framework:?}");
    }
}
