//! One vault of an emulator, from Rust: what a test puts there without a request.

use crate::emulator::Emulator;
use crate::error::WireError;
use crate::route::is_name;
use crate::secret::{SetSecret, UpdateSecret};
use crate::vault::Vault;

/// A vault of an [`Emulator`], by name. What is done through it is not counted as a request.
#[derive(Clone, Debug)]
pub struct VaultHandle<'a> {
    emulator: &'a Emulator,
    name: String,
}

impl<'a> VaultHandle<'a> {
    pub(crate) fn new(emulator: &'a Emulator, name: String) -> Self {
        Self { emulator, name }
    }

    /// Returns the URL of the vault, without a slash at the end.
    ///
    /// A client must be able to resolve `NAME.localhost`, which not every system does.
    pub fn url(&self) -> String {
        let url = self.emulator.vault_url();
        match (self.name.as_str(), url.rsplit_once(':')) {
            ("", _) | (_, None) => url.to_owned(),
            (name, Some((_, port))) => format!("https://{name}.localhost:{port}"),
        }
    }

    /// Makes a new version, and returns its identifier.
    ///
    /// # Panics
    ///
    /// The service would refuse it: a bad name, a value too long, a name that a deleted secret holds.
    pub fn set(&self, name: &str, value: &str) -> String {
        self.set_secret(name, SetSecret::new(value))
    }

    /// Makes a new version with all its properties, and returns its identifier.
    ///
    /// # Panics
    ///
    /// The service would refuse it: a bad name, something too long, a name that a deleted secret holds.
    pub fn set_secret(&self, name: &str, secret: SetSecret) -> String {
        let now = self.emulator.engine.service.now();
        let set = |vault: &mut Vault| {
            if !is_name(name) {
                return Err(WireError::bad_name(name));
            }
            secret.check()?;
            vault.set(name, secret, now).map(|item| item.latest().id.clone())
        };
        // The lock is given back before the panic.
        let result = self.with(set);
        result.unwrap_or_else(|error| panic!("cannot set {name}: {}", error.message))
    }

    /// Enables or disables a version, or the newest; false if there is none.
    pub fn set_enabled(&self, name: &str, version: Option<&str>, enabled: bool) -> bool {
        let now = self.emulator.engine.service.now();
        let update = UpdateSecret::enabled(enabled);
        self.with(|vault| vault.update(name, version, update, now).is_ok())
    }

    /// Deletes a secret, softly; false if there is none.
    pub fn delete(&self, name: &str) -> bool {
        let service = &self.emulator.engine.service;
        let now = service.now();
        self.with(|vault| vault.delete(name, service.policy, now).is_ok())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Vault) -> T) -> T {
        let service = &self.emulator.engine.service;
        let mut state = service.state();
        let vault = state.vaults.entry(self.name.clone()).or_default();
        vault.sweep(service.now());
        let outcome = act(vault);
        service.changed(&mut state);
        outcome
    }
}
