//! The names and the precedence in the guides for people who come from .NET and Spring.

use figment::providers::{Env, Format, Json};
use figment::{Figment, Jail};
use keyvault::settings::Key;
use keyvault::{InMemory, NameMap};
use keyvault_test_support::CONTOSO;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "PascalCase")]
struct Settings {
    database: Database,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "PascalCase")]
struct Database {
    connection_string: String,
    pool_size: u32,
}

/// Loads the settings of the guide from .NET, with a variable for the pool size and the connection string.
#[expect(clippy::result_large_err, reason = "figment decides on the closure of a jail")]
fn from_dotnet(secrets: &[(&str, &str)]) -> Database {
    let vault = vault(secrets);
    let mut loaded = None;
    Jail::expect_with(|jail| {
        jail.create_file("appsettings.json", r#"{"Database": {"ConnectionString": "file", "PoolSize": 1}}"#)?;
        jail.set_env("SHOP_Database__ConnectionString", "variable");
        jail.set_env("SHOP_Database__PoolSize", "4");
        let live = keyvault_figment::layered_with(vault, |secrets| {
            Figment::new()
                .merge(Json::file("appsettings.json"))
                .merge(Env::prefixed("SHOP_").split("__").lowercase(false))
                .merge(secrets)
        });
        let live = live.names(NameMap::new().keep_case()).start_blocking::<Settings>();
        loaded = live.ok().map(|live| live.current().database.clone());
        Ok(())
    });
    loaded.unwrap()
}

#[test]
fn the_vault_wins_over_variables_as_in_dotnet() {
    let of = |connection_string: &str, pool_size| Database { connection_string: connection_string.into(), pool_size };
    assert_eq!(from_dotnet(&[]), of("variable", 4));
    assert_eq!(from_dotnet(&[("Database--ConnectionString", "vault")]), of("vault", 4));
}

#[test]
fn a_function_maps_the_names_of_spring() {
    let map = NameMap::new().function(|name| {
        Some(match name.strip_prefix("spring-datasource-") {
            Some(rest) => ["datasource", rest].into_iter().collect(),
            None => [name.replace('-', "_").as_str()].into_iter().collect(),
        })
    });
    for (name, key) in [("spring-datasource-password", "datasource.password"), ("api-key", "api_key")] {
        assert_eq!(map.key(&name.parse().unwrap()).map(|key: Key| key.to_string()).as_deref(), Some(key), "{name}");
    }
}

fn vault(secrets: &[(&str, &str)]) -> InMemory {
    let vault = InMemory::new(CONTOSO.parse().unwrap());
    for (name, value) in secrets {
        vault.set(name, *value).unwrap();
    }
    vault
}
