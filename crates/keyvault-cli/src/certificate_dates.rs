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

/// When a certificate is valid, and its issuers.
#[derive(Clone, Copy)]
pub(crate) struct CertificateDates {
    pub(crate) not_before: SystemTime,
    pub(crate) expires: SystemTime,
    pub(crate) chain_expires: SystemTime,
}

impl CertificateDates {
    pub(crate) fn of(certificate: &Certificate) -> Self {
        let (not_before, expires) = (certificate.not_before(), certificate.expires());
        Self { not_before, expires, chain_expires: certificate.chain_expires() }
    }

    /// Warns of a certificate that expires in fewer than 14 days, or in less than a third of its lifetime if that is
    /// shorter. Also warns of an issuer that expires before the certificate, and within the same time, or has expired.
    pub(crate) fn warning(self, now: SystemTime) -> Option<String> {
        let left = self.expires.duration_since(now).ok()?;
        let soon = SOON.min(self.expires.duration_since(self.not_before).unwrap_or_default() / 3);
        let own = (left < soon).then(|| format!("certificate expires in {}", rounded(left)));
        let issuer = match self.chain_expires.duration_since(now) {
            _ if self.chain_expires >= self.expires => None,
            Ok(left) => (left < soon).then(|| format!("an issuer of the certificate expires in {}", rounded(left))),
            Err(_) => Some("an issuer of the certificate has expired".to_owned()),
        };
        let warnings: Vec<String> = own.into_iter().chain(issuer).collect();
        (!warnings.is_empty()).then(|| warnings.join(", and "))
    }
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
            let dates = CertificateDates { not_before, expires, chain_expires: expires };
            let found = dates.warning(expires - hours(left));
            assert_eq!(found.as_deref(), expected, "{left} hours of {lifetime} days");
        }
        let begin = SystemTime::UNIX_EPOCH;
        let dates = CertificateDates { not_before: begin, expires: begin, chain_expires: begin };
        assert_eq!(dates.warning(begin + Duration::from_secs(1)), None);
    }

    #[test]
    fn a_warning_tells_of_an_issuer_too() {
        for (left, left_of_issuer, expected) in [
            (100, 15, None),
            (100, 14, None),
            (100, 13, Some("an issuer of the certificate expires in 13 days")),
            (100, -1, Some("an issuer of the certificate has expired")),
            (13, 5, Some("certificate expires in 13 days, and an issuer of the certificate expires in 5 days")),
            (13, -1, Some("certificate expires in 13 days, and an issuer of the certificate has expired")),
        ] {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(365 * A_DAY);
            let in_days = |days: i64| {
                let time = Duration::from_secs(days.unsigned_abs() * A_DAY);
                if days < 0 { now - time } else { now + time }
            };
            let (expires, chain_expires) = (in_days(left), in_days(left_of_issuer));
            let dates = CertificateDates { not_before: SystemTime::UNIX_EPOCH, expires, chain_expires };
            assert_eq!(dates.warning(now).as_deref(), expected, "{left} days, {left_of_issuer} of the issuer");
        }
    }
}
