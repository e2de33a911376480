//! How an emulator is set up.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::auth::{Tokens, VAULT_AUDIENCE};
use crate::clock::{Clock, Source};
use crate::counters::LoggedRequest;
use crate::data_file::{Content, DataFile};
use crate::emulator::Emulator;
use crate::engine::{self, Engine, Observer};
use crate::identity::Identity;
use crate::page::LARGEST_PAGE;
use crate::policy::Policy;
use crate::seed::{Old, Seed};
use crate::server;
use crate::service::{Service, State};
use crate::throttle::Throttle;
use crate::tls::{self, Authority};

/// Sets up an [`Emulator`]; nothing happens before [`start`](Self::start).
#[must_use]
pub struct EmulatorBuilder {
    https: SocketAddr,
    http: SocketAddr,
    latency: Duration,
    resource: String,
    page_size: usize,
    accept_any_token: bool,
    http1_only: bool,
    policy: Policy,
    throttle: Option<Throttle>,
    clock: Source,
    seed: Seed,
    data_file: Option<PathBuf>,
    observer: Option<Observer>,
}

impl EmulatorBuilder {
    pub(crate) fn new() -> Self {
        Self {
            https: FREE_PORT,
            http: FREE_PORT,
            latency: Duration::ZERO,
            resource: VAULT_AUDIENCE.to_owned(),
            page_size: LARGEST_PAGE,
            accept_any_token: false,
            http1_only: false,
            policy: Policy::default(),
            throttle: None,
            clock: Arc::new(SystemTime::now),
            seed: Seed::default(),
            data_file: None,
            observer: None,
        }
    }

    /// Sets where https is served. Default: a free port of 127.0.0.1.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.https = address;
        self
    }

    /// Sets where plain http is served, as the managed identity endpoints need it. Default: a free port of
    /// 127.0.0.1.
    pub fn listen_http(mut self, address: SocketAddr) -> Self {
        self.http = address;
        self
    }

    /// Sets how long each request to a vault takes. Default: no time.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Sets the `resource` that the challenge names; tokens for it are accepted too. Default:
    /// `https://vault.azure.net`.
    pub fn challenge_resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = resource.into();
        self
    }

    /// Sets how many items a page has at most. Default: 25, as the service. At least 1.
    pub fn page_size(mut self, size: usize) -> Self {
        self.page_size = size.max(1);
        self
    }

    /// Accepts any bearer token, for clients that bring a made-up one. A request without a token is still refused.
    pub fn accept_any_token(mut self) -> Self {
        self.accept_any_token = true;
        self
    }

    /// Offers HTTP/1.1 only, over TLS. Default: HTTP/2 too.
    pub fn http1_only(mut self) -> Self {
        self.http1_only = true;
        self
    }

    /// Sets for how many days a deleted secret can be recovered. Default: 90. Clamped to 7..=90, as in the service.
    pub fn retention_days(mut self, days: u8) -> Self {
        self.policy.retention_days = days.clamp(7, 90);
        self
    }

    /// Refuses to purge before the retention is over.
    pub fn purge_protection(mut self) -> Self {
        self.policy.purge_protection = true;
        self
    }

    /// Sets how long a deletion, and a recovery, takes until it is to be seen, and a purge until the name is free; the
    /// service needs some seconds.
    /// Measured by the [clock](Self::clock). Default: no time. At most a year.
    pub fn deletion_time(mut self, time: Duration) -> Self {
        // Beyond that a date could no longer be reckoned with.
        self.policy.transition = time.min(Duration::from_secs(365 * 86_400));
        self
    }

    /// Throttles each vault. Default: takes whatever comes.
    pub fn throttle(mut self, limits: Throttle) -> Self {
        self.throttle = Some(limits);
        self
    }

    /// Sets the clock that dates secrets and tokens. Default: the system's. Latencies do not follow it.
    ///
    /// It is called while the emulator is locked: it must not call the emulator itself.
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets the secrets to begin with. Names that the [data file](Self::data_file) knows already are left as they are.
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seed = seed;
        self
    }

    /// Keeps the vaults in a file, and with them the certificate authority, the tenant and the application, so that
    /// clients survive a restart. Tokens stay good. Clock, faults, denials and counters are not
    /// kept.
    ///
    /// What a client changes is in the file before it is answered. The file is written as a whole each time, beside
    /// its place first, and where the system knows owners only the owner can read it; its content is not encrypted.
    pub fn data_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_file = Some(path.into());
        self
    }

    /// Watches the requests: is called for each when its answer is ready, with the time that took. Status 0 says that
    /// there is none.
    ///
    /// It is called by the task that answers: it must not wait for anything.
    pub fn on_request(mut self, observer: impl Fn(&LoggedRequest, Duration) + Send + Sync + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Binds the ports, makes a certificate authority, and serves, on the runtime that this is called from.
    ///
    /// # Errors
    ///
    /// A port that cannot be bound; a data file that cannot be read or written; a seed that does not go with it.
    pub async fn start(self) -> io::Result<Emulator> {
        let https = bind(self.https).await?;
        let http = bind(self.http).await?;
        let vault_url = format!("https://{}", reachable(https.local_addr()?));
        let http_url = format!("http://{}", reachable(http.local_addr()?));

        let kept = self.data_file.as_ref().map(Content::read).transpose()?.flatten();
        let (authority, identity, vaults) = match kept {
            Some(kept) => (kept.authority()?, kept.identity, kept.vaults),
            None => (Authority::new()?, Identity::random(), BTreeMap::new()),
        };
        let data_file = self.data_file.map(|path| DataFile::new(path, &authority));
        let ca_pem = authority.pem().to_owned();
        let acceptor = TlsAcceptor::from(Arc::new(tls::server_config(authority, self.http1_only)?));

        let mut state = State {
            vaults,
            tokens: Tokens::new(self.accept_any_token, &identity.token_key),
            latency: self.latency,
            resource: self.resource,
            page_size: self.page_size,
            ..State::default()
        };
        state.throttling.set(self.throttle);
        let clock = Clock::new(self.clock);
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        self.seed.sow(&mut state, clock.now(), Old::Stays).map_err(invalid)?;
        let service = Service::new(vault_url.clone(), identity, self.policy, clock, state);
        if let Some(file) = &data_file {
            file.save(&service)?;
        }
        let engine = Arc::new(Engine { service, in_flight: Default::default(), data_file, observer: self.observer });
        let tasks = vec![
            tokio::spawn(engine::keep(Arc::clone(&engine))),
            tokio::spawn(server::serve(https, Some(acceptor), Arc::clone(&engine))),
            tokio::spawn(server::serve(http, None, Arc::clone(&engine))),
        ];
        Ok(Emulator { engine, vault_url, http_url, ca_pem, tasks })
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

/// Returns an address that a client can connect to: a listener on all interfaces is reached through loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

const FREE_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Says which address could not be had, as the system's own error does not.
async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
    TcpListener::bind(address).await.map_err(named)
}
