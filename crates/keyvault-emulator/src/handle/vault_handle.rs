//! One vault of an emulator.

use serde_json::Value;

use crate::faults::{Denial, Fault, RequestMatcher};
use crate::protocol::uri::named_url;
use crate::protocol::{ErrorResponse, ObjectName};
use crate::random;
use crate::service::Service;
use crate::vaults::name::is_name;
use crate::vaults::{SetSecret, UpdateSecret, Vault};

/// A vault of an [`Emulator`](crate::Emulator), by name. Its methods are not counted as requests.
#[derive(Clone, Debug)]
pub struct VaultHandle<'a> {
    service: &'a Service,
    /// The URL of the default vault.
    default_url: &'a str,
    name: String,
}

impl<'a> VaultHandle<'a> {
    pub(super) fn new(service: &'a Service, default_url: &'a str, name: String) -> Self {
        Self { service, default_url, name }
    }

    /// Returns the URL of the vault, without a trailing slash.
    ///
    /// The client must resolve `NAME.localhost`, which not every system does.
    pub fn url(&self) -> String {
        named_url(self.default_url, &self.name)
    }

    /// Sets a new version and returns its identifier.
    ///
    /// # Panics
    ///
    /// The service would reject the request: the name is invalid, the value is too long, or a deleted secret has the
    /// name.
    pub fn set(&self, name: &str, value: &str) -> String {
        self.set_secret(name, SetSecret::new(value))
    }

    /// Sets a new version with all its properties and returns its identifier.
    ///
    /// # Panics
    ///
    /// The service would reject the request: the name is invalid, a property is too long, or a deleted secret has the
    /// name. The version is not 32 hexadecimal digits, or exists already.
    pub fn set_secret(&self, name: &str, mut secret: SetSecret) -> String {
        let now = self.service.now();
        secret.version.get_or_insert_with(random::hex);
        // The lock is released before the panic.
        let result = self.change(|vault| {
            if !is_name(name) {
                return Err(ErrorResponse::bad_name(name));
            }
            secret.check()?;
            vault.set(name, secret.clone(), now).map(|secret| secret.latest().id.clone())
        });
        result.unwrap_or_else(|error| panic!("cannot set {name}: {}", error.message))
    }

    /// Enables or disables a version, or the latest. Returns false if it does not exist.
    pub fn set_enabled(&self, name: &str, version: Option<&str>, enabled: bool) -> bool {
        let now = self.service.now();
        let update = UpdateSecret::enabled(enabled);
        self.change(|vault| vault.update(ObjectName::secret(name), version, update.clone(), now).is_ok())
    }

    /// Deletes a secret, which can then be recovered. Returns false if it does not exist.
    pub fn delete(&self, name: &str) -> bool {
        let now = self.service.now();
        self.change(|vault| vault.delete(ObjectName::secret(name), self.service.policy, now).is_ok())
    }

    /// Returns the events that Event Grid sends about the secrets and certificates of the vault until now, as the JSON
    /// that a webhook receives: a list of `SecretNewVersionCreated`, `CertificateNewVersionCreated`, and the same with
    /// `NearExpiry` (30 days before) and `Expired`, oldest first. An event has the same `id` each time. The emulator
    /// sends no events itself.
    pub fn events(&self) -> String {
        Value::from(self.service.events(&self.name)).to_string()
    }

    /// Denies the requests for one secret or certificate: gets, versions and changes of it, but no lists. The name is
    /// case-insensitive. [`Emulator::clear_denials`](crate::Emulator::clear_denials) ends it.
    pub fn deny_secret(&self, name: &str, denial: Denial) {
        self.service.state().denials.add(denial, self.requests_for(name));
    }

    /// Applies a fault to the next `count` requests for one secret or certificate: gets, versions and changes of
    /// it, but no lists. `None` means every such request. The name is case-insensitive.
    /// [`Emulator::clear_faults`](crate::Emulator::clear_faults) ends it.
    pub fn fault_secret(&self, name: &str, count: Option<u64>, fault: Fault) {
        self.service.state().faults.add(count, self.requests_for(name), fault);
    }

    fn requests_for(&self, secret: &str) -> RequestMatcher {
        let (vault, secret) = (self.name.clone(), secret.to_owned());
        Box::new(move |head| head.is_for_secret(&vault, &secret))
    }

    fn change<T>(&self, change: impl Fn(&mut Vault) -> T) -> T {
        let now = self.service.now();
        self.service.change_now(|data| change(data.vaults.open(&self.name, now)))
    }
}
