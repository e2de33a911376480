//! A running emulator.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::task::JoinHandle;

use super::builder::EmulatorBuilder;
use super::vault_handle::VaultHandle;
use crate::control::endpoint::ROOT;
use crate::http::{Body, Router};
use crate::identity::VAULT_AUDIENCE;
use crate::seeds::{OnExisting, Seed, SeedError};
use crate::service::{LoggedRequest, Requests, Service};
use crate::storage::atomic_file::{self, Readers};
use crate::vaults::SetSecret;

/// The secrets and certificates of Key Vault, and App Configuration, in this process.
///
/// Every method takes `&self`, so an [`Arc`] can share the emulator. Dropping it stops it: the runtime closes its ports
/// and connections soon after. [`stop`](Self::stop) waits for that.
pub struct Emulator {
    pub(super) router: Arc<Router>,
    pub(super) vault_url: String,
    pub(super) http_url: String,
    pub(super) tasks: Vec<JoinHandle<()>>,
}

/// Start and stop.
impl Emulator {
    /// Starts an emulator on free loopback ports, on the current runtime.
    ///
    /// # Errors
    ///
    /// No port can be bound.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// Returns a builder for an emulator that differs from the default.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::new()
    }

    /// Stops the emulator and waits until its ports are closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the emulator too, without the wait.
    pub async fn stop(mut self) {
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            // The error only reports the abort.
            let _ = task.await;
        }
    }

    /// Writes the [data file](EmulatorBuilder::data_file) now, if there is one. The file already contains every change
    /// of a client. It contains a change of a test shortly after, at the latest when the emulator stops.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn save(&self) -> io::Result<()> {
        self.router.data_file.as_ref().map_or(Ok(()), |file| file.save(self.service()))
    }

    pub(super) fn service(&self) -> &Service {
        &self.router.service
    }
}

/// Addresses, trust and tokens: everything that a client needs.
impl Emulator {
    /// Returns the URL of the default vault, without a trailing slash.
    pub fn vault_url(&self) -> &str {
        &self.vault_url
    }

    /// Returns the URL of the plain listener, which serves the same vaults and token endpoints.
    pub fn http_url(&self) -> &str {
        &self.http_url
    }

    /// Returns the certificate of this emulator's authority, in PEM. It covers every host name of the emulator.
    pub fn ca_pem(&self) -> &str {
        &self.router.ca_pem
    }

    /// Writes the authority's certificate to a file, atomically.
    ///
    /// # Errors
    ///
    /// The file cannot be written. The path is a symbolic link, a device or anything else but a regular file, which is
    /// then neither replaced nor written through.
    pub fn write_ca(&self, path: impl AsRef<Path>) -> io::Result<()> {
        write_ca(path.as_ref(), self.ca_pem())
    }

    /// Issues a token that the vaults accept for one hour. This is not counted as a request.
    pub fn token(&self) -> String {
        self.token_for(VAULT_AUDIENCE)
    }

    /// Issues a token for any audience.
    pub fn token_for(&self, audience: &str) -> String {
        let service = self.service();
        service.token_issuer(&mut service.state()).issue(audience, &service.registration.tenant_id)
    }

    /// Revokes every token issued so far. The vaults respond to them with 401.
    pub fn revoke_tokens(&self) {
        self.service().state().tokens.revoke();
    }

    /// Returns the authority host for a client secret credential: https, with a certificate of the same authority as
    /// the vault's.
    pub fn authority_url(&self) -> &str {
        &self.service().authority
    }

    /// Returns the tenant whose tokens the vaults accept.
    pub fn tenant_id(&self) -> &str {
        &self.service().registration.tenant_id
    }

    /// Returns the client identifier of the one application.
    pub fn client_id(&self) -> &str {
        &self.service().registration.client_id
    }

    /// Returns the application's client secret.
    pub fn client_secret(&self) -> &str {
        &self.service().registration.client_secret
    }

    /// Returns the URL of the control endpoint, by which other languages observe and change the emulator. See its
    /// [paths](crate#the-control-endpoint).
    pub fn control_url(&self) -> String {
        format!("{}{ROOT}", self.http_url)
    }

    /// Returns the value of `IDENTITY_ENDPOINT` in App Service.
    pub fn identity_endpoint(&self) -> String {
        format!("{}/msi/token", self.http_url)
    }

    /// Returns the value of `IDENTITY_HEADER` in App Service.
    pub fn identity_header(&self) -> &str {
        &self.service().registration.header
    }

    /// Sets the `resource` that the challenge names. The vaults accept tokens for it too.
    pub fn challenge_resource(&self, resource: impl Into<String>) {
        self.service().state().resource = resource.into();
    }
}

/// Secrets. None of these methods is counted as a request.
impl Emulator {
    /// Returns a vault by name: the one that `NAME.vault.azure.net` and `NAME.localhost` reach.
    pub fn vault(&self, name: &str) -> VaultHandle<'_> {
        VaultHandle::new(self.service(), &self.vault_url, name.to_ascii_lowercase())
    }

    /// Sets a new version in the default vault and returns its identifier.
    ///
    /// # Panics
    ///
    /// The service would reject the request: the name is invalid, the value is too long, or a deleted secret has the
    /// name.
    pub fn set(&self, name: &str, value: &str) -> String {
        self.vault("").set(name, value)
    }

    /// Sets a new version with all its properties in the default vault and returns its identifier.
    ///
    /// # Panics
    ///
    /// The service would reject the request: the name is invalid, a property is too long, or a deleted secret has the
    /// name. The version is not 32 hexadecimal digits, or exists already.
    pub fn set_secret(&self, name: &str, secret: SetSecret) -> String {
        self.vault("").set_secret(name, secret)
    }

    /// Enables or disables a version, or the latest, in the default vault. Returns false if it does not exist.
    pub fn set_enabled(&self, name: &str, version: Option<&str>, enabled: bool) -> bool {
        self.vault("").set_enabled(name, version, enabled)
    }

    /// Deletes a secret of the default vault, which can then be recovered. Returns false if it does not exist.
    pub fn delete(&self, name: &str) -> bool {
        self.vault("").delete(name)
    }

    /// Sets the secrets of a seed in their vaults, as new versions, and its key-values in their App Configuration
    /// stores. Returns the number of both that were set.
    ///
    /// # Errors
    ///
    /// A deleted secret has the same name, a version exists already, or a key-value is too long. Nothing is set then.
    pub fn load(&self, seed: &Seed) -> Result<usize, SeedError> {
        let loaded = self.service().load(seed, OnExisting::AddVersions)?;
        Ok(loaded.secrets + loaded.key_values)
    }

    /// Sets the maximum number of items in a page. At least 1.
    pub fn page_size(&self, size: usize) {
        self.service().state().page_size = size.max(1);
    }
}

/// Counters and log of the requests.
impl Emulator {
    /// Returns the number of requests by operation.
    pub fn requests(&self) -> Requests {
        self.service().state().log.requests()
    }

    /// Resets the counters, the log and [`max_in_flight`](Self::max_in_flight).
    pub fn reset_requests(&self) {
        self.service().reset_requests();
    }

    /// Returns the last 10,000 requests, oldest first. The log contains no tokens and no bodies.
    pub fn request_log(&self) -> Vec<LoggedRequest> {
        self.service().state().log.entries()
    }

    /// Returns the maximum number of concurrent requests to vaults.
    pub fn max_in_flight(&self) -> u64 {
        self.service().in_flight.max()
    }
}

/// Requests without a socket.
impl Emulator {
    /// Responds to a request in this process, without a socket: a transport for tests with a paused clock.
    ///
    /// The URI should be absolute, to contain scheme and host; a `Host` header also works. [`Fault::Hang`] and
    /// [`Fault::HangInBody`] never return. A response cannot represent a lost connection, so [`Fault::Reset`] and
    /// [`Fault::Truncated`] give an empty 502. [`exchange`](Self::exchange) distinguishes them.
    ///
    /// [`Fault::Hang`]: crate::Fault::Hang
    /// [`Fault::HangInBody`]: crate::Fault::HangInBody
    /// [`Fault::Reset`]: crate::Fault::Reset
    /// [`Fault::Truncated`]: crate::Fault::Truncated
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = keyvault_emulator::Emulator::start().await?;
    /// emulator.vault("contoso").set("db-password", "hunter2");
    /// let request = http::Request::get("https://contoso.vault.azure.net/secrets/db-password?api-version=2025-07-01")
    ///     .header("authorization", format!("Bearer {}", emulator.token()))
    ///     .body(bytes::Bytes::new())?;
    /// assert_eq!(emulator.handle(request).await.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let lost = || {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        };
        let Ok(response) = self.exchange(request).await else {
            return lost();
        };
        let (head, body) = response.into_parts();
        match body.collect().await {
            Ok(body) => Response::from_parts(head, body.to_bytes()),
            Err(_) => lost(),
        }
    }

    /// Responds to a request in this process, as the listeners do: the body may hang, fail or have any length.
    ///
    /// # Errors
    ///
    /// A connection reset, for [`Fault::Reset`](crate::Fault::Reset).
    ///
    /// # Cancel safety
    ///
    /// The vault performs the operation before the latency, so dropping the future does not undo it.
    pub async fn exchange(&self, request: Request<Bytes>) -> io::Result<Response<Body>> {
        self.router.route(request).await
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        if let Some(file) = &self.router.data_file {
            // A drop cannot report an error; `save` does.
            let _ = file.close(self.service());
        }
    }
}

/// Shows the addresses and never the content of a vault.
impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator")
            .field("vault_url", &self.vault_url)
            .field("http_url", &self.http_url)
            .finish_non_exhaustive()
    }
}

/// Writes the authority's certificate to a file, atomically.
pub(super) fn write_ca(path: &Path, ca_pem: &str) -> io::Result<()> {
    atomic_file::remove_leftovers(path, MIN_LEFTOVER_AGE);
    atomic_file::write(path, ca_pem.as_bytes(), Readers::Everyone)
}

/// The age from which a temporary file beside the certificate's is certain to be abandoned: a write takes milliseconds.
/// The file has no lock, so another emulator may be writing it.
const MIN_LEFTOVER_AGE: Duration = Duration::from_secs(60);
