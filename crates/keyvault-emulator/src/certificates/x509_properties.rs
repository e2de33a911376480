//! The part of a policy that describes the certificate: its subject, names, usages and validity.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::string::Ia5String;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, OtherNameValue, SanType, SerialNumber};
use serde::{Deserialize, Serialize};
use time::{Duration, Month, OffsetDateTime};

use super::authority::CertificateAuthority;
use super::private_key::PrivateKey;
use super::{oid, subject};
use crate::random;

/// The properties of the certificates that a policy creates, as JSON.
///
/// See [Create Certificate](https://learn.microsoft.com/rest/api/keyvault/certificates/create-certificate/create-certificate).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct X509Properties {
    pub(crate) subject: String,
    #[serde(skip_serializing_if = "AlternativeNames::is_empty")]
    pub(crate) sans: AlternativeNames,
    pub(crate) ekus: Vec<String>,
    pub(crate) key_usage: Vec<String>,
    pub(crate) validity_months: u32,
}

/// The alternative names of a subject.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct AlternativeNames {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) emails: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) dns_names: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) upns: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) uris: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) ip_addresses: Vec<String>,
}

impl AlternativeNames {
    fn is_empty(&self) -> bool {
        [&self.emails, &self.dns_names, &self.upns, &self.uris, &self.ip_addresses].iter().all(|names| names.is_empty())
    }
}

impl Default for X509Properties {
    fn default() -> Self {
        Self {
            subject: String::new(),
            sans: AlternativeNames::default(),
            ekus: vec!["1.3.6.1.5.5.7.3.1".to_owned(), "1.3.6.1.5.5.7.3.2".to_owned()],
            key_usage: vec!["digitalSignature".to_owned(), "keyEncipherment".to_owned()],
            validity_months: 12,
        }
    }
}

impl X509Properties {
    /// Fails with the problem if no certificate can have these properties.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        self.params().map(|_| ())
    }

    /// Creates a request for a certificate, in base64.
    pub(crate) fn signing_request(&self, key: &PrivateKey) -> Option<String> {
        let request = self.params().ok()?.serialize_request(&key.pair().ok()?).ok()?;
        Some(STANDARD.encode(request.der()))
    }

    /// Issues a certificate, valid from ten minutes ago as in the service. Returns its chain: itself and its issuer, or
    /// itself alone if it is self-signed.
    pub(crate) fn issue(
        &self,
        key: &PrivateKey,
        authority: Option<&CertificateAuthority>,
        now: std::time::Duration,
    ) -> Option<Vec<Vec<u8>>> {
        let mut params = self.params().ok()?;
        (params.not_before, params.not_after) = self.validity(now)?;
        // A certificate for the same key needs another number.
        let mut serial = random::bytes::<16>();
        serial[0] = serial[0] & 0x7f | 0x40;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let key = key.pair().ok()?;
        match authority {
            Some(authority) => authority.issue(params, &key),
            None => Some(vec![params.self_signed(&key).ok()?.der().to_vec()]),
        }
    }

    /// Returns the dates of a certificate that is issued now. `None` if it expires after the year 9999.
    pub(crate) fn validity(&self, now: std::time::Duration) -> Option<(OffsetDateTime, OffsetDateTime)> {
        let now = OffsetDateTime::from_unix_timestamp(i64::try_from(now.as_secs()).ok()?).ok()?;
        Some((now - Duration::minutes(10), add_months(now, self.validity_months)?))
    }

    fn params(&self) -> Result<CertificateParams, &'static str> {
        let mut params = CertificateParams::default();
        params.distinguished_name = match self.subject.trim() {
            "" if self.sans.is_empty() => return Err("The policy needs a subject or a subject alternative name."),
            "" => rcgen::DistinguishedName::new(),
            subject => subject::parse(subject).ok_or("The subject is not a valid X500 name.")?,
        };
        params.subject_alt_names = self.alternative_names().ok_or("A subject alternative name is not valid.")?;
        let ekus = self.ekus.iter().map(|oid| extended_usage(oid));
        params.extended_key_usages =
            ekus.collect::<Option<_>>().ok_or("An extended key usage is not an identifier.")?;
        let usages = self.key_usage.iter().filter(|usage| *usage != "none").map(|usage| key_usage(usage));
        params.key_usages = usages.collect::<Option<_>>().ok_or("A key usage is unknown.")?;
        params.is_ca = IsCa::ExplicitNoCa;
        if !(1..=MAX_MONTHS).contains(&self.validity_months) {
            return Err("The validity is not between 1 and 1200 months.");
        }
        Ok(params)
    }

    fn alternative_names(&self) -> Option<Vec<SanType>> {
        let text = |text: &String| Ia5String::try_from(text.as_str()).ok();
        let mut names = Vec::new();
        for name in &self.sans.dns_names {
            names.push(SanType::DnsName(text(name).filter(|_| !name.is_empty())?));
        }
        for email in &self.sans.emails {
            names.push(SanType::Rfc822Name(text(email)?));
        }
        for uri in &self.sans.uris {
            names.push(SanType::URI(text(uri)?));
        }
        for address in &self.sans.ip_addresses {
            names.push(SanType::IpAddress(address.parse::<IpAddr>().ok()?));
        }
        for upn in &self.sans.upns {
            let name = OtherNameValue::Utf8String(upn.clone());
            names.push(SanType::OtherName((USER_PRINCIPAL_NAME.to_vec(), name)));
        }
        Some(names)
    }
}

fn extended_usage(oid: &str) -> Option<ExtendedKeyUsagePurpose> {
    oid::parse(oid).map(ExtendedKeyUsagePurpose::Other)
}

fn key_usage(name: &str) -> Option<KeyUsagePurpose> {
    Some(match name {
        "digitalSignature" => KeyUsagePurpose::DigitalSignature,
        "nonRepudiation" => KeyUsagePurpose::ContentCommitment,
        "keyEncipherment" => KeyUsagePurpose::KeyEncipherment,
        "dataEncipherment" => KeyUsagePurpose::DataEncipherment,
        "keyAgreement" => KeyUsagePurpose::KeyAgreement,
        "keyCertSign" => KeyUsagePurpose::KeyCertSign,
        "cRLSign" => KeyUsagePurpose::CrlSign,
        "encipherOnly" => KeyUsagePurpose::EncipherOnly,
        "decipherOnly" => KeyUsagePurpose::DecipherOnly,
        _ => return None,
    })
}

/// Adds months to a date. A day that the month does not have becomes its last day.
fn add_months(date: OffsetDateTime, months: u32) -> Option<OffsetDateTime> {
    let month = (u32::from(u8::from(date.month())) - 1).checked_add(months)?;
    let year = date.year() + i32::try_from(month / 12).ok()?;
    let month = Month::try_from(u8::try_from(month % 12 + 1).ok()?).ok()?;
    let date_of_month = date.day().min(month.length(year));
    Some(date.replace_date(time::Date::from_calendar_date(year, month, date_of_month).ok()?))
}

const MAX_MONTHS: u32 = 1_200;
/// The names that Windows signs in with.
const USER_PRINCIPAL_NAME: &[u64] = &[1, 3, 6, 1, 4, 1, 311, 20, 2, 3];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_end_on_a_day_that_exists() {
        for (from, months, expected) in [
            ((2027, 1, 31), 1, (2027, 2, 28)),
            ((2027, 12, 1), 12, (2028, 12, 1)),
            ((2028, 2, 29), 12, (2029, 2, 28)),
            ((2027, 11, 30), 3, (2028, 2, 29)),
        ] {
            let (year, month, day) = from;
            let date = time::Date::from_calendar_date(year, Month::try_from(month).unwrap(), day).unwrap();
            let end = add_months(date.midnight().assume_utc(), months).unwrap();
            assert_eq!((end.year(), u8::from(end.month()), end.day()), expected, "{from:?} + {months}");
        }
    }

    #[test]
    fn properties_that_no_certificate_can_have_are_rejected() {
        for (json, problem) in [
            (r#"{"subject":"CN=a"}"#, None),
            (
                r#"{"sans":{"dns_names":["a.example"],"ip_addresses":["::1"],"emails":["a@b"],"uris":["a:b"],"upns":["ä"]}}"#,
                None,
            ),
            (r#"{"subject":"CN=a","key_usage":["none"],"ekus":[]}"#, None),
            ("{}", Some("The policy needs a subject or a subject alternative name.")),
            (r#"{"subject":"app.example"}"#, Some("The subject is not a valid X500 name.")),
            (r#"{"sans":{"ip_addresses":["localhost"]}}"#, Some("A subject alternative name is not valid.")),
            (r#"{"sans":{"dns_names":["ä.example"]}}"#, Some("A subject alternative name is not valid.")),
            (r#"{"subject":"CN=a","ekus":["serverAuth"]}"#, Some("An extended key usage is not an identifier.")),
            (r#"{"subject":"CN=a","ekus":["1.99.1"]}"#, Some("An extended key usage is not an identifier.")),
            (r#"{"subject":"CN=a","key_usage":["sign"]}"#, Some("A key usage is unknown.")),
            (r#"{"subject":"CN=a","validity_months":0}"#, Some("The validity is not between 1 and 1200 months.")),
        ] {
            let properties: X509Properties = serde_json::from_str(json).unwrap();
            assert_eq!(properties.check().err(), problem, "{json}");
        }
    }
}
