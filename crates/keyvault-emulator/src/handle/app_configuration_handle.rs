//! One App Configuration store of an emulator.

use std::time::Duration;

use serde_json::json;

use super::emulator::Emulator;
use crate::app_configuration::{self as stores, ApiVersion, KeyId, Problem, SetKeyValue, Store};
use crate::faults::{Denial, Fault, RequestMatcher, Throttle};
use crate::operations::{Operation, RequestHead};
use crate::service::Service;

/// An App Configuration store of an [`Emulator`], by name. Its methods are not counted as requests.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use keyvault_emulator::{Emulator, SetKeyValue};
///
/// let emulator = Emulator::start().await?;
/// let store = emulator.app_configuration("");
/// store.set("shop:db:host", "localhost");
/// store.set_key_value("shop:db:host", SetKeyValue::new("db.example").label("prod"));
/// let secret = format!("{}/secrets/db-password", emulator.vault_url());
/// store.set_key_value("shop:db:password", SetKeyValue::secret_reference(secret));
/// println!("{}", store.connection_string());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AppConfigurationHandle<'a> {
    service: &'a Service,
    /// The URL of the default vault, which the default store shares.
    default_url: &'a str,
    /// The name in the endpoint.
    name: String,
    /// The name under which the store is kept. Empty for the default store.
    id: String,
}

/// App Configuration.
impl Emulator {
    /// Returns an App Configuration store by name: the one that `NAME.azconfig.io` and `NAME.localhost` reach. The
    /// default store has the empty name, and the one that [`EmulatorBuilder::app_configuration`] sets.
    ///
    /// [`EmulatorBuilder::app_configuration`]: crate::EmulatorBuilder::app_configuration
    pub fn app_configuration(&self, name: &str) -> AppConfigurationHandle<'_> {
        let (service, default_url, name) = (self.service(), self.vault_url(), name.to_ascii_lowercase());
        let id = service.state().store_id(&name);
        AppConfigurationHandle { service, default_url, name, id }
    }
}

/// Addresses and credentials. [`Emulator::ca_pem`] is the certificate to trust.
impl AppConfigurationHandle<'_> {
    /// Returns the endpoint of the store, without a trailing slash. The default store has that of the default vault.
    ///
    /// The client must resolve `NAME.localhost`, which not every system does.
    pub fn endpoint(&self) -> String {
        crate::protocol::uri::named_url(self.default_url, &self.name)
    }

    /// Returns the connection string with the access key for reads and writes: `Endpoint=…;Id=…;Secret=…`. All stores
    /// have the same access keys.
    pub fn connection_string(&self) -> String {
        self.service.registration.access_keys.read_write.connection_string(&self.endpoint())
    }

    /// Returns the connection string with the access key for reads.
    pub fn read_only_connection_string(&self) -> String {
        self.service.registration.access_keys.read_only.connection_string(&self.endpoint())
    }

    /// Issues a token that the stores accept for one hour. A vault does not accept it, and a store accepts none of a
    /// vault.
    pub fn token(&self) -> String {
        let service = self.service;
        service.token_issuer(&mut service.state()).issue(stores::AUDIENCE, &service.registration.tenant_id)
    }
}

/// Key-values and snapshots.
impl AppConfigurationHandle<'_> {
    /// Sets a key-value without a label and returns its ETag.
    ///
    /// # Panics
    ///
    /// The service would reject the request: the key is invalid, or the key-value is longer than 10 KB.
    pub fn set(&self, key: &str, value: &str) -> String {
        self.set_key_value(key, SetKeyValue::new(value))
    }

    /// Sets a key-value with its label and all its properties and returns its ETag. An unlocked state replaces a locked
    /// one.
    ///
    /// # Panics
    ///
    /// The service would reject the request: the key, the label or a property is invalid, or the key-value is longer
    /// than 10 KB.
    pub fn set_key_value(&self, key: &str, set: SetKeyValue) -> String {
        let id = KeyId { key: key.to_owned(), label: set.label.clone() };
        let (set, now) = (set.with_new_etag(), self.service.now());
        let result = set.check(&id).and_then(|()| {
            self.change(|store| store.set(&id, set.clone(), now).map(|key_value| key_value.etag.clone()))
        });
        result.unwrap_or_else(|problem: Problem| panic!("cannot set {key}: the service responds {}", problem.status))
    }

    /// Deletes a key-value, even if it is locked. Returns false if it does not exist.
    pub fn delete(&self, key: &str, label: Option<&str>) -> bool {
        let (id, now) = (KeyId::new(key, label), self.service.now());
        self.change(|store| store.delete(&id, now).is_some())
    }

    /// Locks or unlocks a key-value. Returns false if it does not exist.
    pub fn set_locked(&self, key: &str, label: Option<&str>, locked: bool) -> bool {
        let (id, etag, now) = (KeyId::new(key, label), stores::new_etag(), self.service.now());
        self.change(|store| store.lock(&id, locked, &etag, now).is_some())
    }

    /// Creates a snapshot of the key-values that match one of the filters, each by key and label, with one key-value
    /// for each key: that of the later filter. It can be read at once.
    ///
    /// # Panics
    ///
    /// The service would reject the request: there are no filters or more than three, a filter is invalid, or the name
    /// is empty, longer than 256 characters or in use.
    pub fn create_snapshot(&self, name: &str, filters: &[(&str, Option<&str>)]) {
        let filters: Vec<_> = filters.iter().map(|(key, label)| json!({ "key": key, "label": label })).collect();
        let body = json!({ "filters": filters }).to_string();
        let now = self.service.now();
        let created = {
            let mut state = self.service.state();
            let store = state.data.visible().stores.open(&self.id, now);
            store.new_snapshot(name, body.as_bytes(), ApiVersion::LATEST, Duration::ZERO, now)
        };
        let snapshot =
            created.unwrap_or_else(|problem| panic!("cannot create {name}: the service responds {}", problem.status));
        self.change(|store| {
            store.add_snapshot(snapshot.clone());
        });
    }

    /// Archives or recovers a snapshot. Returns false if it does not exist.
    pub fn set_archived(&self, name: &str, archived: bool) -> bool {
        let (etag, now) = (stores::new_etag(), self.service.now());
        self.change(|store| store.set_archived(name, archived, &etag, now).is_some())
    }

    /// Returns the sync token that a client receives with the latest change: `ID=VALUE;sn=NUMBER`.
    pub fn sync_token(&self) -> String {
        let now = self.service.now();
        self.service.state().data.visible().stores.open(&self.id, now).sync_token()
    }

    /// Returns the event that Event Grid sends after the latest change of a key-value, as the JSON that a webhook
    /// receives: a list with one event, `KeyValueModified`, or `KeyValueDeleted` if there is no such key-value. The
    /// emulator sends no events itself.
    pub fn event(&self, key: &str, label: Option<&str>) -> String {
        let now = self.service.now();
        let store_name = if self.name.is_empty() { "emulator" } else { self.name.as_str() };
        let topic = format!(
            "/subscriptions/{}/resourceGroups/emulator/providers/microsoft.appconfiguration/configurationstores/{store_name}",
            self.service.registration.tenant_id
        );
        let mut state = self.service.state();
        let store = state.data.visible().stores.open(&self.id, now);
        json!([stores::event(store, &KeyId::new(key, label), &self.endpoint(), &topic, now)]).to_string()
    }

    /// Sets the maximum number of items in a page of every store. Default: 100, as in the service. At least 1.
    pub fn page_size(&self, size: usize) {
        self.service.state().store_page_size = size.max(1);
    }

    /// Hides each change from the reads of every store for a time, unless the request has the sync token of that change
    /// or of a later one. In the service this takes up to some seconds. Default: zero.
    pub fn read_delay(&self, delay: Duration) {
        self.service.state().store_read_delay = delay;
    }

    fn change<T>(&self, change: impl Fn(&mut Store) -> T) -> T {
        let now = self.service.now();
        self.service.change_now(|data| change(data.stores.open(&self.id, now)))
    }
}

/// Faults, denials and limits. [`Emulator::clear_faults`] and [`Emulator::clear_denials`] remove those of the stores
/// too.
impl AppConfigurationHandle<'_> {
    /// Applies a fault to every request to this store.
    pub fn fault(&self, fault: Fault) {
        self.fault_matching(None, |_| true, fault);
    }

    /// Applies a fault to the next `count` requests to this store, with precedence over faults without a count.
    pub fn fault_next(&self, count: u64, fault: Fault) {
        self.fault_matching(Some(count), |_| true, fault);
    }

    /// Applies a fault to the next `count` requests for one key, with any label: gets, changes and locks of it, but no
    /// lists. `None` means every such request.
    pub fn fault_key(&self, key: &str, count: Option<u64>, fault: Fault) {
        let (store, key) = (self.id.clone(), key.to_owned());
        self.fault_matching(count, move |head| head.is_for_key(&store, &key), fault);
    }

    /// Applies a fault to the next `count` matching requests to this store. `None` means every matching request.
    ///
    /// The emulator is locked while it calls `pattern`, which must not call the emulator.
    pub fn fault_matching(
        &self,
        count: Option<u64>,
        pattern: impl Fn(&RequestHead) -> bool + Send + Sync + 'static,
        fault: Fault,
    ) {
        self.service.state().faults.add(count, self.requests(pattern), fault);
    }

    /// Denies some operations in this store, with a 403. `None` denies all.
    pub fn deny(&self, denial: Denial, operations: Option<&[Operation]>) {
        let operations = operations.map(<[Operation]>::to_vec);
        let is_denied =
            move |head: &RequestHead| operations.as_ref().is_none_or(|operations| operations.contains(&head.operation));
        self.service.state().denials.add(denial, self.requests(is_denied));
    }

    /// Sets the limits of each store.
    pub fn throttle(&self, limits: Throttle) {
        self.service.state().store_throttler.set(Some(limits));
    }

    /// Removes the limits of each store.
    pub fn unthrottle(&self) {
        self.service.state().store_throttler.set(None);
    }

    fn requests(&self, pattern: impl Fn(&RequestHead) -> bool + Send + Sync + 'static) -> RequestMatcher {
        let store = self.id.clone();
        Box::new(move |head| head.is_for_store(&store) && pattern(head))
    }
}
