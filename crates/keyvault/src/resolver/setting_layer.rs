//! The settings of a store outside the process, as a layer above the secrets.
//!
//! Core keeps what a [`SettingStore`] has as one secret, whose value is a document of all settings and whose version
//! changes with them. So intervals, retries, health, events and the sealed snapshot treat a store as they treat a
//! secret, and a change of the store and a rotation are published together.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use super::Resolver;
use super::loader::Loader;
use crate::error::{Error, ErrorKind, Result};
use crate::names::{CollisionWords, collisions_and_mixed, remove_filled_tables};
use crate::secret::{Secret, SecretId, SecretName, SecretProperties, Vault};
use crate::settings::{
    Key, MappedSecret, MappedSecrets, SettingChange, SettingStore, StoredSettings, is_empty_table, list_place,
    mixed_lists,
};
use crate::store::SecretStore;

/// A layer whose settings a store keeps.
#[derive(Clone, Debug)]
pub(crate) struct SettingLayer {
    /// The identifier of the document.
    pub(crate) id: SecretId,
    /// Returns the document.
    store: Arc<dyn SecretStore>,
    /// The store itself; `None` in a resolver that answers from a sealed snapshot.
    settings: Option<Arc<dyn SettingStore>>,
}

impl SettingLayer {
    /// Returns whether a change that an event announced is one of this layer.
    pub(crate) fn announce(&self, change: &SettingChange) -> bool {
        self.settings.as_ref().is_some_and(|store| store.announce(change))
    }
}

impl Resolver {
    /// Adds the layer of a store above the secrets and the layers that were added before. Returns its identifier.
    pub(crate) fn add_layer(&mut self, settings: Arc<dyn SettingStore>) -> SecretId {
        let origin = settings.origin().clone();
        let number = 1 + self.layers.iter().filter(|layer| *layer.id.vault() == origin).count();
        let id = SecretId::new(origin, SecretName::of_store(settings.kind(), number));
        let store = Arc::new(DocumentStore { id: id.clone(), settings: Arc::clone(&settings), last: Mutex::default() });
        let layer = SettingLayer { id: id.clone(), store, settings: Some(settings) };
        self.layers = self.layers.iter().cloned().chain([layer]).collect();
        id
    }

    /// Returns the layers that stores keep, the lowest one first.
    pub(crate) fn layers(&self) -> &Arc<[SettingLayer]> {
        &self.layers
    }

    /// Returns the layers with other stores of their documents.
    #[cfg(feature = "sealed")]
    pub(super) fn layers_with(&self, replace: impl Fn(&Vault) -> Arc<dyn SecretStore>) -> Arc<[SettingLayer]> {
        let replaced = |layer: &SettingLayer| SettingLayer {
            id: layer.id.clone(),
            store: replace(layer.id.vault()),
            settings: None,
        };
        self.layers.iter().map(replaced).collect()
    }

    /// Returns the store of a layer's document. `None` for the identifier of a secret.
    pub(super) fn document_store(&self, id: &SecretId) -> Option<&dyn SecretStore> {
        let layer = self.layers.iter().find(|layer| layer.id.name() == id.name() && layer.id.vault() == id.vault())?;
        Some(&*layer.store)
    }
}

impl Loader<'_> {
    /// Reads the stores of all layers, concurrently.
    pub(super) async fn read_layers(&self) {
        self.fetch_all(self.resolver.layers.iter().map(|layer| layer.id.clone())).await;
    }

    /// Puts the settings of the stores, which were read, over the secrets that were mapped by name.
    pub(super) fn with_layers(&self, mapped: MappedSecrets) -> Result<MappedSecrets> {
        if self.resolver.layers.is_empty() {
            return Ok(mapped);
        }
        let read = |layer: &SettingLayer| MappedSecrets::of_document(&self.result(&layer.id)?);
        let results: Vec<Result<MappedSecrets>> = self.resolver.layers.iter().map(read).collect();
        let failures = results.iter().filter_map(|result| result.as_ref().err()).flat_map(Error::failures);
        if let Some(error) = Error::join(failures.cloned().collect()) {
            return Err(error);
        }
        let layers: Vec<MappedSecrets> = results.into_iter().flatten().collect();
        let unmatched: Vec<String> = layers.iter().flat_map(|layer| layer.unmatched.iter().cloned()).collect();
        unmatched.iter().for_each(|note| self.resolver.warn_once(note));
        let stores = merged(layers.iter())?;
        let merged = merged([&mapped].into_iter().chain(&layers))?;
        Ok(mapped.with_stores(stores, unmatched, merged))
    }
}

/// Merges layers, the lowest one first. A list that a store has as one value replaces a lower one as a whole; an empty
/// table replaces no member.
fn merged<'l>(layers: impl Iterator<Item = &'l MappedSecrets>) -> Result<Vec<(Key, MappedSecret)>> {
    let mut merged: BTreeMap<Key, MappedSecret> = BTreeMap::new();
    // Parts of a list that is one value. Without them, a list of one element would hide that another layer reaches in.
    let mut parts: Vec<(Key, MappedSecret)> = Vec::new();
    for layer in layers {
        for list in layer.secrets.iter().filter_map(list_place) {
            let is_in = |one: &Key| *one == list || list.is_above(one);
            let below = merged.range(list.clone()..).map(|(one, _)| one).take_while(|one| is_in(one));
            let replaced: Vec<Key> = below.filter(|one| layer.get(one).is_none()).cloned().collect();
            parts.retain(|(key, _)| !is_in(key));
            let removed = replaced.into_iter().filter_map(|key| merged.remove_entry(&key));
            parts.extend(removed.filter(|value| list_place(value).is_some_and(|of| of.is_above(&list))));
        }
        for setting in layer.secrets.iter() {
            let (key, value) = setting.clone();
            let Some(before) = merged.insert(key.clone(), value).map(|before| (key, before)) else { continue };
            let own = list_place(setting).unwrap_or_else(|| setting.0.clone());
            parts.extend(Some(before).filter(|before| list_place(before).is_some_and(|list| list.is_above(&own))));
        }
    }
    let mut merged: Vec<(Key, MappedSecret)> = merged.into_iter().collect();
    remove_filled_tables(&mut merged, is_empty_table);
    match Error::join(collisions_in(parts.iter().chain(&merged))) {
        Some(error) => Err(error),
        None => Ok(merged),
    }
}

fn collisions_in<'v>(values: impl Iterator<Item = &'v (Key, MappedSecret)>) -> Vec<Error> {
    let mut settings: Vec<(Key, Contributor<'_>)> =
        values.map(|(key, value)| (key.clone(), Contributor(value))).collect();
    settings.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mixed = mixed_lists(settings.iter().map(|(key, Contributor(value))| (key, *value)));
    collisions_and_mixed(&settings, mixed, &WORDS)
}

/// Layers replace settings of the same key, so only a value and a table or a list can collide.
const WORDS: CollisionWords = CollisionWords {
    same: "layers give the same setting",
    twice: "layers give the same setting",
    place: "secret names and stores of settings",
    help: "rename or remove one of them, or take fewer secrets by name: NameMap::prefix, tag or only_keys_of",
};

/// What gives a setting, for an error.
struct Contributor<'v>(&'v MappedSecret);

impl fmt::Display for Contributor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.place() {
            Some(place) => f.write_str(place),
            None => write!(f, "{}", self.0.id().name()),
        }
    }
}

/// A store of one secret: the document of a setting store.
struct DocumentStore {
    id: SecretId,
    settings: Arc<dyn SettingStore>,
    /// The last settings, and the document of them. Most reads find the same ones again.
    last: Mutex<Option<(StoredSettings, Secret)>>,
}

impl DocumentStore {
    fn document(&self, settings: StoredSettings) -> Result<Secret> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemTime::now();
        if let Some((_, document)) = last.as_ref().filter(|(last, _)| settings.is_clone_of(last)) {
            return Ok(Secret::new(document.properties().clone(), document.expose_secret(), now));
        }
        let document = settings.to_document(&self.id, now)?;
        *last = Some((settings, document.clone()));
        Ok(document)
    }
}

impl fmt::Debug for DocumentStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocumentStore").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[async_trait]
impl SecretStore for DocumentStore {
    fn vault(&self) -> &Vault {
        self.id.vault()
    }

    /// Returns the settings as they are now, whatever version is requested: an earlier one cannot be read.
    async fn get(&self, id: &SecretId) -> Result<Secret> {
        let document = self.document(self.settings.read().await?)?;
        match id.version() {
            Some(version) if document.id().version() != Some(version) => {
                Err(Error::new(ErrorKind::NotFound, "secret not found").about(id))
            }
            _ => Ok(document),
        }
    }

    fn list(&self) -> BoxStream<'_, Result<SecretProperties>> {
        stream::empty().boxed()
    }

    fn versions(&self, _: &SecretName) -> BoxStream<'_, Result<SecretProperties>> {
        stream::empty().boxed()
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::settings::{StoredSettings, StoredValue};

    /// Returns a layer with a list of these elements.
    fn list(items: &[&str]) -> MappedSecrets {
        let items = items.iter().map(|item| StoredValue::Text(Zeroizing::new((*item).to_owned())));
        let mut stored = StoredSettings::default();
        stored.set(&Key::root().member("hosts"), "test", StoredValue::List(items.collect()));
        let id = SecretId::new(Vault::parse("https://contoso.azconfig.io").unwrap(), SecretName::of_store("Test", 1));
        MappedSecrets::of_document(&Arc::new(stored.to_document(&id, SystemTime::UNIX_EPOCH).unwrap())).unwrap()
    }

    /// A store whose settings a test sets.
    #[derive(Debug)]
    struct FixedStore(Vault, Mutex<StoredSettings>);

    #[async_trait]
    impl SettingStore for FixedStore {
        fn origin(&self) -> &Vault {
            &self.0
        }

        fn kind(&self) -> &'static str {
            "Test"
        }

        async fn read(&self) -> Result<StoredSettings> {
            Ok(self.1.lock().unwrap().clone())
        }
    }

    #[tokio::test]
    async fn a_document_is_that_of_the_settings_that_were_read() {
        let origin = Vault::parse("https://contoso.azconfig.io").unwrap();
        let id = SecretId::new(origin.clone(), SecretName::of_store("Test", 1));
        let settings = Arc::new(FixedStore(origin, Mutex::default()));
        let documents = DocumentStore { id: id.clone(), settings: Arc::clone(&settings) as _, last: Mutex::default() };
        let set = |text: &str| {
            let value = StoredValue::Text(Zeroizing::new(text.to_owned()));
            settings.1.lock().unwrap().set(&Key::root().member("a"), "test", value);
        };
        let read = async || documents.get(&id).await.unwrap();
        set("one");
        let first = read().await;
        let again = read().await;
        assert_eq!((again.id(), again.expose_secret()), (first.id(), first.expose_secret()));
        set("two");
        let second = read().await;
        assert!(second.id() != first.id() && second.expose_secret().contains("two"));
        settings.1.lock().unwrap().set_unmatched(vec!["a note".to_owned()]);
        let noted = read().await;
        assert_ne!(noted.id(), second.id());
        let mapped = MappedSecrets::of_document(&Arc::new(noted)).unwrap();
        assert_eq!((&*mapped.unmatched, mapped.iter().count()), (&["a note".to_owned()][..], 1));
        assert!(documents.get(first.id()).await.is_err(), "an earlier version cannot be read");
    }

    /// Returns a layer with these settings; `:` separates the levels of a key, and digits are an index.
    fn layer(settings: &[(&str, StoredValue)]) -> MappedSecrets {
        let mut stored = StoredSettings::default();
        for (key, value) in settings {
            let path = key.split(':').fold(Key::root(), |path, step| match step.parse() {
                Ok(index) => path.element(index),
                Err(_) => path.member(step),
            });
            stored.set(&path, &format!("key {key}"), value.clone());
        }
        let id = SecretId::new(Vault::parse("https://contoso.azconfig.io").unwrap(), SecretName::of_store("Test", 1));
        MappedSecrets::of_document(&Arc::new(stored.to_document(&id, SystemTime::UNIX_EPOCH).unwrap())).unwrap()
    }

    fn text() -> StoredValue {
        StoredValue::Text(Zeroizing::new("canary".to_owned()))
    }

    #[test]
    fn an_element_from_another_layer_does_not_divide_a_list_that_is_one_value() {
        let table = || StoredValue::Table(vec![("url".to_owned(), text()), ("x".to_owned(), list_of(vec![text()]))]);
        fn list_of(items: Vec<StoredValue>) -> StoredValue {
            StoredValue::List(items)
        }
        for (lower, key, value) in [
            (list_of(vec![table(), table()]), "hosts:0:weight", text()),
            (list_of(vec![table(), table()]), "hosts:0:url", text()),
            (list_of(vec![text(), text()]), "hosts:0", text()),
            (list_of(vec![text()]), "hosts:0", text()),
            (list_of(vec![text()]), "hosts:7", text()),
            (list_of(Vec::new()), "hosts:0", text()),
            (list_of(vec![table()]), "hosts:0:x", list_of(vec![text()])),
        ] {
            let (below, above) = (layer(&[("hosts", lower.clone())]), layer(&[(key, value.clone())]));
            let error = merged([&below, &above].into_iter()).map(|merged| merged.len()).unwrap_err();
            let expected = format!("a setting is both a value and a table: key hosts and key {key}");
            assert!(error.to_string().contains(&expected), "{key} {error}");
            assert!(!format!("{error:?}").contains("canary"), "{key} {error:?}");
            let whole = merged([&above, &below].into_iter()).unwrap();
            assert!(whole.iter().all(|(_, value)| value.place() == Some("key hosts")), "{key} {whole:?}");
            let whole = merged([&below, &above, &below].into_iter()).unwrap();
            assert!(whole.iter().all(|(_, value)| value.place() == Some("key hosts")), "{key} {whole:?}");
        }
        let (below, above) = (layer(&[("hosts:0:url", text())]), layer(&[("hosts:0:weight", text())]));
        assert_eq!(merged([&below, &above].into_iter()).unwrap().len(), 2, "elements by key are joined");
    }

    #[test]
    fn an_empty_table_adds_nothing_to_members_of_another_layer() {
        let (empty, member) = (layer(&[("db", StoredValue::Table(Vec::new()))]), layer(&[("db:password", text())]));
        for layers in [[&empty, &member], [&member, &empty]] {
            let merged = merged(layers.into_iter()).unwrap();
            assert_eq!(merged.iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>(), ["db.password"]);
        }
        let alone = merged([&empty, &empty].into_iter()).unwrap();
        assert_eq!(alone.iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>(), ["db"]);
        let element = layer(&[("db:0", text())]);
        assert!(merged([&empty, &element].into_iter()).is_err(), "a table is no list");
    }

    #[test]
    fn a_list_of_a_higher_layer_replaces_a_lower_one_even_if_either_is_empty() {
        for (lower, higher, expected) in [
            (&["a", "b"][..], &["c"][..], &["hosts[0]"][..]),
            (&["a", "b"], &[], &["hosts"]),
            (&[], &["c"], &["hosts[0]"]),
        ] {
            let merged = merged([&list(lower), &list(higher)].into_iter()).unwrap();
            let keys: Vec<String> = merged.iter().map(|(key, _)| key.to_string()).collect();
            assert_eq!(keys, expected, "{lower:?} {higher:?}");
        }
    }
}
