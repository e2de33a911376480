//! The contract of [`SecretStore`], as a test suite.
//!
//! The suite checks every implementation alike: [`InMemory`](crate::InMemory), the client on an emulator, and yours.
//! Fill a vault with [`CONTENT`] and [`PAGES`] further secrets, then call [`contract`]. A store that lacks something,
//! such as disabled secrets, calls [`contract_without`].

use futures::TryStreamExt;

use super::SecretStore;
use crate::error::{ErrorKind, Result};
use crate::report::ReferenceStatus;
use crate::secret::{Secret, SecretId, SecretVersion};

/// The secrets that the vault must contain: the name, the values of its versions from the oldest on, and whether the
/// latest version is enabled. [`PAGES`] further secrets must exist beside these.
pub const CONTENT: [(&str, &[&str], bool); 4] = [
    ("contract-plain", &["value"], true),
    ("contract-rotated", &["old", "older than new", "new"], true),
    ("contract-odd", &["a\0b\r\n\"\\ü🔑@KeyVault(x"], true),
    ("contract-disabled", &["hidden"], false),
];

/// The number of further secrets, which give a list several pages. Their names are `contract-page-0` and so on, with
/// any value.
pub const PAGES: usize = 60;

/// A part of the contract that some stores cannot fulfil.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// The store lists its secrets. Without this part, the vault needs no [`PAGES`], and the list is an error: an empty
    /// list would mean that the vault is empty. Such a store serves references, and names that the application lists.
    List,
    /// The store keeps the earlier versions of a secret. Without this part, it has the latest one of each. That version
    /// needs an identifier all the same, which changes with the value: a change is found by it.
    Versions,
    /// A secret can be disabled. Without this part, `contract-disabled` need not exist.
    Disabled,
}

/// Checks everything about `store` that a resolver relies on.
///
/// # Panics
///
/// If the store breaks the contract. The message is the sentence that does not hold.
pub async fn contract(store: &dyn SecretStore) {
    contract_without(store, &[]).await;
}

/// Checks a store that lacks parts of the contract. Everything else is checked as by [`contract`].
///
/// # Panics
///
/// If the store breaks the rest of the contract. The message is the sentence that does not hold.
///
/// # Examples
///
/// ```
/// use keyvault::SecretStore;
/// use keyvault::testing::{Part, contract_without};
///
/// /// Checks a store over a key-value database, which keeps the latest value of each secret.
/// async fn the_store_fulfils_the_contract(store: &dyn SecretStore) {
///     contract_without(store, &[Part::Versions, Part::Disabled]).await;
/// }
/// ```
pub async fn contract_without(store: &dyn SecretStore, lacking: &[Part]) {
    let has = |part| !lacking.contains(&part);
    values_are_returned_as_they_were_set(store).await;
    a_version_keeps_its_value(store).await;
    missing_secrets_are_not_found(store).await;
    versions_are_listed_with_their_dates(store, has(Part::Versions)).await;
    match has(Part::List) {
        true => a_list_contains_each_secret_once(store, has(Part::Disabled)).await,
        false => a_list_that_is_not_supported_is_an_error(store).await,
    }
    if has(Part::Disabled) {
        a_disabled_secret_is_refused(store).await;
    }
}

fn id(store: &dyn SecretStore, name: &str) -> SecretId {
    let url = format!("{}/secrets/{name}", store.vault().origin());
    SecretId::parse(&url).unwrap_or_else(|_| panic!("{name} is a valid name and the vault has an origin"))
}

async fn got(store: &dyn SecretStore, id: &SecretId) -> Secret {
    store.get(id).await.unwrap_or_else(|error| panic!("get returns {id}: {error}"))
}

async fn values_are_returned_as_they_were_set(store: &dyn SecretStore) {
    for (name, versions, _) in CONTENT.into_iter().filter(|(_, _, enabled)| *enabled) {
        let latest = got(store, &id(store, name)).await;
        assert_eq!(Some(&latest.expose_secret()), versions.last(), "get returns the latest version of {name}");
        assert!(latest.id().version().is_some(), "a returned secret names its version");
        assert_eq!(latest.id().latest(), id(store, name), "a returned secret is the requested one");
        assert!(latest.properties().updated().is_some(), "a returned secret has dates");
    }
    let upper = store.get(&id(store, "CONTRACT-PLAIN")).await;
    assert!(upper.is_ok_and(|secret| secret.expose_secret() == "value"), "names ignore case");
}

async fn a_version_keeps_its_value(store: &dyn SecretStore) {
    let latest = got(store, &id(store, "contract-rotated")).await;
    let pinned = got(store, latest.id()).await;
    assert_eq!(pinned.expose_secret(), "new", "a version has its own value");
    assert_eq!(pinned.id(), latest.id(), "a returned version is the requested one");
}

async fn missing_secrets_are_not_found(store: &dyn SecretStore) {
    let missing = id(store, "contract-missing");
    let version = SecretVersion::parse("00000000000000000000000000000000");
    let version = version.unwrap_or_else(|_| unreachable!("zeros are a valid version"));
    for missing in
        [missing.clone(), missing.with_version(version.clone()), id(store, "contract-plain").with_version(version)]
    {
        let error = store.get(&missing).await.err();
        let error = error.unwrap_or_else(|| panic!("{missing} does not exist"));
        assert_eq!(error.kind(), ErrorKind::NotFound, "{missing} is not found: {error}");
        assert_eq!(error.secret(), Some(&missing), "the error names the requested secret");
    }
}

async fn a_disabled_secret_is_refused(store: &dyn SecretStore) {
    let error = store.get(&id(store, "contract-disabled")).await.err();
    let error = error.unwrap_or_else(|| panic!("a disabled secret is refused"));
    assert_eq!(error.kind(), ErrorKind::NotFound, "a disabled secret cannot be read: {error}");
    assert_eq!(
        error.status(),
        ReferenceStatus::AccessToKeyVaultDenied,
        "the status distinguishes a disabled secret from a missing one: {error}"
    );
    assert!(!format!("{error:?}").contains("hidden"), "an error does not contain a value");
}

async fn a_list_that_is_not_supported_is_an_error(store: &dyn SecretStore) {
    let listed: Result<Vec<_>> = store.list().try_collect().await;
    assert!(listed.is_err(), "a list that is not supported is an error, because an empty one means an empty vault");
}

async fn a_list_contains_each_secret_once(store: &dyn SecretStore, has_disabled: bool) {
    let listed: Vec<_> = store.list().try_collect().await.unwrap_or_else(|error| panic!("list succeeds: {error}"));
    assert!(listed.iter().all(|item| item.id().version().is_none()), "a listed secret has no version");
    let count = |name: &str| listed.iter().filter(|item| *item.id() == id(store, name)).count();
    for (name, _, enabled) in CONTENT.into_iter().filter(|(_, _, enabled)| *enabled || has_disabled) {
        assert_eq!(count(name), 1, "{name} is listed once, however many versions it has");
        let item = listed.iter().find(|item| *item.id() == id(store, name));
        assert!(item.is_some_and(|item| item.enabled() == enabled), "the list shows whether {name} is enabled");
    }
    for page in 0..PAGES {
        assert_eq!(count(&format!("contract-page-{page}")), 1, "every page is listed once");
    }
    let item = listed.iter().find(|item| *item.id() == id(store, "contract-plain"));
    let latest = got(store, &id(store, "contract-plain")).await;
    let same = item.is_some_and(|item| item.updated() == latest.properties().updated());
    assert!(same, "a listed secret has the dates of its latest version");
}

async fn versions_are_listed_with_their_dates(store: &dyn SecretStore, has_earlier: bool) {
    let (name, values, _) = CONTENT[1];
    let listed: Result<Vec<_>> = store.versions(id(store, name).name()).try_collect().await;
    let versions = match listed {
        Ok(versions) => versions,
        Err(error) if has_earlier => panic!("versions lists the versions of {name}: {error}"),
        // A store without earlier versions need not list the latest one.
        Err(_) => return,
    };
    assert!(versions.iter().all(|item| item.id().latest() == id(store, name)), "a listed version names its secret");
    assert!(versions.iter().all(|item| item.created().is_some()), "a listed version has its creation date");
    let mut found = Vec::new();
    for item in &versions {
        assert!(item.id().version().is_some(), "a listed version names its version");
        found.push(got(store, item.id()).await.expose_secret().to_owned());
    }
    found.sort();
    let mut expected = if has_earlier { values.to_vec() } else { values[2..].to_vec() };
    expected.sort_unstable();
    assert_eq!(found, expected, "every version is listed once and has its own value");
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use async_trait::async_trait;
    use futures::FutureExt;
    use futures::stream::{self, BoxStream, StreamExt};

    use super::*;
    use crate::error::Error;
    use crate::secret::{SecretName, SecretProperties, Vault};
    use crate::store::in_memory::InMemory;

    fn vault() -> InMemory {
        let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
        for (name, versions, enabled) in CONTENT {
            for value in versions {
                vault.set_with(name, *value, |properties| properties.set_enabled(enabled)).unwrap();
            }
        }
        for page in 0..PAGES {
            vault.set(&format!("contract-page-{page}"), "x").unwrap();
        }
        vault
    }

    #[tokio::test]
    async fn in_memory_fulfils_the_contract() {
        contract(&vault()).await;
    }

    /// A store that wraps another one and lacks parts of the contract.
    #[derive(Debug)]
    struct Lacking(InMemory, Vec<Part>);

    fn unsupported() -> Error {
        Error::new(ErrorKind::Invalid, "store has no such call")
    }

    #[async_trait]
    impl SecretStore for Lacking {
        fn vault(&self) -> &Vault {
            self.0.vault()
        }

        async fn get(&self, id: &SecretId) -> Result<Secret> {
            let latest = self.0.get(&id.latest()).await.map_err(|error| error.about(id))?;
            match id.version() {
                Some(_) if self.1.contains(&Part::Versions) && latest.id() != id => {
                    Err(Error::new(ErrorKind::NotFound, "secret version not found").about(id))
                }
                _ => self.0.get(id).await,
            }
        }

        fn list(&self) -> BoxStream<'_, Result<SecretProperties>> {
            match self.1.contains(&Part::List) {
                true => stream::iter([Err(unsupported())]).boxed(),
                false => self.0.list(),
            }
        }

        fn versions(&self, name: &SecretName) -> BoxStream<'_, Result<SecretProperties>> {
            match self.1.contains(&Part::Versions) {
                true => stream::iter([Err(unsupported())]).boxed(),
                false => self.0.versions(name),
            }
        }
    }

    #[tokio::test]
    async fn a_store_that_lacks_a_part_fulfils_the_contract_without_that_part_only() {
        use Part::{Disabled, List, Versions};
        for lacking in [&[List][..], &[Versions], &[Disabled], &[List, Versions, Disabled]] {
            let vault = vault();
            if lacking.contains(&Disabled) {
                vault.delete("contract-disabled");
            }
            let store = Lacking(vault, lacking.to_vec());
            contract_without(&store, lacking).await;
            for part in lacking {
                let others: Vec<Part> = lacking.iter().copied().filter(|other| other != part).collect();
                let checked = AssertUnwindSafe(contract_without(&store, &others)).catch_unwind().await;
                assert!(checked.is_err(), "{part:?} is lacking and was not missed");
            }
        }
    }

    #[tokio::test]
    async fn a_store_that_cannot_list_must_not_look_empty() {
        let store = Lacking(vault(), Vec::new());
        let checked = AssertUnwindSafe(contract_without(&store, &[Part::List])).catch_unwind();
        assert!(checked.await.is_err());
    }
}
