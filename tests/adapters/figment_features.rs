//! Features that only figment has: profiles, joined lists, values parsed from variables.

use std::collections::BTreeMap;

use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::{Dict, Map};
use figment::{Figment, Metadata, Profile, Provider};
use keyvault::{InMemory, Live};
use serde::Deserialize;

use super::service::{One, block_on, vault, with_variables};

const PROFILES: &str = r#"
[default]
value = "@KeyVault(SecretName=default)"
of_default = "@KeyVault(SecretName=default)"
hidden_by_global = "@KeyVault(SecretName=never)"
list = ["@KeyVault(SecretName=never)", "@KeyVault(SecretName=never)"]
[default.table]
a = "@KeyVault(SecretName=default)"
b = "@KeyVault(SecretName=never)"

[shop]
value = "@KeyVault(SecretName=shop)"
hidden_by_global = "@KeyVault(SecretName=never)"
list = ["@KeyVault(SecretName=shop)"]
[shop.table]
b = "@KeyVault(SecretName=shop)"

[global]
hidden_by_global = "@KeyVault(SecretName=global)"

[other]
value = "@KeyVault(SecretName=never)"
malformed = "@KeyVault("
"#;

#[derive(Debug, Deserialize)]
struct Settings {
    value: String,
    of_default: String,
    hidden_by_global: String,
    list: Vec<String>,
    table: BTreeMap<String, String>,
}

fn filled(names: &[&str]) -> InMemory {
    let vault = vault("contoso");
    names.iter().for_each(|name| _ = vault.set(name, *name).unwrap());
    vault
}

#[tokio::test]
async fn the_selected_profile_is_between_default_and_global_and_nothing_hidden_is_fetched() {
    let vault = filled(&["default", "shop", "global"]);
    let figment = || Figment::from(Toml::string(PROFILES).nested()).select("shop");
    let live: Live<Settings> =
        keyvault_figment::layered(vault.clone(), figment).references_only().start().await.unwrap();
    let resolved = keyvault_figment::resolve(figment(), vault.clone()).await.unwrap().extract::<Settings>().unwrap();
    for settings in [&*live.current(), &resolved] {
        assert_eq!(settings.value, "shop");
        assert_eq!(settings.of_default, "default");
        assert_eq!(settings.hidden_by_global, "global");
        assert_eq!(settings.list, ["shop"]);
        assert_eq!(settings.table, [("a", "default"), ("b", "shop")].map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }
    assert_eq!(vault.reads().gets, 6, "three secrets, twice");
}

#[tokio::test]
async fn without_a_selected_profile_the_default_one_counts() {
    let vault = filled(&["default", "global", "never"]);
    let figment = || Figment::from(Toml::string(PROFILES).nested());
    let live: Live<Settings> = keyvault_figment::layered(vault, figment).references_only().start().await.unwrap();
    assert_eq!(live.current().value, "default");
    assert_eq!(live.current().hidden_by_global, "global");
}

#[tokio::test]
async fn secrets_by_name_are_of_the_default_profile_wherever_they_are_put() {
    let vault = filled(&["value"]);
    let layers = |secrets| Figment::from(Toml::string("[shop]\nvalue = 'file'").nested()).merge(secrets);
    for (profile, expected) in [("shop", "file"), ("other", "value"), ("default", "value")] {
        let layers = move |secrets| layers(secrets).select(profile);
        let live: Live<One<String>> = keyvault_figment::layered_with(vault.clone(), layers).start().await.unwrap();
        assert_eq!(live.current().value, expected, "{profile}");
    }
}

#[tokio::test]
async fn a_resolved_figment_keeps_its_selected_profile_and_leaves_the_others_unresolved() {
    let vault = filled(&["default", "shop", "global"]);
    let figment = Figment::from(Toml::string(PROFILES).nested()).select("shop");
    let figment = keyvault_figment::resolve(figment, vault).await.unwrap().into_figment();
    assert_eq!(figment.profile(), "shop");
    assert_eq!(figment.extract_inner::<String>("value").unwrap(), "shop");
    let other = figment.select("other");
    assert_eq!(other.extract_inner::<String>("value").unwrap(), "@KeyVault(SecretName=never)", "as the docs say");
}

/// A value of a lower profile below a missing optional secret applies, and its references resolve.
#[tokio::test]
async fn a_reference_below_an_absent_one_resolves_and_its_text_never_appears() {
    const ABSENT: &str = "@KeyVault(SecretName=missing;Optional=true)";
    let lower = [
        ("'plain'", Some("plain")),
        ("'@KeyVault(SecretName=a)'", Some("A")),
        ("'@@KeyVault('", Some("@KeyVault(")),
        ("'@KeyVault(SecretName=missing-too;Optional=true)'", None),
    ];
    for (text, expected) in lower {
        for (below, above) in [("default", "shop"), ("default", "global"), ("shop", "global")] {
            let vault = filled(&[]);
            vault.set("a", "A").unwrap();
            let toml = format!("[{below}]\nvalue = {text}\nn = [1]\n[{above}]\nvalue = '{ABSENT}'");
            let figment = move || Figment::from(Toml::string(&toml).nested()).select("shop");
            let resolved = keyvault_figment::resolve(figment(), vault.clone()).await.unwrap();
            assert_eq!(
                resolved.extract::<One<Option<String>>>().unwrap().value.as_deref(),
                expected,
                "{below} {above}"
            );
            let live: Live<One<Option<String>>> =
                keyvault_figment::layered(vault.clone(), figment).references_only().start().await.unwrap();
            assert_eq!(live.current().value.as_deref(), expected, "{below} {above}");
            vault.set("missing", "here").unwrap();
            assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["value"], "{below} {above}");
            assert_eq!(live.current().value.as_deref(), Some("here"), "{below} {above}");
        }
    }
}

#[tokio::test]
async fn an_absent_secret_under_an_absent_secret_uncovers_the_lowest_profile() {
    let vault = filled(&["a"]);
    let toml = "[default]\nvalue = '@KeyVault(SecretName=a)'\n\
        [service]\nvalue = '@KeyVault(SecretName=missing;Optional=true)'\n\
        [global]\nvalue = '@KeyVault(SecretName=missing;Optional=true)'";
    let figment = Figment::from(Toml::string(toml).nested()).select("service");
    let resolved = keyvault_figment::resolve(figment, vault).await.unwrap();
    assert_eq!(resolved.extract::<One<String>>().unwrap().value, "a");
}

#[tokio::test]
async fn a_broken_reference_below_an_absent_one_is_reported() {
    for (lower, status) in [("@KeyVault(SecretName=gone)", "SecretNotFound"), ("@KeyVault(", "InvalidSyntax")] {
        let toml =
            format!("[default]\nvalue = '{lower}'\n[service]\nvalue = '@KeyVault(SecretName=missing;Optional=true)'");
        let figment = Figment::from(Toml::string(&toml).nested()).select("service");
        let error = keyvault_figment::resolve(figment, vault("contoso")).await.unwrap_err();
        assert_eq!(error.setting(), Some("value"));
        assert_eq!(error.status().as_str(), status);
    }
}

/// A resolved secret stays text even if values are examined again for an absent neighbour.
#[tokio::test]
async fn uncovering_a_value_does_not_read_secrets_as_references() {
    let vault = filled(&[]);
    vault.set("tricky", "@KeyVault(SecretName=tricky)").unwrap();
    let toml = "[default]\nlist = ['x']\nvalue = '@KeyVault(SecretName=tricky)'\n\
        [service]\nlist = ['@KeyVault(SecretName=missing;Optional=true)', '@KeyVault(SecretName=tricky)']\n\
        value = '@KeyVault(SecretName=missing;Optional=true)'\nother = '@KeyVault(SecretName=tricky)'";
    #[derive(Deserialize)]
    struct Settings {
        list: Vec<String>,
        value: String,
        other: String,
    }
    let figment = Figment::from(Toml::string(toml).nested()).select("service");
    let settings = keyvault_figment::resolve(figment, vault).await.unwrap().extract::<Settings>().unwrap();
    assert_eq!(settings.list, ["@KeyVault(SecretName=tricky)"]);
    assert_eq!((&*settings.value, &*settings.other), ("@KeyVault(SecretName=tricky)", "@KeyVault(SecretName=tricky)"));
}

#[tokio::test]
async fn lists_joined_from_several_layers_are_resolved_and_each_element_keeps_its_origin() {
    let vault = filled(&["a", "b", "c"]);
    let layers = || {
        let first = Toml::string("list = ['@KeyVault(SecretName=a)', 'x']");
        let second = Serialized::default("list", vec!["@KeyVault(SecretName=b)", "y", "@KeyVault(SecretName=c)"]);
        Figment::from(first).admerge(second)
    };
    #[derive(Debug, Deserialize)]
    struct Settings {
        list: Vec<String>,
    }
    let resolved = keyvault_figment::resolve(layers(), vault.clone()).await.unwrap();
    let of = |key: &str| resolved.origins().get(key).unwrap().to_string();
    assert!(
        of("list[0]").contains("TOML") && of("list[2]").contains("figment_features.rs"),
        "{} {}",
        of("list[0]"),
        of("list[2]")
    );
    let figment = resolved.into_figment();
    assert_eq!(figment.extract::<Settings>().unwrap().list, ["a", "x", "b", "y", "c"]);
    let list = figment.find_value("list").unwrap().into_array().unwrap();
    for (index, layer, secret) in [
        (0, "TOML", Some("/secrets/a/")),
        (1, "TOML", None),
        (2, "Vec<&str>", Some("/secrets/b/")),
        (3, "Vec<&str>", None),
        (4, "Vec<&str>", Some("/secrets/c/")),
    ] {
        let metadata = figment.get_metadata(list[index].tag()).unwrap();
        assert!(metadata.name.contains(layer), "{index}: {}", metadata.name);
        let text = metadata.interpolate(&Profile::Default, &["list", &index.to_string()]);
        assert_eq!(text.contains("Key Vault"), secret.is_some(), "{index}: {text}");
        assert!(text.contains(secret.unwrap_or_default()), "{index}: {text}");
    }
}

/// A provider that exposes the default profile of another as its own profile.
struct As(&'static str, Figment);

impl Provider for As {
    fn metadata(&self) -> Metadata {
        Metadata::named("moved")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let data = self.1.data()?.into_values().next().unwrap_or_default();
        Ok(Map::from([(Profile::new(self.0), data)]))
    }
}

#[tokio::test]
async fn values_that_a_provider_moved_to_another_profile_are_resolved_there() {
    let inner = || Figment::from(Toml::string("value = '@KeyVault(SecretName=a)'\nlist = ['@KeyVault(SecretName=a)']"));
    for profile in ["service", "global", "default"] {
        let figment = Figment::from(As(profile, inner())).select("service");
        let resolved = keyvault_figment::resolve(figment, filled(&["a"])).await.unwrap();
        assert_eq!(resolved.extract::<One<String>>().unwrap().value, "a", "{profile}");

        let optional = Toml::string("value = '@KeyVault(SecretName=missing;Optional=true)'");
        let figment = Figment::from(As(profile, Figment::from(optional))).select("service");
        let resolved = keyvault_figment::resolve(figment, filled(&["a"])).await.unwrap();
        assert_eq!(resolved.extract::<One<Option<String>>>().unwrap().value, None, "{profile}");
    }
}

#[test]
fn references_in_variables_that_figment_parses_are_resolved_and_the_variable_is_named() {
    #[derive(Deserialize)]
    struct Settings {
        list: Vec<String>,
        table: BTreeMap<String, String>,
        quoted: String,
    }
    let variables = [
        ("SHOP_LIST", "[@KeyVault(SecretName=a), x, \"<@KeyVault(SecretName=a)>\"]"),
        ("SHOP_TABLE", "{key=\"@KeyVault(SecretName=a)\"}"),
        ("SHOP_QUOTED", "\"@KeyVault(SecretName=a)\""),
    ];
    with_variables(&variables, || {
        let figment = || Figment::from(Env::prefixed("SHOP_").split("__"));
        let resolved = block_on(keyvault_figment::resolve(figment(), filled(&["a"]))).unwrap();
        for (key, variable) in [("list[0]", "SHOP_LIST"), ("table.key", "SHOP_TABLE"), ("quoted", "SHOP_QUOTED")] {
            let origin = resolved.origins().get(key).unwrap().to_string();
            assert!(origin.starts_with(&format!("variable {variable} ")), "{key}: {origin}");
        }
        let settings = resolved.extract::<Settings>().unwrap();
        assert_eq!(settings.list, ["a", "x", "<a>"]);
        assert_eq!(settings.table["key"], "a");
        assert_eq!(settings.quoted, "a");
    });
}
