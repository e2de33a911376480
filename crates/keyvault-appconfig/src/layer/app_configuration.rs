//! The layer of a store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keyvault::settings::{SettingChange, SettingStore, StoredSettings};
use keyvault::{Result, Vault};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::builder::AppConfigurationBuilder;
use super::known::Known;
use super::reader::{ReadPlan, Reader};
use super::replicas::{Replicas, too_late};
use crate::client::AppConfigurationClient;
use crate::key_value::KeyValue;
use crate::mapping::{KeyMap, Selection, Setting, merge};

/// The key-values of a store as a layer of live settings.
///
/// Pass it to [`LiveBuilder::with_layer`](keyvault::LiveBuilder::with_layer). By default it is above the secrets of the
/// vault and below files and variables. Each refresh of the settings reads it, and publishes its changes together with
/// rotated secrets.
///
/// # Settings
///
/// `:` in a key separates levels. Each level is lower-cased, and `-` in it becomes `_`; a level that is a number, after
/// the first one, is an index: `Shop:Hosts:0` gives `shop.hosts[0]`. A value is text, and converts to the type of the
/// setting as text from the environment does. The content type changes that:
///
/// | content type | setting |
/// |---|---|
/// | `application/json`, `application/….+json` | a tree of settings. Comments are allowed; what is not JSON is text. `null` is absent, and still replaces the same key of an earlier selection. |
/// | `application/vnd.microsoft.appconfig.keyvaultref+json` | a reference to a secret, resolved like any other reference |
/// | `application/vnd.microsoft.appconfig.ff+json` | a feature flag, only on [request](AppConfigurationBuilder::feature_flags) |
/// | `application/json; profile="https://azconfig.io/mime-profiles/snapshot-ref"` | the key-values of a snapshot, in its place |
///
/// References in text, such as `postgres://app:@KeyVault(SecretName=db;Encode=url)@db/shop`, are resolved too.
///
/// # Order
///
/// Of two key-values with the same key, and of two settings with the same key, that of the later selection wins. Two
/// key-values of one selection that give the same setting, and a setting that is both a value and a table, are errors
/// that name both keys. A snapshot in the place of a reference may have a key of its selection: the later one wins.
///
/// # Cost
///
/// The first read costs one request for each page of 100 key-values, and one for each sentinel and snapshot. Selections
/// are read concurrently, pages of one selection one after the other, and snapshots one after the other. A refresh
/// without a change costs the same number of requests, answered by 304 without content; with sentinels, one for each
/// of them and for each page of feature flags. After a change only the pages that changed are transferred. A snapshot
/// never changes: it is read again only if another one has taken its name.
///
/// # Limits
///
/// 100,000 key-values in a selection and 64 MiB of their texts: keys, values, labels, tags and the others. 100,000
/// settings, 32 levels of JSON.
///
/// `Clone` is cheap; clones share what they read.
#[derive(Clone)]
pub struct AppConfiguration {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) replicas: Replicas,
    pub(super) plan: ReadPlan,
    pub(super) map: KeyMap,
    pub(super) interval: Option<Duration>,
    pub(super) timeout: Duration,
    /// The last successful read. One read runs at a time.
    pub(super) last: Mutex<Option<LastRead>>,
}

/// The result of a read.
pub(super) struct LastRead {
    /// The client of the endpoint that answered. ETags of another endpoint are not comparable.
    client: AppConfigurationClient,
    known: Known,
    selections: Arc<[Selection]>,
    /// The settings that the selections give. `None` if only the key-values were asked for.
    settings: Option<StoredSettings>,
}

impl AppConfiguration {
    /// Creates the layer of all key-values without a label.
    pub fn new(client: AppConfigurationClient) -> Self {
        Self::builder(client).all_without_label()
    }

    /// Begins a layer with selections of its own.
    pub fn builder(client: AppConfigurationClient) -> AppConfigurationBuilder {
        AppConfigurationBuilder::new(client)
    }

    pub(super) fn of(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Reads the key-values of each selection, in the order of the selections, without making settings of them: for a
    /// program that names settings in its own way. Feature flags are not among them, and the key-values of a snapshot
    /// are in the place of a reference to it.
    ///
    /// Costs what a refresh costs: a page that has not changed since the last read is not transferred again.
    ///
    /// # Errors
    ///
    /// An error of the store, or [`NotFound`](keyvault::ErrorKind::NotFound) if a selection that is not
    /// [optional](crate::Selector::optional) matches nothing.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the read, and nothing counts as read.
    pub async fn key_values(&self) -> Result<Vec<Vec<Arc<KeyValue>>>> {
        let deadline = self.inner.deadline();
        timeout_at(deadline, self.inner.key_values(deadline)).await.unwrap_or_else(|_| Err(too_late()))
    }
}

impl Inner {
    /// Returns when a read that begins now must have ended.
    fn deadline(&self) -> Instant {
        // A clock cannot show every time that a program may set.
        Instant::now() + self.timeout.min(LONGEST)
    }

    async fn key_values(&self, deadline: Instant) -> Result<Vec<Vec<Arc<KeyValue>>>> {
        let mut last = self.last.lock().await;
        let read = self.read(deadline, last.as_ref()).await?;
        let selections = read.selections.iter().filter(|selection| !selection.is_of_feature_flags);
        // A reference inside a snapshot is not followed: .NET does not either, JavaScript does for a selected snapshot.
        let is_setting = |one: &&Arc<KeyValue>| !one.is_feature_flag() && !one.is_snapshot_reference();
        let key_values =
            selections.map(|selection| selection.key_values.iter().filter(is_setting).cloned().collect()).collect();
        self.keep(read, &mut last);
        Ok(key_values)
    }

    async fn settings(&self, deadline: Instant) -> Result<StoredSettings> {
        let mut last = self.last.lock().await;
        let mut read = self.read(deadline, last.as_ref()).await?;
        // Not the endpoint that answered: the settings must not change because a replica takes over.
        let endpoint = self.replicas.primary().endpoint();
        let mut settings = match read.settings.take() {
            Some(settings) => settings,
            None => {
                let mut settings = StoredSettings::default();
                for (key, Setting { place, value, .. }) in merge(&read.selections, &self.map, endpoint)? {
                    settings.set(&key, &place, value);
                }
                settings
            }
        };
        settings.set_unmatched(self.plan.missing_sentinels(&read.known.sentinels, endpoint));
        // Only now: a read that failed must not count as one that found something.
        self.keep(LastRead { settings: Some(settings.clone()), ..read }, &mut last);
        Ok(settings)
    }

    /// Keeps what a read found, for the next one.
    fn keep(&self, read: LastRead, last: &mut Option<LastRead>) {
        self.replicas.forget_announced(&read.client);
        *last = Some(read);
    }

    /// Reads the store through one endpoint after the other until one answers.
    async fn read(&self, deadline: Instant, last: Option<&LastRead>) -> Result<LastRead> {
        let nothing = Known::default();
        let (read, client) = self
            .replicas
            .first(deadline, async |client: AppConfigurationClient| {
                let known = last.filter(|last| last.client.endpoint() == client.endpoint());
                let known = known.map_or(&nothing, |last| &last.known);
                Ok((Reader::new(&self.plan, &client, known).read().await?, client))
            })
            .await?;
        let (selections, settings) = match (read.selections, last) {
            (None, Some(last)) => (Arc::clone(&last.selections), last.settings.clone()),
            (selections, _) => (selections.unwrap_or_default().into(), None),
        };
        Ok(LastRead { client, known: read.known, selections, settings })
    }
}

const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[async_trait]
impl SettingStore for AppConfiguration {
    fn origin(&self) -> &Vault {
        self.inner.replicas.primary().endpoint().as_vault()
    }

    fn kind(&self) -> &'static str {
        "App Configuration"
    }

    async fn read(&self) -> Result<StoredSettings> {
        let deadline = self.inner.deadline();
        timeout_at(deadline, self.inner.settings(deadline)).await.unwrap_or_else(|_| Err(too_late()))
    }

    fn interval(&self) -> Option<Duration> {
        self.inner.interval
    }

    fn announce(&self, change: &SettingChange) -> bool {
        let is_concerned = self.inner.plan.concerns(change.key.as_deref(), change.label.as_deref());
        self.inner.replicas.announce(&change.store, change.sync_token.as_deref().filter(|_| is_concerned))
            && is_concerned
    }
}

impl fmt::Debug for AppConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints = self.inner.replicas.endpoints();
        f.debug_struct("AppConfiguration").field("endpoints", &endpoints).finish_non_exhaustive()
    }
}
