//! A model of a vault that remembers every version it ever had.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fastrand::Rng;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use keyvault::push::{SecretEvent, SecretEventKind};
use keyvault::{
    Error, ErrorKind, Result, Secret, SecretId, SecretName, SecretProperties, SecretStore, SecretVersion, Vault,
};
use tokio::time::{Instant, sleep};

use super::trace::Trace;

/// The number of each secret's latest version, by name.
pub(super) type State = BTreeMap<String, u32>;

/// A vault whose clock, network and operators are drawn from a seed.
#[derive(Clone)]
pub(super) struct ModelVault {
    vault: Vault,
    trace: Trace,
    inner: Arc<Mutex<Inner>>,
}

pub(super) struct Inner {
    rng: Rng,
    begun: Instant,
    /// The error of the clock of the vault.
    skew: i64,
    secrets: BTreeMap<String, Vec<Version>>,
    history: Vec<(Instant, State)>,
    /// Whether the replica lags, so that it lacks the latest version.
    behind: bool,
    /// The time at which it lagged last.
    was_behind: Option<Instant>,
    weather: Weather,
    lists: Vec<Instant>,
    pub(super) failures: u32,
}

#[derive(Clone)]
struct Version {
    number: u32,
    /// Its date by the clock of the vault.
    set: u64,
    at: Instant,
}

/// The state of the network and the vault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Weather {
    /// Every request succeeds within milliseconds.
    Fair,
    /// Every tenth request fails in some way.
    Rough,
    /// No request succeeds.
    Outage,
}

impl ModelVault {
    pub(super) fn new(seed: u64, names: &[&str], trace: &Trace) -> Self {
        let inner = Inner {
            rng: Rng::with_seed(seed),
            begun: Instant::now(),
            skew: 0,
            secrets: BTreeMap::new(),
            history: Vec::new(),
            behind: false,
            was_behind: None,
            weather: Weather::Fair,
            lists: Vec::new(),
            failures: 0,
        };
        let vault = Self {
            vault: "https://contoso.vault.azure.net".parse().unwrap(),
            trace: trace.clone(),
            inner: Arc::new(Mutex::new(inner)),
        };
        vault.rotate(names);
        vault
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Sets new versions of several secrets at once.
    pub(super) fn rotate(&self, names: &[&str]) {
        let mut inner = self.lock();
        let now = inner.clock();
        for name in names {
            let versions = inner.secrets.entry((*name).to_owned()).or_default();
            let number = versions.last().map_or(1, |version| version.number + 1);
            // Two versions may share a second only if they were set within one: a clock that is set back never returns
            // to the exact second.
            let set = match versions.last() {
                Some(last) if last.set > now || (last.set == now && last.at.elapsed() >= SECOND) => last.set + 7,
                _ => now,
            };
            versions.push(Version { number, set, at: Instant::now() });
        }
        inner.remember();
    }

    /// Returns for how long a version is not the latest any more.
    pub(super) fn superseded(&self, name: &str, number: u32) -> Duration {
        let inner = self.lock();
        let next = inner.secrets[name].iter().find(|version| version.number > number);
        next.map_or(Duration::ZERO, |next| next.at.elapsed())
    }

    /// Returns the event of the latest version of a secret.
    pub(super) fn new_version(&self, name: &str) -> SecretEvent {
        let latest = self.lock().secrets[name].last().unwrap().number;
        SecretEvent::new(self.id(name).with_version(version_of(latest)), SecretEventKind::NewVersion)
    }

    pub(super) fn weather(&self, weather: Weather) {
        self.lock().weather = weather;
    }

    pub(super) fn put_clock(&self, seconds: i64) {
        self.lock().skew += seconds;
    }

    pub(super) fn fall_behind(&self, behind: bool) {
        let mut inner = self.lock();
        (inner.behind, inner.was_behind) = (behind, Some(Instant::now()));
    }

    pub(super) fn state(&self) -> State {
        self.lock().state()
    }

    /// Returns whether `number` was the latest version of `name` in this replica at some moment since `from`.
    pub(super) fn was_latest_since(&self, name: &str, number: u32, from: Instant) -> bool {
        let inner = self.lock();
        if inner.behind || inner.was_behind.is_some_and(|last| last >= from) {
            let known = inner.secrets.get(name).map_or(0, Vec::len);
            return usize::try_from(number).is_ok_and(|number| number <= known);
        }
        let mut until = Instant::now();
        for (since, state) in inner.history.iter().rev() {
            if state.get(name) == Some(&number) && until >= from {
                return true;
            }
            until = *since;
        }
        false
    }

    /// Returns the beginning of the last refresh, completed or running.
    pub(super) fn last_pass(&self) -> Instant {
        *self.lock().lists.last().unwrap()
    }

    fn id(&self, name: &str) -> SecretId {
        SecretId::new(self.vault.clone(), SecretName::parse(name).unwrap())
    }

    fn properties(&self, name: &str, version: &Version, with_version: bool) -> SecretProperties {
        let id = self.id(name);
        let id = if with_version { id.with_version(version_of(version.number)) } else { id };
        let mut properties = SecretProperties::new(id);
        let set = SystemTime::UNIX_EPOCH + Duration::from_secs(version.set);
        properties.set_created(set);
        properties.set_updated(set);
        properties
    }

    /// Delays a request, and drops some.
    pub(super) async fn travel(&self, what: &str) -> Result<()> {
        let (pause, failure) = {
            let mut inner = self.lock();
            let pause = Duration::from_millis(inner.rng.u64(1..40));
            let failure = match inner.weather {
                Weather::Fair => None,
                Weather::Rough => (inner.rng.u8(..10) == 0).then(|| inner.rng.u8(..5)),
                Weather::Outage => Some(inner.rng.u8(..3)),
            };
            inner.failures += u32::from(failure.is_some());
            (pause, failure)
        };
        self.trace.note(format_args!("{what} meets {failure:?}"));
        sleep(pause).await;
        let unavailable = || Error::new(ErrorKind::Unavailable, "vault could not be reached");
        match failure {
            None => Ok(()),
            Some(0) => Err(unavailable()),
            Some(1) => Err(Error::new(ErrorKind::Throttled { retry_after: Some(Duration::from_secs(3)) }, "throttled")),
            Some(2) => {
                // As long as the timeout of a client, so that some refreshes reach their deadline.
                sleep(Duration::from_secs(25)).await;
                Err(unavailable())
            }
            Some(3) => Err(Error::new(ErrorKind::Denied, "access denied")),
            Some(_) => {
                sleep(Duration::from_secs(5)).await;
                Ok(())
            }
        }
    }
}

impl Inner {
    /// Returns the clock of the vault in whole seconds.
    fn clock(&self) -> u64 {
        let passed = i64::try_from(self.begun.elapsed().as_millis()).unwrap();
        u64::try_from(EPOCH + (passed + self.skew * 1_000) / 1_000).unwrap()
    }

    fn state(&self) -> State {
        let latest = |versions: &[Version]| versions.last().unwrap().number;
        self.secrets.iter().map(|(name, versions)| (name.clone(), latest(versions))).collect()
    }

    fn remember(&mut self) {
        let state = self.state();
        self.history.push((Instant::now(), state));
    }

    /// Returns the versions in this replica. A lagging replica lacks all versions of the last second, not a part of
    /// them: the dates in a list do not order two versions of one second.
    fn known(&self, name: &str) -> &[Version] {
        let versions = self.secrets.get(name).map_or(&[][..], Vec::as_slice);
        let last = versions.last().map_or(0, |version| version.set);
        match versions.iter().rposition(|version| version.set != last) {
            Some(before) if self.behind => &versions[..=before],
            _ => versions,
        }
    }

    /// Returns the latest version in this replica.
    fn latest(&self, name: &str) -> Option<Version> {
        self.known(name).last().cloned()
    }
}

const SECOND: Duration = Duration::from_secs(1);
const EPOCH: i64 = 1_800_000_000;

fn version_of(number: u32) -> SecretVersion {
    SecretVersion::parse(&format!("{number:032x}")).unwrap()
}

#[async_trait]
impl SecretStore for ModelVault {
    fn vault(&self) -> &Vault {
        &self.vault
    }

    async fn get(&self, id: &SecretId) -> Result<Secret> {
        self.travel(&format!("get {id:?}")).await.map_err(|error| error.about(id))?;
        let (version, as_of) = {
            let inner = self.lock();
            let name = id.name().as_str();
            let version = match id.version() {
                None => inner.latest(name),
                Some(version) => inner.known(name).iter().find(|known| version_of(known.number) == *version).cloned(),
            };
            (version, inner.clock())
        };
        let version = version.ok_or_else(|| Error::new(ErrorKind::NotFound, "secret not found").about(id))?;
        let properties = self.properties(id.name().as_str(), &version, true);
        let as_of = SystemTime::UNIX_EPOCH + Duration::from_secs(as_of);
        let secret = Secret::new(properties, version.number.to_string(), as_of);
        // The response takes time too, and is sometimes old when it arrives.
        let pause = {
            let mut inner = self.lock();
            let is_slow = inner.weather == Weather::Rough && inner.rng.u8(..10) == 0;
            if is_slow { inner.rng.u64(..8_000) } else { 5 }
        };
        sleep(Duration::from_millis(pause)).await;
        Ok(secret)
    }

    fn list(&self) -> BoxStream<'_, Result<SecretProperties>> {
        self.lock().lists.push(Instant::now());
        let names: Vec<String> = self.lock().secrets.keys().cloned().collect();
        let pages: Vec<Vec<String>> = names.chunks(25).map(<[String]>::to_vec).collect();
        let page = move |names: Vec<String>| async move {
            let items: Vec<Result<SecretProperties>> = match self.travel("a page").await {
                Err(error) => vec![Err(error)],
                Ok(()) => {
                    let inner = self.lock();
                    let latest = |name: &String| self.properties(name, &inner.latest(name).unwrap(), false);
                    names.iter().map(|name| Ok(latest(name))).collect()
                }
            };
            stream::iter(items)
        };
        stream::iter(pages).then(page).flatten().boxed()
    }

    fn versions(&self, name: &SecretName) -> BoxStream<'_, Result<SecretProperties>> {
        let name = name.as_str().to_owned();
        let versions = async move {
            let items: Vec<Result<SecretProperties>> = match self.travel(&format!("versions of {name}")).await {
                Err(error) => vec![Err(error)],
                Ok(()) => {
                    let inner = self.lock();
                    inner.known(&name).iter().map(|version| Ok(self.properties(&name, version, true))).collect()
                }
            };
            stream::iter(items)
        };
        stream::once(versions).flatten().boxed()
    }
}

impl fmt::Debug for ModelVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ModelVault")
    }
}
