//! The secrets of the default vault, mapped by name.

use std::sync::Arc;
use std::time::SystemTime;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::Resolver;
use super::fetch_plan::FetchPlan;
use super::known_secrets::Listing;
use super::loader::Loader;
use crate::error::{Error, ErrorKind, Result};
use crate::names::{MappingBuilder, NameMap, RequestedSecret, Requirement};
use crate::secret::SecretId;
use crate::settings::{MappedSecrets, MappingNote};

impl Resolver {
    /// Fetches the secrets of the default vault that `map` takes, under the keys of their names.
    ///
    /// Skips disabled secrets and those of certificates, unless the map says otherwise; [`notes`](MappedSecrets::notes)
    /// lists them. Costs ⌈secrets / 25⌉ requests to list the vault and one for each secret that is not in the cache. A
    /// map of names or of known keys costs one request for each of them and no list.
    ///
    /// # Errors
    ///
    /// All failures in one error. [`Invalid`](ErrorKind::Invalid) if several names give one key, a key is both a value
    /// and a table, or the map cannot work; [`InvalidSettings`](ErrorKind::InvalidSettings) if a JSON secret to expand
    /// is not JSON, or a strict map finds a secret outside its dates; otherwise the store's error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the requests for which no other caller waits. Secrets that arrived stay in the
    /// cache.
    pub async fn mapped(&self, map: &NameMap) -> Result<MappedSecrets> {
        let plan = FetchPlan::full(Arc::default(), SystemTime::now());
        Loader::new(self, &plan).mapped(map, |_| {}).await
    }
}

impl Loader<'_> {
    /// Fetches the secrets of the default vault that `map` takes, under their keys.
    ///
    /// A listing map costs one request for 25 secrets of the vault and one for each changed secret; fetching overlaps
    /// with listing. A map of names costs one request for each. If secrets collide, `reduce` may remove some.
    pub(super) async fn mapped(
        &self,
        map: &NameMap,
        reduce: impl FnOnce(&mut MappingBuilder<'_>),
    ) -> Result<MappedSecrets> {
        // One time for all secrets, so that two that expire together are judged alike.
        let mut mapping = MappingBuilder::new(map, self.plan.now);
        let (requests, unmatched) = match map.requested()? {
            Some(requests) => {
                self.fetch_all(requests.iter().map(|request| self.requested_id(request))).await;
                let unmatched = self.without_known_key(&requests).into_iter().collect();
                (requests, unmatched)
            }
            None => (self.fetch_by_list(&mut mapping).await?, self.unmatched_filters(map)),
        };
        requests.into_iter().for_each(|request| self.add(&mut mapping, request));
        if mapping.has_collisions() {
            reduce(&mut mapping);
        }
        let mut mapped = mapping.finish()?;
        self.log(mapped.notes());
        unmatched.iter().for_each(|note| self.resolver.warn_once(note));
        mapped.unmatched = unmatched.into();
        Ok(mapped)
    }

    /// Returns a note for each filter of a listing map that no secret of the vault passes.
    fn unmatched_filters(&self, map: &NameMap) -> Vec<String> {
        let listing = self.plan.observed().listing.clone().unwrap_or_default();
        let vault = self.resolver.vault();
        let filters = map.unmatched_filters(listing.values()).into_iter();
        filters.map(|filter| format!("name map takes no secret: none in vault {vault} {filter}")).collect()
    }

    /// Returns a note if the vault has none of the secrets that a settings type may have.
    fn without_known_key(&self, requests: &[RequestedSecret]) -> Option<String> {
        let is_missing = |request: &RequestedSecret| {
            let result = self.result(&self.requested_id(request));
            request.requirement == Requirement::Possible && result.is_err_and(|error| error.is_missing())
        };
        let vault = self.resolver.vault();
        let is_found = requests.is_empty() || !requests.iter().all(is_missing);
        (!is_found).then(|| format!("name map takes no secret: vault {vault} has none for a key of the settings type"))
    }

    fn requested_id(&self, request: &RequestedSecret) -> SecretId {
        SecretId::new(self.resolver.vault().clone(), request.name.clone())
    }

    /// Adds a secret that was read to the mapping.
    fn add(&self, mapping: &mut MappingBuilder<'_>, request: RequestedSecret) {
        let id = self.requested_id(&request);
        self.plan.observed().mapped.insert(id.clone());
        mapping.add(request, &id, self.result(&id));
    }

    /// Lists the vault and fetches the secrets of each page while the next one is on its way.
    async fn fetch_by_list(&self, mapping: &mut MappingBuilder<'_>) -> Result<Vec<RequestedSecret>> {
        let mut listing = Listing::new();
        let mut list = self.list().fuse();
        let mut fetches = FuturesUnordered::new();
        let mut requests = Vec::new();
        loop {
            tokio::select! {
                biased;
                item = list.next(), if !list.is_done() => {
                    let Some(item) = item else { continue };
                    let item = item.map_err(|error| self.list_error(error))?;
                    let name = item.id().name().clone();
                    let is_due = self.plan.due.contains_key(item.id());
                    if let Some(key) = mapping.admit(&item, is_due) {
                        let request = RequestedSecret { name: name.clone(), key, requirement: Requirement::Listed };
                        if self.read_known(&item) {
                            self.add(mapping, request);
                        } else {
                            requests.push(request);
                            let item = item.clone();
                            fetches.push(async move { self.fetch_listed(&item).await });
                        }
                    }
                    listing.insert(name, item);
                }
                Some(()) = fetches.next() => {}
                else => break,
            }
        }
        let mut observed = self.plan.observed();
        (observed.listing, observed.listed) = (Some(Arc::new(listing)), None);
        drop(observed);
        Ok(requests)
    }

    /// Adds to an error of the list, which names no secret, what the list was for.
    fn list_error(&self, error: Error) -> Error {
        let error = match error.kind() {
            ErrorKind::Denied => error.with_help(
                "let the identity list secrets (role Key Vault Secrets User, or List in an access policy), or do without: \
                 NameMap::only_keys_of or only, or references_only()",
            ),
            _ => error,
        };
        error.at("the secrets by name", format!("vault {}", self.resolver.vault()))
    }

    /// Logs a warning for each new note. A refresh finds the same notes again.
    fn log(&self, notes: &[MappingNote]) {
        for note in notes.iter().filter(|note| note.is_warning && self.resolver.is_new(note)) {
            let MappingNote { key, secret, issue, is_taken, .. } = note;
            tracing::warn!(setting = %key, %secret, is_taken, "{issue}");
        }
    }
}
