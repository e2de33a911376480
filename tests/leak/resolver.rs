//! References, names and reports, on a vault in memory.

use std::sync::Arc;

use keyvault::settings::{ConfigValue, Key};
use keyvault::{
    InMemory, NameMap, OpenJson, Reference, Resolver, Secret, SecretId, SecretProperties, SecretStore, Template, Vault,
};
use keyvault_test_support::CONTOSO;

use super::scan::Scan;
use super::vault::json;

fn vault(scan: &Scan) -> InMemory {
    let vault = InMemory::new(CONTOSO.parse().unwrap());
    let is_json = |properties: &mut SecretProperties| properties.set_content_type("application/json".to_owned());
    vault.set("password", scan.secret.text()).unwrap();
    vault.set_with("database", json(&scan.secret), is_json).unwrap();
    vault.set_with("broken", scan.secret.text(), is_json).unwrap();
    vault.set_with("disabled", scan.secret.text(), |properties| properties.set_enabled(false)).unwrap();
    vault
}

/// Returns texts with valid and broken references, with values between them, and with a value in each part.
fn texts(scan: &Scan) -> Vec<String> {
    let (secret, word) = (scan.secret.text(), scan.word.text());
    vec![
        "@KeyVault(SecretName=password)".to_owned(),
        format!("Server={secret};Password=@KeyVault(SecretName=password;Encode=none)"),
        "@KeyVault(SecretName=database;Property=hosts[0])".to_owned(),
        "@KeyVault(SecretName=database;Property=nothing)".to_owned(),
        "@KeyVault(SecretName=disabled)".to_owned(),
        "@KeyVault(SecretName=missing;Optional=true)".to_owned(),
        "@KeyVault(SecretName=missing)".to_owned(),
        format!("@KeyVault(SecretName={secret})"),
        format!("@KeyVault(SecretUri={secret})"),
        format!("@KeyVault(SecretUri=https://user:{word}@contoso.vault.azure.net/secrets/a)"),
        format!("@KeyVault(SecretUri={CONTOSO}/secrets/a?{word})"),
        format!("@KeyVault(SecretName=a;{secret}={secret})"),
        format!("@KeyVault(SecretName=a;SecretVersion={secret})"),
        format!("@KeyVault(SecretName=a;Optional={word})"),
        format!("@KeyVault({secret}"),
        format!("{secret}@KeyVault(SecretName=missing){secret}@KeyVault("),
        format!("{{\"uri\":\"{CONTOSO}/secrets/password\",\"{word}\":1}}"),
        format!("{{\"uri\":\"{CONTOSO}/secrets/?{word}\"}}"),
        secret.to_owned(),
    ]
}

#[tokio::test]
async fn references_and_their_reports_show_nothing_whatever_is_wrong_with_them() {
    let mut scan = Scan::begin();
    let vault = vault(&scan);
    let builder = Resolver::builder(vault.clone()).app_configuration_references();
    scan.shows("builder", &builder);
    let resolver = builder.build().unwrap();
    for text in texts(&scan) {
        scan.outcome("resolved", &resolver.resolve(&text).await);
        scan.outcome("template", &Template::parse(&text));
        scan.outcome("reference", &Reference::parse(&text));
        scan.shows("scanned", &Template::scan(&text));
        let file = std::env::temp_dir().join("no-such-settings.toml");
        let leaf =
            || ConfigValue::text(Key::root().member("a").element(0), "settings.toml", text.as_str()).in_file(&file);
        scan.shows("leaf", &leaf());
        scan.report("offline", &resolver.check_offline(vec![leaf(), leaf()]));
        let checked =
            resolver.check(vec![leaf(), ConfigValue::other(Key::root().member("b"), "settings.toml", &text)]).await;
        scan.shows("checked", &checked);
        scan.report("checked", checked.report());
        for (leaf, value) in checked.values() {
            scan.shows("leaf", leaf);
            scan.outcome("value", &value.map_err(Clone::clone));
        }
    }
    scan.shows("resolver", &resolver);
    scan.shows("vault", &vault);
    tracing::trace!("all was requested");
    scan.end();
}

#[tokio::test]
async fn secrets_by_name_show_nothing_whatever_is_wrong_with_them() {
    let mut scan = Scan::begin();
    let vault = vault(&scan);
    vault.set("database--user", scan.secret.text()).unwrap();
    let resolver = Resolver::from(vault.clone());
    let open = || NameMap::new().open_json(OpenJson::new());
    for (what, map) in [
        ("all", NameMap::new()),
        ("collision", open()),
        ("broken", open().prefix("bro")),
        ("too many", open().prefix("data").open_json(OpenJson::new().keys(1))),
        ("too large", NameMap::new().prefix("data").open_json(OpenJson::new().size(3))),
        ("shallow", NameMap::new().prefix("data").open_json(OpenJson::new().depth(0))),
        ("disabled", NameMap::new().disabled(keyvault::IfDisabled::Fail)),
    ] {
        scan.shows(what, &map);
        let named = resolver.mapped(&map).await;
        scan.outcome(what, &named);
        if let Ok(named) = named {
            scan.shows(what, &named.iter().collect::<Vec<_>>());
            scan.shows(what, named.notes());
        }
    }
    vault.delete("database--user");
    let opened = resolver.mapped(&open().prefix("data")).await.unwrap();
    tracing::trace!("all was requested");
    assert!(opened.iter().any(|(_, secret)| secret.expose_secret() == scan.secret.text()));
    scan.shows("opened", &opened);
    scan.shows("opened", &opened.iter().collect::<Vec<_>>());
    scan.end();
}

#[tokio::test]
async fn types_with_a_secret_or_with_pasted_text_leak_nothing() {
    let mut scan = Scan::begin();
    let (secret, word) = (scan.secret.text().to_owned(), scan.word.text().to_owned());
    let id = SecretId::parse(&format!("{CONTOSO}/secrets/password")).unwrap();
    let held = Secret::new(SecretProperties::new(id.clone()), secret.as_str(), std::time::SystemTime::now());
    scan.shows("secret", &held);
    scan.shows("shared secret", &Arc::new(held.clone()));
    let vault = vault(&scan);
    scan.outcome("got", &vault.get(&id).await);
    let resolver = Resolver::from(vault);
    scan.outcome("got", &resolver.get(&id).await);
    for text in [&secret, &word, scan.token.clone().text()] {
        for text in [
            text.to_owned(),
            format!("https://{text}"),
            format!("https://user:{text}@contoso.vault.azure.net/secrets/a"),
        ] {
            scan.outcome("vault", &Vault::parse(&text).map(|_| ()).map_err(keyvault::Error::from));
            scan.outcome("id", &SecretId::parse(&text).map(|_| ()).map_err(keyvault::Error::from));
            scan.outcome("name", &keyvault::SecretName::parse(&format!("{text}!")).map_err(keyvault::Error::from));
            scan.outcome(
                "version",
                &keyvault::SecretVersion::parse(&format!("{text}!")).map_err(keyvault::Error::from),
            );
        }
    }
    tracing::trace!("all was requested");
    scan.end();
}
