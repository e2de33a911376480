//! The builder of a layer.

use std::fmt;
use std::time::Duration;

use keyvault::names::{Case, Spelling};
use keyvault::{Error, ErrorKind, Result};
use tokio::sync::Mutex;

use super::app_configuration::{AppConfiguration, Inner};
#[cfg(feature = "discovery")]
use super::discovery::Discovery;
use super::reader::{PlannedSelection, ReadPlan};
use super::replicas::Replicas;
use crate::client::{AppConfigurationClient, checked_key};
use crate::filter::{NO_LABEL, Selector};
use crate::mapping::KeyMap;

/// Builds the layer of a store: [`AppConfiguration::builder`] begins one.
///
/// ```no_run
/// use std::time::Duration;
/// use keyvault_appconfig::{AppConfiguration, AppConfigurationClient, NO_LABEL};
///
/// # fn layer(client: AppConfigurationClient) -> keyvault::Result<AppConfiguration> {
/// AppConfiguration::builder(client)
///     .select("shop:*", NO_LABEL)
///     .select("shop:*", "prod") // wins over the settings without a label
///     .trim_prefix("shop:")
///     .snake_case()
///     .build()
/// # }
/// ```
#[must_use = "a builder does nothing before `build`"]
pub struct AppConfigurationBuilder {
    client: AppConfigurationClient,
    /// The endpoints of the replicas, which `build` parses.
    replicas: Vec<String>,
    plan: ReadPlan,
    map: KeyMap,
    interval: Option<Duration>,
    timeout: Duration,
    #[cfg(feature = "discovery")]
    discovery: Option<Discovery>,
}

impl AppConfigurationBuilder {
    pub(super) fn new(client: AppConfigurationClient) -> Self {
        let (replicas, plan, map) = Default::default();
        Self {
            client,
            replicas,
            plan,
            map,
            interval: None,
            timeout: Duration::from_secs(60),
            #[cfg(feature = "discovery")]
            discovery: None,
        }
    }

    /// Builds the layer. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if a filter is malformed, if a selection can match several labels of one key, if
    /// the key or the label of a sentinel is empty, malformed or a filter, if a prefix or the separator is empty, if an
    /// endpoint is malformed or occurs twice, if the interval is below a second, or if the timeout is zero.
    pub fn build(self) -> Result<AppConfiguration> {
        for planned in &self.plan.selections {
            planned.selector.check()?;
            if !planned.selector.has_one_label() {
                return Err(invalid("selection matches several labels")
                    .with_help("select once for each label: the later selection wins"));
            }
        }
        for (key, label) in &self.plan.sentinels {
            if key.is_empty() || label.as_deref() == Some("") {
                return Err(invalid("key or label of the sentinel is empty")
                    .with_help("NO_LABEL means the key-value without a label"));
            }
            // As in the official providers. A filter would be read as a text, which no key-value has, and hide all
            // changes.
            if [Some(key), label.as_ref()].into_iter().flatten().any(|text| text.contains(['*', ','])) {
                return Err(invalid("key or label of the sentinel is a filter").with_help(
                    "name one key and one label, without an asterisk or a comma; call `sentinel` for each sentinel",
                ));
            }
            checked_key(key)?;
        }
        if !self.map.is_valid() {
            return Err(invalid("prefix or separator is empty"));
        }
        if self.interval.is_some_and(|interval| interval < Duration::from_secs(1)) {
            return Err(invalid("refresh interval of the layer is below a second"));
        }
        if self.timeout.is_zero() {
            return Err(invalid("timeout of the layer is zero"));
        }
        let mut clients = vec![self.client.clone()];
        for endpoint in &self.replicas {
            let client = self.client.with_endpoint(endpoint)?;
            if clients.iter().any(|other| other.endpoint() == client.endpoint()) {
                return Err(invalid("two replicas have the same endpoint"));
            }
            clients.push(client);
        }
        Ok(self.make(clients))
    }

    /// Builds the layer of all key-values without a label.
    pub(super) fn all_without_label(self) -> AppConfiguration {
        let clients = vec![self.client.clone()];
        self.make(clients)
    }

    fn make(mut self, clients: Vec<AppConfigurationClient>) -> AppConfiguration {
        if self.plan.selections.iter().all(|planned| planned.is_of_feature_flags) {
            self = self.select("*", NO_LABEL);
        }
        let replicas = Replicas::new(clients);
        #[cfg(feature = "discovery")]
        let replicas = replicas.with_discovery(self.discovery);
        AppConfiguration::of(Inner {
            replicas,
            plan: self.plan,
            map: self.map,
            interval: self.interval,
            timeout: self.timeout,
            last: Mutex::default(),
        })
    }
}

/// The key-values of the layer.
impl AppConfigurationBuilder {
    /// Adds the key-values that match a filter of keys and have a label. [`NO_LABEL`] selects those without a label.
    /// Of several selections, the later one wins.
    ///
    /// A read fails if a selection matches nothing, because a misspelt label would leave every setting at its default;
    /// [`Selector::optional`] permits an empty selection. Feature flags are not among the settings.
    ///
    /// Default: one selection of all key-values without a label.
    pub fn select(self, key_filter: &str, label: &str) -> Self {
        self.select_with(Selector::new(key_filter, label))
    }

    /// Adds the key-values of a [`Selector`], which can have tags, be a snapshot, or be optional.
    pub fn select_with(mut self, selector: Selector) -> Self {
        self.plan.selections.push(PlannedSelection { selector, is_of_feature_flags: false });
        self
    }

    /// Adds the key-values of a snapshot, which never change. It must have been created with the composition type
    /// `key`. Feature flags and references in a snapshot are ignored.
    pub fn select_snapshot(self, name: &str) -> Self {
        self.select_with(Selector::snapshot(name))
    }

    /// Adds the feature flags whose names match a filter and that have a label, as the list
    /// `feature_management.feature_flags`
    /// ([schema](https://github.com/microsoft/FeatureManagement/blob/main/Schema/FeatureFlag.v2.0.0.schema.json)).
    ///
    /// The members of a flag keep their names. The list is empty if no flag matches. Of several calls, the later one
    /// wins for each flag. Flags are always checked for changes of their own, also with a [sentinel](Self::sentinel).
    ///
    /// Default: no feature flags.
    pub fn feature_flags(mut self, name_filter: &str, label: &str) -> Self {
        let selector = Selector::new(name_filter, label).of_feature_flags();
        self.plan.selections.push(PlannedSelection { selector, is_of_feature_flags: true });
        self
    }
}

/// The settings that the key-values give.
impl AppConfigurationBuilder {
    /// Removes a prefix from keys. Of several prefixes, the longest one that a key begins with is removed. A key
    /// without any of them stays as it is.
    pub fn trim_prefix(mut self, prefix: &str) -> Self {
        self.map.add_prefix(prefix.to_owned());
        self
    }

    /// Sets the text that separates the levels of a key, such as `/`, `.` or `__`. Default: `:`.
    pub fn separator(mut self, separator: &str) -> Self {
        self.map.set_separator(separator.to_owned());
        self
    }

    /// Separates the words of `PascalCase`: `Database:ConnectionString` gives `database.connection_string`. Applies to
    /// the members of JSON values too. Default: each level is lower-cased, and `-` in it becomes `_`.
    pub fn snake_case(mut self) -> Self {
        self.map.set_spelling(Spelling::Words(Case::Snake));
        self
    }

    /// Spells keys like fields with `#[serde(rename_all = "camelCase")]`: `Database:ConnectionString` gives
    /// `database.connectionString`.
    pub fn camel_case(mut self) -> Self {
        self.map.set_spelling(Spelling::Words(Case::Camel));
        self
    }

    /// Spells keys like fields with `#[serde(rename_all = "PascalCase")]`: `database:connection-string` gives
    /// `Database.ConnectionString`.
    pub fn pascal_case(mut self) -> Self {
        self.map.set_spelling(Spelling::Words(Case::Pascal));
        self
    }

    /// Keeps the levels of keys as they are written.
    pub fn keep_case(mut self) -> Self {
        self.map.set_spelling(Spelling::Kept);
        self
    }
}

/// The time and the endpoints of a read.
impl AppConfigurationBuilder {
    /// Sets the interval between reads of this layer. Default: each refresh of the settings reads it. At least 1
    /// second.
    pub fn refresh_every(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// Adds a key-value whose change announces that the settings changed. While no sentinel changes, a refresh reads
    /// only the sentinels and the feature flags. Change the sentinel after all other key-values, and a refresh sees all
    /// of them.
    ///
    /// A sentinel that does not exist announces a change when it is created. [`NO_LABEL`] means one without a label.
    /// Neither the key nor the label is a filter: `*` and `,` are refused.
    ///
    /// Default: without a sentinel, each refresh asks for every page, which is answered by 304 if it has not changed.
    pub fn sentinel(mut self, key: &str, label: &str) -> Self {
        let label = Some(label).filter(|label| *label != NO_LABEL).map(str::to_owned);
        self.plan.sentinels.push((key.to_owned(), label));
        self
    }

    /// Adds a replica of the store by its endpoint, such as `https://contoso-westus.azconfig.io`, and allows it: it
    /// receives the same token or signatures as the store. A read asks the store; if that is unreachable, throttles or
    /// denies, the replicas in their order. An endpoint that failed rests for 30 seconds, and twice as long after each
    /// further failure, up to 10 minutes.
    pub fn replica(mut self, endpoint: &str) -> Self {
        self.replicas.push(endpoint.to_owned());
        self
    }

    /// Looks up the replicas of the store in DNS, and allows them: they receive the same token or signatures as the
    /// store. A read asks them, in random order, if the store and the replicas that the program named fail or rest.
    ///
    /// A name in the answer counts only if it is that of a store in the domain of the store's endpoint (`azconfig.io`
    /// for `contoso.azconfig.io`), so a forged answer leads to no other service. For an endpoint under no domain of
    /// stores, such as that of an emulator, nothing is looked up. A look-up costs at least two DNS queries and at most
    /// 10 seconds. It is repeated after an hour, or after 30 seconds if it failed; a failure is logged (`WARN`) and
    /// leaves the replicas that were found before.
    ///
    /// Default: replicas are not looked up.
    #[cfg(feature = "discovery")]
    #[cfg_attr(docsrs, doc(cfg(feature = "discovery")))]
    pub fn discover_replicas(mut self) -> Self {
        self.discovery = Some(Discovery::by_system());
        self
    }

    /// Looks up replicas in `records` in place of DNS. For the tests of this workspace.
    #[cfg(feature = "discovery")]
    #[doc(hidden)]
    pub fn discover_replicas_by(mut self, records: impl super::ServiceRecords + 'static) -> Self {
        self.discovery = Some(Discovery::by(records));
        self
    }

    /// Sets the deadline of one read, with all its requests and endpoints. A [`Live`](keyvault::Live) ends a read at
    /// its own refresh deadline too, 100 seconds by default.
    ///
    /// Each endpoint has an equal share of the time that is left: with one replica, the store has half of it, and then
    /// the replica is asked. A request also ends at the timeout of the client. A read that a shorter deadline of
    /// [`Live`](keyvault::Live) ends fails; an endpoint that did not answer rests then, so the next read asks another.
    ///
    /// Default: 60 seconds. More than zero.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl fmt::Debug for AppConfigurationBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The endpoints of replicas are not parsed yet and can be any text.
        f.debug_struct("AppConfigurationBuilder").field("client", &self.client).finish_non_exhaustive()
    }
}

fn invalid(clause: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, clause)
}
