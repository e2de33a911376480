//! A refresh that is about to run: what it fetches, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{Span, field};

use super::refresh_queue::Due;
use crate::error::{Error, ErrorKind};
use crate::resolver::{FetchPlan, KnownSecrets, Want};
use crate::secret::{SecretId, Vault};
use crate::time::{Moment, instant_after};

/// A refresh that is about to run.
pub(super) struct PlannedRefresh {
    pub(super) plan: FetchPlan,
    /// The secrets that are due by themselves.
    pub(super) due: BTreeMap<SecretId, Due>,
    /// Whether a caller waits for it. Then its changes are not debounced.
    pub(super) is_requested: bool,
    /// The secrets that credential reports wait for, if it fetches for them alone.
    pub(super) reported: BTreeSet<SecretId>,
    /// Whether it covers nothing but vaults that failed before, while others answered.
    pub(super) is_retry: bool,
    /// When it began, before its first request.
    pub(super) began: Moment,
    /// When it ends at the latest, validation included.
    pub(super) deadline: Instant,
    /// From here to the end, with all requests in between.
    pub(super) span: Span,
}

impl PlannedRefresh {
    /// Plans a full refresh, in which the `due` secrets are fetched as they are wanted.
    pub(super) fn full(known: Arc<KnownSecrets>, now: Moment, longest: Duration, due: BTreeMap<SecretId, Due>) -> Self {
        let plan = FetchPlan { due: wants(&due), ..FetchPlan::full(known, now.time) };
        Self::new(plan, now, longest, due)
    }

    /// Plans a refresh of the secrets that are due, and of nothing else.
    pub(super) fn partial(
        known: Arc<KnownSecrets>,
        now: Moment,
        longest: Duration,
        due: BTreeMap<SecretId, Due>,
    ) -> Self {
        Self::new(FetchPlan::partial(known, now.time, wants(&due)), now, longest, due)
    }

    fn new(plan: FetchPlan, began: Moment, longest: Duration, due: BTreeMap<SecretId, Due>) -> Self {
        let deadline = instant_after(began.instant, longest);
        let span = tracing::info_span!(
            parent: None,
            "keyvault.refresh",
            kind = if plan.is_full { "full" } else { "partial" },
            outcome = field::Empty,
            generation = field::Empty,
            otel.status_code = field::Empty,
        );
        Self { plan, due, is_requested: false, reported: BTreeSet::new(), is_retry: false, began, deadline, span }
    }

    /// Returns whether the refresh fetches everything.
    pub(super) fn is_full(&self) -> bool {
        self.plan.is_full
    }

    /// Returns the vault of a refresh of single secrets.
    pub(super) fn vault(&self) -> Option<&Vault> {
        let mut ids = self.due.keys().chain(&self.plan.reverting);
        if self.is_full() { None } else { ids.next().map(SecretId::vault) }
    }

    /// Returns the vaults without which the others can be refreshed, after a full refresh failed with `error`; no vault
    /// if all of them failed, or something else.
    pub(super) fn failed_vaults(&self, error: &Error) -> BTreeSet<Vault> {
        let (plan, mut failed) = (&self.plan, BTreeSet::new());
        // A secret that is new in the layers holds everything back, because there is no last good version of it.
        let is_known = |id: &SecretId| [id.clone(), id.latest()].iter().any(|id| plan.is_known(id));
        for failure in error.failures() {
            match failure.secret() {
                _ if !is_of_vault(failure) => return BTreeSet::new(),
                Some(secret) if !is_known(secret) => return BTreeSet::new(),
                Some(secret) => _ = failed.insert(secret.vault().clone()),
                None => failed.extend(plan.unread()),
            }
        }
        let is_part = failed.iter().all(|vault| plan.covers(vault)) && !failed.is_superset(&plan.vaults());
        if is_part { failed } else { BTreeSet::new() }
    }

    /// Takes out the due secrets that only the failure of others held back, after the refresh failed with
    /// `error`. They may be retried at once, without the others.
    ///
    /// The retries end, because each fetches less than the one before: after a full refresh, the secrets that are due;
    /// then those of them that could be read; and of settings that were refused, half of the new versions.
    pub(super) fn take_unaffected(&mut self, error: &Error) -> BTreeMap<SecretId, Due> {
        let is_full = self.is_full();
        let due = std::mem::take(&mut self.due);
        let all = |is: fn(&Error) -> bool| error.failures().iter().all(is);
        let (unaffected, affected): (BTreeMap<_, _>, BTreeMap<_, _>) = if all(refuses_settings) {
            let affected = match is_full {
                // Without the other new versions, the settings may be valid.
                true if self.plan.has_other_changes() => 0,
                true => due.len(),
                false => due.len().div_ceil(2),
            };
            let mut due = due.into_iter();
            let affected = due.by_ref().take(affected).collect();
            (due.collect(), affected)
        } else if all(is_of_vault) {
            due.into_iter()
                .partition(|(id, _)| !is_at_fault(id, error.failures()) && (is_full || self.plan.has_read(id)))
        } else {
            // The layers cannot be read, whatever the secrets are.
            (BTreeMap::new(), due)
        };
        if !is_full && affected.is_empty() {
            self.due = unaffected;
            return BTreeMap::new();
        }
        self.due = affected;
        unaffected
    }
}

/// Returns whether a failure is that of one vault or store of settings, so that the others can be refreshed without it.
/// For a store that includes content that cannot be used.
fn is_of_vault(failure: &Error) -> bool {
    use ErrorKind::{Denied, NotFound, Throttled, Unavailable};
    matches!(failure.kind(), Denied | NotFound | Throttled { .. } | Unavailable) || failure.is_of_store()
}

/// Returns whether the settings were loaded and refused: by their type, or by a validation.
pub(super) fn refuses_settings(failure: &Error) -> bool {
    failure.kind() == ErrorKind::InvalidSettings && !failure.is_of_store()
}

/// Returns whether a secret is why a vault failed. A vault that throttles gets no request for any of its secrets.
fn is_at_fault(id: &SecretId, failures: &[Error]) -> bool {
    failures.iter().any(|failure| match (failure.kind(), failure.secret()) {
        (ErrorKind::Throttled { .. }, Some(secret)) => secret.vault() == id.vault(),
        (ErrorKind::Throttled { .. }, None) => true,
        (_, secret) => secret.is_some_and(|secret| secret.latest() == *id),
    })
}

fn wants(due: &BTreeMap<SecretId, Due>) -> BTreeMap<SecretId, Want> {
    due.iter().map(|(id, due)| (id.clone(), due.want.clone())).collect()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::secret::{Secret, SecretName, SecretProperties};

    fn now() -> Moment {
        Moment { instant: Instant::now(), time: SystemTime::UNIX_EPOCH }
    }

    fn id(name: &str) -> SecretId {
        SecretId::parse(&format!("https://{name}/secrets/a")).unwrap()
    }

    const HERE: &str = "contoso.vault.azure.net";
    const THERE: &str = "fabrikam.vault.azure.net";
    const OTHER: &str = "other.vault.azure.net";

    fn secret(id: SecretId) -> Arc<Secret> {
        Arc::new(Secret::new(SecretProperties::new(id), "v", SystemTime::UNIX_EPOCH))
    }

    /// Fails a refresh in which both secrets are due and the first was read, and returns the vaults of the unaffected
    /// ones.
    fn unaffected(is_full: bool, others: &[&str], failures: Vec<Error>) -> Vec<String> {
        let (known, longest) = (Arc::default(), Duration::from_secs(100));
        let due = [HERE, THERE].map(|name| (id(name), Due::new(Instant::now(), Want::latest()))).into();
        let mut refresh = match is_full {
            true => PlannedRefresh::full(known, now(), longest, due),
            false => PlannedRefresh::partial(known, now(), longest, due),
        };
        for read in others.iter().chain([&HERE]) {
            refresh.plan.set_read(id(read), Ok(secret(id(read))));
        }
        let unaffected = refresh.take_unaffected(&Error::join(failures).unwrap());
        assert_eq!(unaffected.len() + refresh.due.len(), 2, "nothing is lost");
        unaffected.keys().map(|id| id.vault().to_string()).collect()
    }

    #[test]
    fn a_failure_holds_back_no_other_secret() {
        use ErrorKind::{Denied, Invalid, InvalidSettings, NotFound, Throttled, Unavailable};
        let throttled = Throttled { retry_after: None };
        let of = |kind, name| Error::new(kind, "broken").about(&id(name));
        let plain = |kind| Error::new(kind, "broken");
        let store = SecretId::new(Vault::parse("https://contoso.azconfig.io").unwrap(), SecretName::of_store("App", 1));
        let of_store = |kind| plain(kind).about(&store);
        for (failures, after_full, after_partial) in [
            (vec![of(Unavailable, THERE)], &["contoso"][..], &["contoso"][..]),
            (vec![of(NotFound, THERE)], &["contoso"], &["contoso"]),
            (vec![of(Denied, OTHER)], &["contoso", "fabrikam"], &["contoso"]),
            (vec![plain(Unavailable)], &["contoso", "fabrikam"], &["contoso"]),
            (vec![of(throttled, THERE)], &["contoso"], &["contoso"]),
            (vec![plain(throttled)], &[], &[]),
            (vec![of(Denied, HERE), of(Denied, THERE)], &[], &[]),
            (vec![of(Denied, THERE), plain(InvalidSettings)], &[], &[]),
            (vec![plain(Invalid)], &[], &[]),
            (vec![of_store(Invalid), of_store(InvalidSettings)], &["contoso", "fabrikam"], &["contoso"]),
            (vec![of_store(InvalidSettings)], &["contoso", "fabrikam"], &["contoso"]),
            (vec![of_store(Invalid), of(NotFound, THERE)], &["contoso"], &["contoso"]),
            (vec![of_store(Invalid), plain(Invalid)], &[], &[]),
            (vec![plain(InvalidSettings)], &[], &["fabrikam"]),
        ] {
            assert_eq!(unaffected(true, &[], failures.clone()), after_full, "{failures:?}");
            assert_eq!(unaffected(false, &[], failures.clone()), after_partial, "{failures:?}");
        }
        let refused = || vec![plain(InvalidSettings)];
        assert_eq!(
            unaffected(true, &[OTHER], refused()),
            ["contoso", "fabrikam"],
            "without the other new version they may be valid"
        );
    }

    #[test]
    fn half_of_refused_settings_is_retried_at_once_until_one_secret_is_left() {
        let names = ["a", "b", "c", "d", "e"].map(|name| format!("{name}{HERE}"));
        let mut due: BTreeMap<_, _> =
            names.iter().map(|name| (id(name), Due::new(Instant::now(), Want::latest()))).collect();
        let mut left = Vec::new();
        while !due.is_empty() {
            left.push(due.len());
            let mut refresh = PlannedRefresh::partial(Arc::default(), now(), Duration::from_secs(100), due);
            due = refresh.take_unaffected(&Error::new(ErrorKind::InvalidSettings, "refused"));
        }
        assert_eq!(left, [5, 2, 1]);
    }
}
