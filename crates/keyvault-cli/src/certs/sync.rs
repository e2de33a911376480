//! One pass over all certificates: fetch, check, write, and print the outcome.

use std::time::SystemTime;

use futures::future::join_all;

use super::files::CertificateFiles;
use super::target::{Renewal, Target};
use crate::certificate_dates::CertificateDates;
use crate::failure::Failure;
use crate::report::combined_exit_code;
use crate::terminal::printable;

/// All certificates, and what is known about each from earlier passes.
pub(super) struct Sync(Vec<Tracked>);

struct Tracked {
    target: Target,
    /// What the files have. `None` before the first success.
    published: Option<Published>,
    /// The failure that was printed last. Empty after a success.
    last_failure: String,
}

struct Published {
    version: String,
    created: Option<SystemTime>,
    dates: CertificateDates,
    /// What was printed about its expiry last.
    warned_of: Option<Expiry>,
}

/// How close a certificate in use is to its expiry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, PartialOrd)]
enum Expiry {
    Near,
    Past,
}

/// The treatment of a certificate that cannot be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Gate {
    /// It fails the pass, and programs keep what they have of all certificates.
    All,
    /// It is printed, keeps its files, and does not hold up the others.
    Each,
}

impl Gate {
    /// Returns the outcomes. [`Gate::All`] fails if one of them is a failure.
    fn admit<T>(self, outcomes: Vec<Result<T, Failure>>) -> Result<Vec<Result<T, Failure>>, Failure> {
        if self == Self::All && outcomes.iter().any(Result::is_err) {
            return Err(joined(outcomes.into_iter().filter_map(Result::err).collect()));
        }
        Ok(outcomes)
    }
}

impl Sync {
    pub(super) fn new(targets: Vec<Target>) -> Self {
        let track = |target| Tracked { target, published: None, last_failure: String::new() };
        Self(targets.into_iter().map(track).collect())
    }

    /// Fetches every certificate, and writes those whose files differ. Returns whether a file changed.
    ///
    /// # Errors
    ///
    /// With [`Gate::All`], all failures together.
    pub(super) async fn pass(&mut self, gate: Gate) -> Result<bool, Failure> {
        let now = SystemTime::now();
        let fetched = join_all(self.0.iter().map(|tracked| tracked.target.fetch(now))).await;
        let in_order = self.0.iter().zip(fetched).map(|(tracked, renewal)| tracked.in_order(renewal?, now));
        let fetched = gate.admit(in_order.collect())?;
        // Also what a certificate changed before it failed: programs may see it.
        let mut is_changed = false;
        let mut staged = |renewal| written(renewal, CertificateFiles::stage, &mut is_changed);
        let staged = gate.admit(fetched.into_iter().map(|renewal| renewal.and_then(&mut staged)).collect())?;
        let mut failures = Vec::new();
        for (tracked, staged) in self.0.iter_mut().zip(staged) {
            match staged.and_then(|renewal| written(renewal, CertificateFiles::publish, &mut is_changed)) {
                Ok(renewal) => tracked.succeed(renewal),
                Err(failure) if gate == Gate::All => failures.push(failure),
                Err(failure) => tracked.fail(&failure),
            }
            tracked.warn(now);
        }
        if failures.is_empty() { Ok(is_changed) } else { Err(joined(failures)) }
    }
}

/// Takes one step of writing the files. Sets `is_changed` if a file was written, also if the step fails.
fn written(renewal: Renewal, step: Step, is_changed: &mut bool) -> Result<Renewal, Failure> {
    let mut is_written = false;
    let outcome = step(&renewal.files, &mut is_written);
    *is_changed |= is_written;
    outcome.map(|()| Renewal { is_written: renewal.is_written | is_written, ..renewal })
}

/// A step of writing files. It sets the argument if it wrote one.
type Step = fn(&CertificateFiles, &mut bool) -> Result<(), Failure>;

/// Joins failures into one, with the exit code that they have in common.
fn joined(mut failures: Vec<Failure>) -> Failure {
    if failures.len() == 1 {
        return failures.remove(0);
    }
    let code = combined_exit_code(failures.iter().map(Failure::code));
    let text: Vec<String> = failures.iter().map(Failure::to_string).collect();
    Failure::Other { text: text.join("\n"), code }
}

impl Tracked {
    /// Returns the renewal, or a failure if the version in use is newer.
    fn in_order(&self, renewal: Renewal, now: SystemTime) -> Result<Renewal, Failure> {
        let Renewal { version, created, .. } = &renewal;
        if self.published.as_ref().is_some_and(|published| published.is_kept_for(version, *created, now)) {
            let text = format!("vault returned version {version}, which is older than the one in use");
            return Err(Failure::Other { text, code: 1 });
        }
        Ok(renewal)
    }

    fn succeed(&mut self, renewal: Renewal) {
        self.last_failure.clear();
        if renewal.is_written {
            eprintln!("keyvault: wrote {}: {}", self.target.path().display(), printable(&renewal.summary));
        }
        if self.published.as_ref().is_none_or(|published| published.version != renewal.version) {
            let Renewal { version, created, dates, .. } = renewal;
            self.published = Some(Published { version, created, dates, warned_of: None });
        }
    }

    /// Prints a failure once while it repeats.
    fn fail(&mut self, failure: &Failure) {
        let clause = match failure {
            // Without the identifier of the request, which is another each time.
            Failure::Vault(error) => error.to_string(),
            failure => failure.to_string(),
        };
        if clause != self.last_failure {
            eprintln!("keyvault: did not write {}: {failure}", self.target.path().display());
        }
        self.last_failure = clause;
    }

    /// Warns of a version in use that expires soon, and of one that has expired.
    fn warn(&mut self, now: SystemTime) {
        if let Some(warning) = self.published.as_mut().and_then(|published| published.warning(now)) {
            eprintln!("keyvault: {}: {warning}", self.target.path().display());
        }
    }
}

impl Published {
    /// Returns whether this version is kept although the vault returned another, which it created at the time
    /// `created`, as the newest.
    ///
    /// A vault returns no older version if the newest is disabled, so one of its replicas lags behind. Dates have whole
    /// seconds, so the vault's order decides between two versions of one second. An expired version is not kept.
    fn is_kept_for(&self, version: &str, created: Option<SystemTime>, now: SystemTime) -> bool {
        let is_older = created.zip(self.created).is_some_and(|(created, in_use)| created < in_use);
        version != self.version && is_older && now <= self.dates.expires
    }

    /// Returns a warning once when the expiry is near, and once when it has passed: a failure that repeats meanwhile
    /// is not printed again.
    fn warning(&mut self, now: SystemTime) -> Option<String> {
        let (expiry, warning) = if now > self.dates.expires {
            (Expiry::Past, Some("certificate in use has expired".to_owned()))
        } else {
            (Expiry::Near, self.dates.warning(now))
        };
        let warning = warning.filter(|_| self.warned_of < Some(expiry))?;
        self.warned_of = Some(expiry);
        Some(warning)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn day(day: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(day * 86_400)
    }

    fn published() -> Published {
        let dates = CertificateDates { not_before: day(0), expires: day(90), chain_expires: day(90) };
        Published { version: "1".to_owned(), created: Some(day(2)), dates, warned_of: None }
    }

    #[test]
    fn a_version_is_kept_for_an_older_one_until_it_expires() {
        let published = published();
        for (version, created, now, is_kept) in [
            ("0", Some(day(1)), day(90), true),
            ("0", Some(day(1)), day(91), false),
            ("0", Some(day(2)), day(3), false),
            ("0", Some(day(3)), day(3), false),
            ("0", None, day(3), false),
            ("1", Some(day(1)), day(3), false),
        ] {
            assert_eq!(published.is_kept_for(version, created, now), is_kept, "{version} of {created:?} at {now:?}");
        }
    }

    #[test]
    fn an_expiry_is_printed_when_it_is_near_and_when_it_has_passed() {
        let mut published = published();
        for (at, expected) in [
            (60, None),
            (80, Some("certificate expires in 10 days")),
            (81, None),
            (90, None),
            (91, Some("certificate in use has expired")),
            (92, None),
        ] {
            assert_eq!(published.warning(day(at)).as_deref(), expected, "day {at}");
        }
    }

    #[test]
    fn an_expiry_is_printed_although_it_was_never_near() {
        let mut published = published();
        assert_eq!(published.warning(day(91)).as_deref(), Some("certificate in use has expired"));
        assert_eq!(published.warning(day(92)), None);
    }
}
