//! What people want to know about a certificate: its names, and how long it is valid.

use std::time::{Duration, SystemTime};

use keyvault::certificate::Certificate;

use crate::output;
use crate::terminal::printable;

/// Describes a certificate in one line: `certificate for shop.example, expires 2027-01-31T00:00:00Z`.
pub(crate) fn summary(certificate: &Certificate) -> String {
    let expires = output::date(Some(certificate.expires()));
    format!("certificate for {}, expires {expires}", names(certificate))
}

/// Returns the names that a client may connect to, or else those of the subject.
fn names(certificate: &Certificate) -> String {
    let addresses = certificate.ip_addresses().iter().map(ToString::to_string);
    let mut names: Vec<String> = certificate.dns_names().iter().cloned().chain(addresses).collect();
    if names.is_empty() {
        let subject = [certificate.common_name().unwrap_or_default(), certificate.subject()];
        names.push(subject.into_iter().find(|name| !name.is_empty()).unwrap_or("no name").to_owned());
    }
    let more = names.len().saturating_sub(MOST_NAMES);
    names.truncate(MOST_NAMES);
    let shown = printable(&names.join(", "));
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

const MOST_NAMES: usize = 5;

/// Warns of a certificate that expires in fewer than 14 days, or in less than a third of its lifetime if that is
/// shorter.
pub(crate) fn warning(not_before: SystemTime, expires: SystemTime, now: SystemTime) -> Option<String> {
    let left = expires.duration_since(now).ok()?;
    let lifetime = expires.duration_since(not_before).unwrap_or_default();
    (left < SOON.min(lifetime / 3)).then(|| format!("certificate expires in {}", rounded(left)))
}

const SOON: Duration = Duration::from_secs(14 * A_DAY);
const A_DAY: u64 = 86_400;

/// Formats a time in days, or in hours below two days.
fn rounded(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 2 * A_DAY => output::count((seconds / A_DAY) as usize, "day"),
        seconds => output::count((seconds / 3_600) as usize, "hour"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_depends_on_the_lifetime() {
        for (lifetime, left, expected) in [
            (365, 14 * 24, None),
            (365, 14 * 24 - 1, Some("certificate expires in 13 days")),
            (365, 47, Some("certificate expires in 47 hours")),
            (365, 1, Some("certificate expires in 1 hour")),
            (6, 48, None),
            (6, 47, Some("certificate expires in 47 hours")),
        ] {
            let hours = |hours: u64| Duration::from_secs(hours * 3_600);
            let not_before = SystemTime::UNIX_EPOCH;
            let expires = not_before + hours(lifetime * 24);
            let found = warning(not_before, expires, expires - hours(left));
            assert_eq!(found.as_deref(), expected, "{left} hours of {lifetime} days");
        }
        let expired = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        assert_eq!(warning(SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH, expired), None);
    }
}
