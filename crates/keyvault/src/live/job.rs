//! What is done in one step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use super::agenda::Due;
use crate::error::{Error, ErrorKind};
use crate::resolver::{FetchPlan, KnownSecrets, Want};
use crate::secret::SecretId;

/// What is done in one step.
pub(super) struct Job {
    pub(super) errand: FetchPlan,
    /// The secrets that are due by themselves.
    pub(super) due: BTreeMap<SecretId, Due>,
    /// Whether somebody waits for it, so that changes are not left to settle.
    pub(super) is_asked: bool,
}

impl Job {
    /// Asks for everything but what is spared, and for what is due in the way that it is wanted.
    pub(super) fn complete(
        held: Arc<KnownSecrets>,
        now: SystemTime,
        due: BTreeMap<SecretId, Due>,
        spared: BTreeSet<SecretId>,
    ) -> Self {
        let errand = FetchPlan::full(held, now).with_due(wanted(&due)).excluding(spared);
        Self { errand, due, is_asked: false }
    }

    /// Asks for what is due and for nothing else.
    pub(super) fn partial(held: Arc<KnownSecrets>, now: SystemTime, due: BTreeMap<SecretId, Due>) -> Self {
        Self { errand: FetchPlan::partial(held, now, wanted(&due)), due, is_asked: false }
    }

    /// Takes the versions before those that are held.
    pub(super) fn reverting(held: Arc<KnownSecrets>, now: SystemTime, secrets: BTreeSet<SecretId>) -> Self {
        let errand = FetchPlan::partial(held, now, BTreeMap::new()).reverting(secrets);
        Self { errand, due: BTreeMap::new(), is_asked: false }
    }

    /// Says that somebody waits for it.
    pub(super) fn asked(self) -> Self {
        Self { is_asked: true, ..self }
    }

    /// Takes out what is due by itself and was held back by nothing but what is broken beside it, after `error` came of the
    /// job: that may be tried again at once, and without it.
    ///
    /// It ends, for what is tried again is always less: of everything, what is due; of that, what could be read; and of
    /// settings that were refused, half of what made them.
    pub(super) fn held_back(&mut self, error: &Error) -> BTreeMap<SecretId, Due> {
        let is_complete = self.errand.is_full();
        let due = std::mem::take(&mut self.due);
        let rest = due.len() - due.len() / 2;
        let (held_back, rest): (BTreeMap<_, _>, BTreeMap<_, _>) = match Fault::of(error) {
            // Without the other news they are other settings.
            Fault::Settings if is_complete && self.errand.has_other_changes() => (due, BTreeMap::new()),
            Fault::Settings if is_complete => (BTreeMap::new(), due),
            Fault::Settings => {
                let (rest, held_back): (Vec<_>, Vec<_>) = due.into_iter().enumerate().partition(|(n, _)| *n < rest);
                let whole = |part: Vec<(usize, _)>| part.into_iter().map(|(_, due)| due).collect();
                (whole(held_back), whole(rest))
            }
            Fault::Layers => (BTreeMap::new(), due),
            Fault::Vaults => due
                .into_iter()
                .partition(|(id, _)| !is_to_blame(id, error.failures()) && (is_complete || self.errand.has_read(id))),
        };
        if !is_complete && rest.is_empty() {
            self.due = held_back;
            return BTreeMap::new();
        }
        self.due = rest;
        held_back
    }
}

/// Where the reason is that nothing came of a job.
enum Fault {
    /// The settings do not fit together, or not the application.
    Settings,
    /// The layers cannot be read, and could not without any secret.
    Layers,
    Vaults,
}

impl Fault {
    fn of(error: &Error) -> Self {
        use ErrorKind::{Denied, InvalidSettings, NotFound, Throttled, Unavailable};
        let all = |is: fn(ErrorKind) -> bool| error.failures().iter().all(|failure| is(failure.kind()));
        if all(|kind| kind == InvalidSettings) {
            Fault::Settings
        } else if all(|kind| matches!(kind, Denied | NotFound | Throttled { .. } | Unavailable)) {
            Fault::Vaults
        } else {
            Fault::Layers
        }
    }
}

/// Tells whether a secret is why a vault failed. A vault that throttles wants to be left alone.
fn is_to_blame(id: &SecretId, failures: &[Error]) -> bool {
    failures.iter().any(|failure| match (failure.kind(), failure.secret()) {
        (ErrorKind::Throttled { .. }, Some(secret)) => secret.vault() == id.vault(),
        (ErrorKind::Throttled { .. }, None) => true,
        (_, secret) => secret.is_some_and(|secret| secret.latest() == *id),
    })
}

fn wanted(due: &BTreeMap<SecretId, Due>) -> BTreeMap<SecretId, Want> {
    due.iter().map(|(id, due)| (id.clone(), due.wanted.clone())).collect()
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::secret::{Secret, SecretProperties};

    fn id(name: &str) -> SecretId {
        SecretId::parse(&format!("https://{name}/secrets/a")).unwrap()
    }

    const HERE: &str = "contoso.vault.azure.net";
    const THERE: &str = "fabrikam.vault.azure.net";
    const OTHER: &str = "other.vault.azure.net";

    fn secret(id: SecretId) -> Arc<Secret> {
        Arc::new(Secret::new(SecretProperties::new(id), "v", SystemTime::UNIX_EPOCH))
    }

    /// Does a job in which both secrets are due and the first is read, and tells which are held back by what.
    fn held_back(is_complete: bool, others: &[&str], failures: Vec<Error>) -> Vec<String> {
        let (held, now) = (Arc::default(), SystemTime::UNIX_EPOCH);
        let due = [HERE, THERE].map(|name| (id(name), Due::new(Instant::now(), Want::latest()))).into();
        let mut job = match is_complete {
            true => Job::complete(held, now, due, BTreeSet::new()),
            false => Job::partial(held, now, due),
        };
        for read in others.iter().chain([&HERE]) {
            job.errand.set_read(&id(read), &Ok(secret(id(read))));
        }
        let held_back = job.held_back(&Error::join(failures).unwrap());
        assert_eq!(held_back.len() + job.due.len(), 2, "nothing is lost");
        held_back.keys().map(|id| id.vault().to_string()).collect()
    }

    #[test]
    fn what_is_broken_holds_back_nothing_else() {
        use ErrorKind::{Denied, Invalid, InvalidSettings, NotFound, Throttled, Unavailable};
        let throttled = Throttled { retry_after: None };
        let of = |kind, name| Error::new(kind, "broken").about(&id(name));
        let plain = |kind| Error::new(kind, "broken");
        for (failures, of_everything, of_what_is_due) in [
            (vec![of(Unavailable, THERE)], &["contoso"][..], &["contoso"][..]),
            (vec![of(NotFound, THERE)], &["contoso"], &["contoso"]),
            (vec![of(Denied, OTHER)], &["contoso", "fabrikam"], &["contoso"]),
            (vec![plain(Unavailable)], &["contoso", "fabrikam"], &["contoso"]),
            (vec![of(throttled, THERE)], &["contoso"], &["contoso"]),
            (vec![plain(throttled)], &[], &[]),
            (vec![of(Denied, HERE), of(Denied, THERE)], &[], &[]),
            (vec![of(Denied, THERE), plain(InvalidSettings)], &[], &[]),
            (vec![plain(Invalid)], &[], &[]),
            (vec![plain(InvalidSettings)], &[], &["fabrikam"]),
        ] {
            assert_eq!(held_back(true, &[], failures.clone()), of_everything, "{failures:?}");
            assert_eq!(held_back(false, &[], failures.clone()), of_what_is_due, "{failures:?}");
        }
        let refused = || vec![plain(InvalidSettings)];
        assert_eq!(held_back(true, &[OTHER], refused()), ["contoso", "fabrikam"], "without the other they are others");
    }

    #[test]
    fn of_settings_that_are_refused_half_is_tried_at_once_until_one_is_left() {
        let names = ["a", "b", "c", "d", "e"].map(|name| format!("{name}{HERE}"));
        let mut due: BTreeMap<_, _> =
            names.iter().map(|name| (id(name), Due::new(Instant::now(), Want::latest()))).collect();
        let mut left = Vec::new();
        while !due.is_empty() {
            left.push(due.len());
            let mut job = Job::partial(Arc::default(), SystemTime::UNIX_EPOCH, due);
            due = job.held_back(&Error::new(ErrorKind::InvalidSettings, "refused"));
        }
        assert_eq!(left, [5, 2, 1]);
    }
}
