//! The contract of [`SecretStore`], as a suite.
//!
//! Every implementation is judged by the same questions: [`InMemory`](crate::InMemory), the client on an emulator, and
//! yours. Fill a vault with [`CONTENT`], then call [`contract`].

use futures::TryStreamExt;

use super::SecretStore;
use crate::error::ErrorKind;
use crate::secret::{SecretId, SecretVersion};

/// What a vault must hold before it is judged: names, the values of their versions from the oldest on, and whether the
/// latest is enabled. Beside these there must be [`PAGES`] more secrets, of any name and value.
pub const CONTENT: [(&str, &[&str], bool); 4] = [
    ("contract-plain", &["value"], true),
    ("contract-rotated", &["old", "older than new", "new"], true),
    ("contract-odd", &["a\0b\r\n\"\\ü🔑@KeyVault(x"], true),
    ("contract-disabled", &["hidden"], false),
];

/// How many more secrets there must be, so that a list has several pages: named `contract-page-0` and so on.
pub const PAGES: usize = 60;

/// Asks `store` everything that a resolver relies on.
///
/// # Panics
///
/// With the sentence that does not hold.
pub async fn contract(store: &dyn SecretStore) {
    values_are_got_as_they_were_set(store).await;
    a_version_stays_what_it_was(store).await;
    what_is_not_there_is_not_found(store).await;
    a_disabled_secret_is_refused(store).await;
    a_list_has_everything_once(store).await;
    versions_are_listed_with_their_dates(store).await;
}

fn id(store: &dyn SecretStore, name: &str) -> SecretId {
    let url = format!("{}/secrets/{name}", store.vault().origin());
    SecretId::parse(&url).unwrap_or_else(|_| panic!("{name} is a name and the vault has an origin"))
}

async fn values_are_got_as_they_were_set(store: &dyn SecretStore) {
    for (name, versions, _) in CONTENT.into_iter().filter(|(_, _, enabled)| *enabled) {
        let latest = store.get(&id(store, name)).await;
        let latest = latest.unwrap_or_else(|error| panic!("{name} can be got: {error}"));
        assert_eq!(Some(&latest.expose_secret()), versions.last(), "the latest version of {name} is got");
        assert!(latest.id().version().is_some(), "an answer names its version");
        assert_eq!(latest.id().latest(), id(store, name), "an answer is of the secret that was asked for");
        assert!(latest.properties().updated().is_some(), "an answer has dates");
    }
    let upper = store.get(&id(store, "CONTRACT-PLAIN")).await;
    assert!(upper.is_ok_and(|secret| secret.expose_secret() == "value"), "names have no case");
}

async fn a_version_stays_what_it_was(store: &dyn SecretStore) {
    let latest = store.get(&id(store, "contract-rotated")).await;
    let latest = latest.unwrap_or_else(|error| panic!("the latest version can be got: {error}"));
    let pinned = store.get(latest.id()).await;
    let pinned = pinned.unwrap_or_else(|error| panic!("a version can be got by its name: {error}"));
    assert_eq!(pinned.expose_secret(), "new", "a version has its own value");
    assert_eq!(pinned.id(), latest.id(), "a version answers to its own name");
}

async fn what_is_not_there_is_not_found(store: &dyn SecretStore) {
    let missing = id(store, "contract-missing");
    let version = SecretVersion::parse("00000000000000000000000000000000");
    let version = version.unwrap_or_else(|_| unreachable!("zeros are a version"));
    for missing in
        [missing.clone(), missing.with_version(version.clone()), id(store, "contract-plain").with_version(version)]
    {
        let error = store.get(&missing).await.err();
        let error = error.unwrap_or_else(|| panic!("{missing} is not there"));
        assert_eq!(error.kind(), ErrorKind::NotFound, "{missing} is not found: {error}");
        assert_eq!(error.secret(), Some(&missing), "the error names the secret that was asked for");
    }
}

async fn a_disabled_secret_is_refused(store: &dyn SecretStore) {
    let error = store.get(&id(store, "contract-disabled")).await.err();
    let error = error.unwrap_or_else(|| panic!("a disabled secret is refused"));
    assert_eq!(error.kind(), ErrorKind::NotFound, "a disabled secret is told as one that cannot be had: {error}");
    assert_eq!(
        error.status(),
        crate::ReferenceStatus::AccessToKeyVaultDenied,
        "a disabled secret is told from a missing one: {error}"
    );
    assert!(!format!("{error:?}").contains("hidden"), "an error has no value in it");
}

async fn a_list_has_everything_once(store: &dyn SecretStore) {
    let listed: Vec<_> =
        store.list().try_collect().await.unwrap_or_else(|error| panic!("the vault can be listed: {error}"));
    assert!(listed.iter().all(|item| item.id().version().is_none()), "a listed secret has no version");
    let count = |name: &str| listed.iter().filter(|item| *item.id() == id(store, name)).count();
    for (name, _, enabled) in CONTENT {
        assert_eq!(count(name), 1, "{name} is listed once, with all its versions");
        let item = listed.iter().find(|item| *item.id() == id(store, name));
        assert!(item.is_some_and(|item| item.enabled() == enabled), "{name} is listed as enabled or not");
    }
    for page in 0..PAGES {
        assert_eq!(count(&format!("contract-page-{page}")), 1, "every page is listed, and once");
    }
    let item = listed.iter().find(|item| *item.id() == id(store, "contract-plain"));
    let got = store.get(&id(store, "contract-plain")).await;
    let same = item.zip(got.ok()).is_some_and(|(item, got)| item.updated() == got.properties().updated());
    assert!(same, "a listed secret has the dates of its latest version");
}

async fn versions_are_listed_with_their_dates(store: &dyn SecretStore) {
    let (name, values, _) = CONTENT[1];
    let versions: Vec<_> = store.versions(id(store, name).name()).try_collect().await.unwrap_or_else(|error| {
        panic!("the versions of {name} can be listed: {error}");
    });
    assert_eq!(versions.len(), values.len(), "every version is listed once");
    assert!(versions.iter().all(|item| item.id().latest() == id(store, name)), "a version is of its secret");
    assert!(versions.iter().all(|item| item.created().is_some()), "a version has the date at which it was made");
    let mut got = Vec::new();
    for item in &versions {
        assert!(item.id().version().is_some(), "a listed version is named");
        let secret = store.get(item.id()).await;
        got.push(
            secret.unwrap_or_else(|error| panic!("a listed version can be got: {error}")).expose_secret().to_owned(),
        );
    }
    got.sort();
    let mut expected: Vec<_> = values.to_vec();
    expected.sort_unstable();
    assert_eq!(got, expected, "a version has its own value");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::in_memory::InMemory;

    #[tokio::test]
    async fn a_vault_in_memory_keeps_the_contract() {
        let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
        for (name, versions, enabled) in CONTENT {
            for value in versions {
                vault.set_with(name, *value, |properties| properties.set_enabled(enabled)).unwrap();
            }
        }
        for page in 0..PAGES {
            vault.set(&format!("contract-page-{page}"), "x").unwrap();
        }
        contract(&vault).await;
    }
}
