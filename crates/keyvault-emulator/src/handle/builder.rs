//! The configuration of an emulator.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::emulator::{Emulator, write_ca};
use crate::certificates::CertificateAuthority;
use crate::clock::{Clock, TimeSource};
use crate::faults::Throttle;
use crate::http::{Observer, Router, server, tls};
use crate::identity::{AppRegistration, TokenRegistry, VAULT_AUDIENCE};
use crate::operations::MAX_PAGE;
use crate::seeds::{OnExisting, Seed};
use crate::service::{Data, DataStates, LoggedRequest, Service, State};
use crate::storage::{DataFile, LockedFile, SavedData};
use crate::vaults::RecoveryPolicy;

/// Configures an [`Emulator`]. Nothing happens before [`start`](Self::start).
#[must_use]
pub struct EmulatorBuilder {
    https: SocketAddr,
    http: SocketAddr,
    latency: Duration,
    resource: String,
    page_size: usize,
    accept_any_token: bool,
    http1_only: bool,
    policy: RecoveryPolicy,
    throttle: Option<Throttle>,
    store_name: String,
    clock: TimeSource,
    seed: Seed,
    data_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    observer: Option<Observer>,
}

impl EmulatorBuilder {
    pub(super) fn new() -> Self {
        Self {
            https: FREE_PORT,
            http: FREE_PORT,
            latency: Duration::ZERO,
            resource: VAULT_AUDIENCE.to_owned(),
            page_size: MAX_PAGE,
            accept_any_token: false,
            http1_only: false,
            policy: RecoveryPolicy::default(),
            throttle: None,
            store_name: String::new(),
            clock: Arc::new(SystemTime::now),
            seed: Seed::default(),
            data_file: None,
            ca_file: None,
            observer: None,
        }
    }

    /// Sets the address of the https listener. Default: a free port of 127.0.0.1.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.https = address;
        self
    }

    /// Sets the address of the plain http listener, which managed identities need. Default: a free port of 127.0.0.1.
    pub fn listen_http(mut self, address: SocketAddr) -> Self {
        self.http = address;
        self
    }

    /// Sets the latency of each request to a vault or an App Configuration store. Default: zero.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Sets the `resource` that the challenge names. The vaults accept tokens for it too. Default:
    /// `https://vault.azure.net`.
    pub fn challenge_resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = resource.into();
        self
    }

    /// Sets the maximum number of items in a page. Default: 25, as in the service. At least 1.
    pub fn page_size(mut self, size: usize) -> Self {
        self.page_size = size.max(1);
        self
    }

    /// Accepts every bearer token, for clients with a fake one. A request without a token still gets a 401.
    pub fn accept_any_token(mut self) -> Self {
        self.accept_any_token = true;
        self
    }

    /// Disables HTTP/2 on the https listener. Default: HTTP/2 and HTTP/1.1.
    pub fn http1_only(mut self) -> Self {
        self.http1_only = true;
        self
    }

    /// Sets the number of days for which a deleted secret can be recovered. Default: 90. Clamped to 7..=90, as in the
    /// service.
    pub fn retention_days(mut self, days: u8) -> Self {
        self.policy.retention_days = days.clamp(7, 90);
        self
    }

    /// Rejects purges before the retention ends. Default: accepts them.
    pub fn purge_protection(mut self) -> Self {
        self.policy.purge_protection = true;
        self
    }

    /// Sets the duration of a deletion or recovery, of a purge until the name is free, of the issue of a certificate,
    /// and of the creation of an App Configuration snapshot. In the service these take some seconds.
    ///
    /// The [clock](Self::clock) measures it. Default: zero. At most one year.
    pub fn deletion_time(mut self, time: Duration) -> Self {
        // A longer duration could overflow a date.
        self.policy.transition = time.min(Duration::from_secs(365 * 86_400));
        self
    }

    /// Sets the limits of each vault. Default: no limits.
    pub fn throttle(mut self, limits: Throttle) -> Self {
        self.throttle = Some(limits);
        self
    }

    /// Names the default App Configuration store: the hosts `NAME.azconfig.io` and `NAME.localhost` reach it too.
    /// Default: it has no name.
    pub fn app_configuration(mut self, name: impl Into<String>) -> Self {
        self.store_name = name.into().to_ascii_lowercase();
        self
    }

    /// Sets the clock that dates secrets and tokens. Default: the system's clock. It does not affect latencies.
    ///
    /// The emulator is locked while it calls `clock`, which must not call the emulator.
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets the initial secrets, certificates and key-values. One that the [data file](Self::data_file) contains, live
    /// or deleted, stays unchanged.
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seed = seed;
        self
    }

    /// Keeps the vaults, the App Configuration stores with their access keys, the certificate authority, the tenant and
    /// the application in a file, so that clients survive a restart. Tokens stay valid. The file contains no clock,
    /// faults, denials or counters.
    ///
    /// The file contains a client's change before the client receives the response and before another request can read
    /// it. A change that cannot be written is discarded, and the response is a 500. Each write replaces the whole file
    /// atomically. Only the owner can read the file, on systems with owners. Its content is not encrypted.
    ///
    /// The file belongs to one emulator at a time: the start fails while another one uses it. The empty file
    /// `.NAME.lock` beside it holds the lock, and stays. The path must not be a symbolic link.
    pub fn data_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_file = Some(path.into());
        self
    }

    /// Writes the authority's certificate to a file, as [`Emulator::write_ca`] does, before the emulator serves its
    /// first request: a client that waits for the emulator finds the file. Default: no file.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Sets a function that receives each request when its response is ready, with the time that it took. Status 0
    /// means that there is no response.
    ///
    /// The task that responds calls `observer`, which must not block.
    pub fn on_request(mut self, observer: impl Fn(&LoggedRequest, Duration) + Send + Sync + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Binds the ports, creates a certificate authority, and serves, on the current runtime.
    ///
    /// # Errors
    ///
    /// A port cannot be bound, the data file cannot be read or written, another emulator uses it, the seed conflicts
    /// with it, or the file for the certificate cannot be written.
    pub async fn start(self) -> io::Result<Emulator> {
        let https = bind(self.https).await?;
        let http = bind(self.http).await?;
        let vault_url = format!("https://{}", reachable(https.local_addr()?));
        let http_url = format!("http://{}", reachable(http.local_addr()?));

        let locked = self.data_file.map(LockedFile::open).transpose()?;
        let saved = locked.as_ref().map(SavedData::read).transpose()?.flatten();
        let (authority, registration, data) = match saved {
            Some(saved) => (saved.authority()?, saved.registration.clone(), saved.into_data()),
            None => (CertificateAuthority::new()?, AppRegistration::random(), Data::default()),
        };
        let ca_pem = authority.pem().to_owned();
        let data_file = locked.map(|file| Arc::new(DataFile::new(file, &authority)));
        let authority = Arc::new(authority);
        let acceptor = TlsAcceptor::from(Arc::new(tls::server_config(Arc::clone(&authority), self.http1_only)?));

        let mut state = State {
            data: DataStates::new(data, data_file.is_some()),
            tokens: TokenRegistry::new(self.accept_any_token, &registration.token_key),
            latency: self.latency,
            resource: self.resource,
            page_size: self.page_size,
            store_name: self.store_name,
            ..State::default()
        };
        state.throttler.set(self.throttle);
        let clock = Clock::new(self.clock);
        let service = Arc::new(Service::new(vault_url.clone(), registration, self.policy, clock, authority, state));
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        service.load(&self.seed, OnExisting::Skip).map_err(invalid)?;

        if let Some(path) = &self.ca_file {
            write_ca(path, &ca_pem)?;
        }

        let mut tasks = Vec::new();
        if let Some(file) = &data_file {
            file.save(&service)?;
            tasks.push(tokio::spawn(Arc::clone(file).follow(Arc::clone(&service))));
        }
        let router = Arc::new(Router { service, ca_pem, data_file, observer: self.observer });
        tasks.push(tokio::spawn(server::serve(https, Some(acceptor), Arc::clone(&router))));
        tasks.push(tokio::spawn(server::serve(http, None, Arc::clone(&router))));
        Ok(Emulator { router, vault_url, http_url, tasks })
    }
}

impl fmt::Debug for EmulatorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmulatorBuilder")
            .field("listen", &self.https)
            .field("listen_http", &self.http)
            .field("latency", &self.latency)
            .finish_non_exhaustive()
    }
}

/// Returns an address that a client can connect to: loopback for a listener on all interfaces.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

const FREE_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Binds an address. The error names it, unlike the system's own error.
async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
    TcpListener::bind(address).await.map_err(named)
}
