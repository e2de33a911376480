//! The emulator: starts, hands out what a client needs, and is watched and disturbed from a test.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::task::JoinHandle;

use crate::auth::{Claims, VAULT_AUDIENCE};
use crate::body::Body;
use crate::builder::EmulatorBuilder;
use crate::control;
use crate::counters::{LoggedRequest, Requests};
use crate::engine::Engine;
use crate::fault::{Fault, RequestHead};
use crate::file::{self, Readers};
use crate::handle::VaultHandle;
use crate::secret::SetSecret;

/// A Key Vault secrets service in this process.
///
/// Shared by reference: every method takes `&self`, and it may be put into an [`Arc`]. Dropped, it stops: ports are
/// closed and connections cut as soon as the runtime gets to it; [`stop`](Self::stop) waits for that.
pub struct Emulator {
    pub(crate) engine: Arc<Engine>,
    pub(crate) vault_url: String,
    pub(crate) http_url: String,
    pub(crate) ca_pem: String,
    pub(crate) tasks: Vec<JoinHandle<()>>,
}

impl Emulator {
    /// Starts an emulator on free loopback ports, on the runtime that this is called from.
    ///
    /// # Errors
    ///
    /// No port can be bound.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// Sets up an emulator that is to differ from the default.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::new()
    }

    /// Stops, and returns when the ports are closed.
    pub async fn stop(mut self) {
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            // The error says that it was aborted.
            let _ = task.await;
        }
    }

    /// Writes the [data file](EmulatorBuilder::data_file) now, if there is one. What a client changed is in it anyway;
    /// what a test changed is after a moment, or when the emulator stops.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn save(&self) -> io::Result<()> {
        self.engine.data_file.as_ref().map_or(Ok(()), |file| file.save(&self.engine.service))
    }

    /// Returns the URL of the default vault, without a slash at the end.
    pub fn vault_url(&self) -> &str {
        &self.vault_url
    }

    /// Returns the URL of the plain listener: the same vaults, the same token endpoints.
    pub fn http_url(&self) -> &str {
        &self.http_url
    }

    /// Returns the certificate, in PEM, of the authority that vouches for this emulator. Good for every name a
    /// client may reach it by.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Writes the authority's certificate to a file, whole or not at all.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write_ca(&self, path: impl AsRef<Path>) -> io::Result<()> {
        file::write(path.as_ref(), self.ca_pem.as_bytes(), Readers::Everybody)
    }

    /// Issues a token that the vaults accept for an hour. Not counted as a request.
    pub fn token(&self) -> String {
        self.token_for(VAULT_AUDIENCE)
    }

    /// Issues a token for an audience of your choice.
    pub fn token_for(&self, audience: &str) -> String {
        let service = &self.engine.service;
        let claims = Claims { audience, tenant: &service.identity.tenant_id, client: &service.identity.client_id };
        service.state().tokens.issue(&claims, service.now())
    }

    /// Revokes every token issued until now: each gets 401 from here on.
    pub fn revoke_tokens(&self) {
        self.engine.service.state().tokens.revoke();
    }

    /// Returns the authority host for a client secret credential: https, and to be trusted like the vault.
    pub fn authority_url(&self) -> &str {
        &self.engine.service.authority
    }

    /// Returns the tenant whose tokens the vaults accept.
    pub fn tenant_id(&self) -> &str {
        &self.engine.service.identity.tenant_id
    }

    /// Returns the identifier of the one application there is.
    pub fn client_id(&self) -> &str {
        &self.engine.service.identity.client_id
    }

    /// Returns the application's secret.
    pub fn client_secret(&self) -> &str {
        &self.engine.service.identity.client_secret
    }

    /// Returns where the emulator itself can be watched and disturbed over http: see the
    /// [list of paths](crate#the-control-endpoint).
    pub fn control_url(&self) -> String {
        format!("{}{}", self.http_url, control::ROOT)
    }

    /// Returns what App Service puts into `IDENTITY_ENDPOINT`.
    pub fn identity_endpoint(&self) -> String {
        format!("{}/msi/token", self.http_url)
    }

    /// Returns what App Service puts into `IDENTITY_HEADER`.
    pub fn identity_header(&self) -> &str {
        &self.engine.service.identity.header
    }

    /// Returns a vault by name: the one that `NAME.vault.azure.net` and `NAME.localhost` reach here.
    pub fn vault(&self, name: &str) -> VaultHandle<'_> {
        VaultHandle::new(self, name.to_ascii_lowercase())
    }

    /// Makes a new version in the default vault, and returns its identifier.
    ///
    /// # Panics
    ///
    /// The service would refuse it: a bad name, a value too long, a name that a deleted secret holds.
    pub fn set(&self, name: &str, value: &str) -> String {
        self.vault("").set(name, value)
    }

    /// Makes a new version with all its properties in the default vault, and returns its identifier.
    ///
    /// # Panics
    ///
    /// The service would refuse it: a bad name, something too long, a name that a deleted secret holds.
    pub fn set_secret(&self, name: &str, secret: SetSecret) -> String {
        self.vault("").set_secret(name, secret)
    }

    /// Enables or disables a version, or the newest, in the default vault; false if there is none.
    pub fn set_enabled(&self, name: &str, version: Option<&str>, enabled: bool) -> bool {
        self.vault("").set_enabled(name, version, enabled)
    }

    /// Deletes a secret of the default vault, softly; false if there is none.
    pub fn delete(&self, name: &str) -> bool {
        self.vault("").delete(name)
    }

    /// Returns how many requests of each kind arrived.
    pub fn requests(&self) -> Requests {
        self.engine.service.state().ledger.requests()
    }

    /// Begins to count anew: counters, log and [`max_in_flight`](Self::max_in_flight).
    pub fn reset_requests(&self) {
        self.engine.reset_requests();
    }

    /// Returns the heads of the last 10,000 requests, oldest first. Tokens and bodies are never kept.
    pub fn request_log(&self) -> Vec<LoggedRequest> {
        self.engine.service.state().ledger.log()
    }

    /// Returns the highest number of requests to vaults that were being answered at the same time.
    pub fn max_in_flight(&self) -> u64 {
        self.engine.in_flight.most()
    }

    /// Sets how long each request to a vault takes from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.engine.service.state().latency = latency;
    }

    /// Sets the `resource` that the challenge names; tokens for it are accepted too.
    pub fn challenge_resource(&self, resource: impl Into<String>) {
        self.engine.service.state().resource = resource.into();
    }

    /// Sets how many items a page has at most. At least 1.
    pub fn page_size(&self, size: usize) {
        self.engine.service.state().page_size = size.max(1);
    }

    /// Lets a fault strike every request to a vault until the faults are cleared. The newest such fault wins.
    pub fn fault(&self, fault: Fault) {
        self.fault_matching(None, |_| true, fault);
    }

    /// Lets a fault strike the next `count` requests to a vault, before any fault that strikes them all. Several
    /// calls make a sequence.
    pub fn fault_next(&self, count: u64, fault: Fault) {
        self.fault_matching(Some(count), |_| true, fault);
    }

    /// Lets a fault strike `count` requests to a vault, or all, of those that match.
    ///
    /// The pattern is called while the emulator is locked: it must not call the emulator itself.
    ///
    /// ```
    /// # use keyvault_emulator::{Emulator, Fault};
    /// # fn example(emulator: &Emulator) {
    /// emulator.fault_matching(Some(2), |head| head.path_and_query.contains("/db-password"), Fault::status(503));
    /// # }
    /// ```
    pub fn fault_matching(
        &self,
        count: Option<u64>,
        pattern: impl Fn(&RequestHead) -> bool + Send + Sync + 'static,
        fault: Fault,
    ) {
        let pattern = Box::new(move |head: &RequestHead| head.operation.is_vault() && pattern(head));
        self.engine.service.state().faults.add(count, pattern, fault);
    }

    /// Lets a fault strike `count` requests to the token endpoints, or all.
    pub fn fault_tokens(&self, count: Option<u64>, fault: Fault) {
        let pattern = Box::new(|head: &RequestHead| !head.operation.is_vault());
        self.engine.service.state().faults.add(count, pattern, fault);
    }

    /// Removes all faults, also those that have not struck as often as they could. Not the latency.
    pub fn clear_faults(&self) {
        self.engine.service.state().faults.clear();
    }

    /// Answers a request in this process, without a socket: a transport for tests with a paused clock.
    ///
    /// The URI should be absolute, for scheme and host to be known; a `Host` header does as well.
    /// [`Fault::Hang`] and [`Fault::HangInBody`] never return. A lost connection cannot be told in a response, so
    /// [`Fault::Reset`] and [`Fault::Truncated`] are an empty 502 here; [`exchange`](Self::exchange) tells them apart.
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

    /// Answers a request in this process, as the listeners do: the body may hang, fail or go on for long.
    ///
    /// # Errors
    ///
    /// [`Fault::Reset`], as a connection reset.
    ///
    /// # Cancel safety
    ///
    /// The vault does what it is asked before a latency is waited for: dropping the future undoes nothing.
    pub async fn exchange(&self, request: Request<Bytes>) -> io::Result<Response<Body>> {
        self.engine.exchange(request).await
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        // Nobody is left to be told of an error; `save` tells it.
        let _ = self.save();
    }
}

/// Shows where it listens, and nothing that a vault keeps.
impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator")
            .field("vault_url", &self.vault_url)
            .field("http_url", &self.http_url)
            .finish_non_exhaustive()
    }
}
