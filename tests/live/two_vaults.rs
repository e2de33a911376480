//! Settings from two vaults, one of which fails.

use std::future::pending;
use std::time::Duration;

use keyvault::{Error, ErrorKind, InMemory, Layers, Live, LiveBuilder, Resolver, SecretId};
use keyvault_test_support::store::Switch;
use tokio::time::{Instant, sleep};

use super::service::{MINUTE, Service, Settings};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const INTERVAL: Duration = Duration::from_secs(20);
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// How a vault fails.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    /// A request ends after the timeout of its operation.
    TimesOut,
    /// A request never ends.
    Hangs,
    /// A request fails at once.
    Refuses,
}

pub(super) const TROUBLES: [Trouble; 3] = [Trouble::TimesOut, Trouble::Hangs, Trouble::Refuses];

impl Trouble {
    async fn meet(self, id: SecretId) -> keyvault::Result<()> {
        match self {
            Trouble::TimesOut => sleep(SECOND * 5).await,
            Trouble::Hangs => pending().await,
            Trouble::Refuses => {}
        }
        Err(Error::new(ErrorKind::Unavailable, "vault did not answer in time").about(&id))
    }
}

/// Settings with the user from one vault and the password from another, which fails while `broken` is on.
pub(super) struct TwoVaults {
    pub(super) service: Service,
    pub(super) other: InMemory,
    pub(super) broken: Switch,
}

impl TwoVaults {
    pub(super) fn new(trouble: Trouble) -> Self {
        let (service, broken) = (Service::new(), Switch::default());
        let other = InMemory::new("https://fabrikam.vault.azure.net".parse().unwrap());
        other.set("password", "first").unwrap();
        let flag = broken.clone();
        other.on_get(move |id| {
            let is_broken = flag.is_on();
            async move { if is_broken { trouble.meet(id).await } else { Ok(()) } }
        });
        service.write("password", "@KeyVault(VaultName=fabrikam;SecretName=password)");
        Self { service, other, broken }
    }

    pub(super) fn resolver(&self) -> Resolver {
        Resolver::builder(self.service.vault.clone()).vault(self.other.clone()).build().unwrap()
    }

    /// Returns a builder with an interval of 20 seconds and a refresh deadline of 10.
    pub(super) fn layered(&self) -> LiveBuilder<impl Layers> {
        self.service.layered_over(self.resolver()).refresh_every(INTERVAL).refresh_deadline(DEADLINE)
    }

    /// Sets a new user, and returns how long the settings take to have it.
    pub(super) async fn rotate_user(&self, live: &Live<Settings>, user: &str) -> Duration {
        self.service.vault.set("user", user).unwrap();
        let began = Instant::now();
        while live.current().user != user {
            assert!(began.elapsed() < MINUTE * 10, "{user} is never seen: {:?}", live.health());
            sleep(SECOND / 10).await;
        }
        began.elapsed()
    }
}
