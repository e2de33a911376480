//! The policy of a certificate: how its versions are created and when they are renewed.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::certificate_issuer::{Issuer, IssuerProperties, UNKNOWN};
use crate::certificates::{AlternativeNames, CertificateSummary, KeyKind, PEM, PKCS12, X509Properties};
use crate::protocol::ErrorResponse;

/// A policy, with the names of the service's JSON. The data file and backups contain it in this form.
///
/// See [Get Certificate Policy](https://learn.microsoft.com/rest/api/keyvault/certificates/get-certificate-policy/get-certificate-policy).
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct CertificatePolicy {
    pub(crate) key_props: KeyProperties,
    pub(crate) secret_props: SecretProperties,
    pub(crate) x509_props: X509Properties,
    /// `None` before the default of the operation is set.
    pub(crate) lifetime_actions: Option<Vec<LifetimeAction>>,
    pub(crate) issuer: IssuerProperties,
    pub(crate) attributes: PolicyAttributes,
}

/// The key of each version.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct KeyProperties {
    pub(crate) exportable: bool,
    pub(crate) kty: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_size: Option<u32>,
    pub(crate) reuse_key: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) crv: Option<String>,
}

/// The form of the secret.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct SecretProperties {
    #[serde(rename = "contentType")]
    pub(crate) content_type: String,
}

/// The attributes of the policy itself.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct PolicyAttributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    created: u64,
    updated: u64,
}

/// Something to do before a version expires.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct LifetimeAction {
    trigger: Trigger,
    action: Action,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Trigger {
    #[serde(skip_serializing_if = "Option::is_none")]
    lifetime_percentage: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    days_before_expiry: Option<u32>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Action {
    action_type: String,
}

impl CertificatePolicy {
    /// Parses a policy, and sets the times of its attributes.
    pub(super) fn parse(json: Value, now: Duration) -> Result<Self, ErrorResponse> {
        let wrong = |_| ErrorResponse::bad_parameter("A property of the policy has the wrong type.");
        let mut policy: Self = serde_json::from_value(json).map_err(wrong)?;
        let created = policy.attributes.created;
        policy.attributes.created = if created == 0 { now.as_secs() } else { created };
        policy.attributes.updated = now.as_secs();
        Ok(policy)
    }

    /// Sets the default of each property that a client need not set. Fails if no version can be created by the policy.
    pub(super) fn checked(self) -> Result<Self, ErrorResponse> {
        self.x509_props.check().map_err(ErrorResponse::bad_parameter)?;
        self.with_defaults()
    }

    fn with_defaults(mut self) -> Result<Self, ErrorResponse> {
        let default_action = match self.issuer()? {
            // The emulator cannot renew what another party signs.
            Issuer::Unknown => EMAIL_CONTACTS,
            Issuer::OwnKey | Issuer::Emulator => AUTO_RENEW,
        };
        self.lifetime_actions.get_or_insert_with(|| vec![LifetimeAction::at_80_percent(default_action)]);
        self.issuer.name.get_or_insert_with(|| UNKNOWN.to_owned());
        self.key_props.set_kind(self.key_kind()?);
        if ![PKCS12, PEM].contains(&self.secret_props.content_type.as_str()) {
            return Err(ErrorResponse::bad_parameter(format!("The content type is neither {PKCS12} nor {PEM}.")));
        }
        for action in self.lifetime_actions.iter().flatten() {
            action.check(self.x509_props.validity_months)?;
        }
        Ok(self)
    }

    /// Creates the policy of a certificate that was imported, or set as a secret.
    pub(super) fn of_import(summary: &CertificateSummary, kind: Option<KeyKind>, content_type: &str) -> Self {
        let mut key_props = KeyProperties::default();
        if let Some(kind) = kind {
            key_props.set_kind(kind);
        }
        let months = (summary.expires - summary.not_before) / SECONDS_IN_A_MONTH;
        Self {
            key_props,
            secret_props: SecretProperties { content_type: content_type.to_owned() },
            x509_props: X509Properties {
                subject: summary.subject.clone(),
                sans: AlternativeNames { dns_names: summary.dns_names.clone(), ..AlternativeNames::default() },
                validity_months: u32::try_from(months).unwrap_or(0).max(1),
                ..X509Properties::default()
            },
            lifetime_actions: Some(vec![LifetimeAction::at_80_percent(EMAIL_CONTACTS)]),
            issuer: IssuerProperties::unknown(),
            attributes: PolicyAttributes::default(),
        }
    }

    /// Returns the type and size of the keys.
    pub(crate) fn key_kind(&self) -> Result<KeyKind, ErrorResponse> {
        let KeyProperties { kty, key_size, crv, .. } = &self.key_props;
        match (kty.as_str(), crv.as_deref(), key_size) {
            ("RSA", None, None) => Ok(KeyKind::Rsa(2048)),
            ("RSA", None, Some(bits @ (2048 | 3072 | 4096))) => Ok(KeyKind::Rsa(*bits)),
            ("EC", None | Some("P-256"), None | Some(256)) => Ok(KeyKind::P256),
            ("EC", Some("P-384"), None | Some(384)) | ("EC", None, Some(384)) => Ok(KeyKind::P384),
            _ => Err(ErrorResponse::bad_parameter(
                "The emulator creates keys of the types RSA with 2048, 3072 or 4096 bits, and EC on P-256 or P-384.",
            )),
        }
    }

    /// Returns the party that signs.
    pub(crate) fn issuer(&self) -> Result<Issuer, ErrorResponse> {
        self.issuer.issuer()
    }

    /// Returns the time from which a version is renewed, in seconds since 1970. `None` if it never is.
    pub(super) fn renewed_at(&self, not_before: i64, expires: i64) -> Option<i64> {
        let is_renewal = |action: &&LifetimeAction| action.action.action_type == AUTO_RENEW;
        let renewals = self.lifetime_actions.iter().flatten().filter(is_renewal);
        renewals.filter_map(|action| action.due_at(not_before, expires)).min()
    }
}

impl KeyProperties {
    /// Sets the type and size, each in full.
    fn set_kind(&mut self, kind: KeyKind) {
        let (kty, size, curve) = match kind {
            KeyKind::Rsa(bits) => ("RSA", bits, None),
            KeyKind::P256 => ("EC", 256, Some("P-256")),
            KeyKind::P384 => ("EC", 384, Some("P-384")),
        };
        self.kty = kty.to_owned();
        self.key_size = Some(size);
        self.crv = curve.map(str::to_owned);
    }
}

impl Default for KeyProperties {
    fn default() -> Self {
        Self { exportable: true, kty: "RSA".to_owned(), key_size: None, reuse_key: false, crv: None }
    }
}

impl Default for SecretProperties {
    fn default() -> Self {
        Self { content_type: PKCS12.to_owned() }
    }
}

impl LifetimeAction {
    fn at_80_percent(action: &str) -> Self {
        Self {
            trigger: Trigger { lifetime_percentage: Some(80), days_before_expiry: None },
            action: Action { action_type: action.to_owned() },
        }
    }

    fn check(&self, validity_months: u32) -> Result<(), ErrorResponse> {
        let is_valid = match self.trigger {
            Trigger { lifetime_percentage: Some(percent), days_before_expiry: None } => (1..=99).contains(&percent),
            Trigger { lifetime_percentage: None, days_before_expiry: Some(days) } => {
                (1..=validity_months.saturating_mul(27)).contains(&days)
            }
            _ => false,
        };
        if ![AUTO_RENEW, EMAIL_CONTACTS].contains(&self.action.action_type.as_str()) || !is_valid {
            return Err(ErrorResponse::bad_parameter(
                "A lifetime action is AutoRenew or EmailContacts, at 1 to 99 percent of the lifetime, or from 1 to 27 \
                 days before the expiry for each month of the validity.",
            ));
        }
        Ok(())
    }

    /// Saturates, because a client can set any dates, and a backup or a data file can contain any numbers.
    fn due_at(&self, not_before: i64, expires: i64) -> Option<i64> {
        match self.trigger {
            Trigger { lifetime_percentage: Some(percent), .. } => {
                let elapsed = (expires.saturating_sub(not_before) / 100).saturating_mul(i64::from(percent));
                Some(not_before.saturating_add(elapsed))
            }
            Trigger { days_before_expiry: Some(days), .. } => Some(expires.saturating_sub(i64::from(days) * 86_400)),
            _ => None,
        }
    }
}

/// Returns a policy with some properties changed. The properties of each group are changed one by one. Fails if no
/// version can be created by the new policy.
pub(super) fn changed(
    policy: &CertificatePolicy,
    changes: &Value,
    now: Duration,
) -> Result<CertificatePolicy, ErrorResponse> {
    let mut json = serde_json::to_value(policy).expect("every key is a string");
    merge(&mut json, changes);
    // The size and the curve of one kind of key contradict another kind.
    let sets = |name: &str| changes["key_props"].get(name).is_some();
    if ["kty", "key_size", "crv"].into_iter().any(sets)
        && let Some(key) = json["key_props"].as_object_mut()
    {
        for name in ["key_size", "crv"].into_iter().filter(|name| !sets(name)) {
            key.remove(name);
        }
    }
    let new = CertificatePolicy::parse(json, now)?;
    // The emulator cannot write every name of an imported certificate, and need not if another party signs.
    let keeps_names = new.issuer()? == Issuer::Unknown && new.x509_props == policy.x509_props;
    if keeps_names { new.with_defaults() } else { new.checked() }
}

fn merge(target: &mut Value, changes: &Value) {
    match (target, changes) {
        (Value::Object(target), Value::Object(changes)) => {
            for (name, change) in changes {
                merge(target.entry(name.as_str()).or_insert(Value::Null), change);
            }
        }
        (target, change) => target.clone_from(change),
    }
}

const AUTO_RENEW: &str = "AutoRenew";
const EMAIL_CONTACTS: &str = "EmailContacts";

const SECONDS_IN_A_MONTH: i64 = 365 * 86_400 / 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(json: &str) -> Result<CertificatePolicy, ErrorResponse> {
        let mut policy: serde_json::Value = serde_json::from_str(json).unwrap();
        policy["x509_props"]["subject"] = "CN=a".into();
        CertificatePolicy::parse(policy, Duration::from_secs(5))?.checked()
    }

    #[test]
    fn only_a_policy_that_can_create_a_version_is_accepted() {
        for (json, is_valid) in [
            (r#"{"issuer":{"name":"Self"}}"#, true),
            (r#"{"issuer":{"name":"emulator"},"key_props":{"kty":"EC"}}"#, true),
            (r#"{"issuer":{"name":"Unknown"},"key_props":{"kty":"EC","crv":"P-384","key_size":384}}"#, true),
            (r#"{"issuer":{"name":"DigiCert"}}"#, false),
            ("{}", true),
            (r#"{"issuer":{"name":"Self"},"secret_props":{},"key_props":{}}"#, true),
            (r#"{"issuer":{"name":"Self"},"key_props":{"kty":"RSA","key_size":1024}}"#, false),
            (r#"{"issuer":{"name":"Self"},"key_props":{"kty":"EC","crv":"P-521"}}"#, false),
            (r#"{"issuer":{"name":"Self"},"key_props":{"kty":"oct"}}"#, false),
            (r#"{"issuer":{"name":"Self"},"key_props":{"kty":5}}"#, false),
            (r#"{"issuer":{"name":"Self"},"secret_props":{"contentType":"text/plain"}}"#, false),
            (
                r#"{"issuer":{"name":"Self"},"lifetime_actions":[{"trigger":{"days_before_expiry":324},"action":{"action_type":"AutoRenew"}}]}"#,
                true,
            ),
            (
                r#"{"issuer":{"name":"Self"},"lifetime_actions":[{"trigger":{"days_before_expiry":325},"action":{"action_type":"AutoRenew"}}]}"#,
                false,
            ),
            (
                r#"{"issuer":{"name":"Self"},"lifetime_actions":[{"trigger":{"lifetime_percentage":100},"action":{"action_type":"AutoRenew"}}]}"#,
                false,
            ),
            (
                r#"{"issuer":{"name":"Self"},"lifetime_actions":[{"trigger":{"lifetime_percentage":5},"action":{"action_type":"Rest"}}]}"#,
                false,
            ),
        ] {
            assert_eq!(policy(json).is_ok(), is_valid, "{json}");
        }
    }

    #[test]
    fn the_first_renewal_counts_and_an_email_renews_nothing() {
        let action = |trigger: &str, action: &str| {
            format!(r#"{{"trigger":{{{trigger}}},"action":{{"action_type":"{action}"}}}}"#)
        };
        let day = 86_400;
        for (actions, expected) in [
            (vec![], None),
            (vec![action(r#""lifetime_percentage":80"#, EMAIL_CONTACTS)], None),
            (vec![action(r#""lifetime_percentage":80"#, AUTO_RENEW)], Some(80 * day)),
            (vec![action(r#""days_before_expiry":30"#, AUTO_RENEW)], Some(70 * day)),
            (
                vec![
                    action(r#""days_before_expiry":30"#, AUTO_RENEW),
                    action(r#""lifetime_percentage":50"#, AUTO_RENEW),
                ],
                Some(50 * day),
            ),
        ] {
            let json = format!(r#"{{"issuer":{{"name":"Self"}},"lifetime_actions":[{}]}}"#, actions.join(","));
            assert_eq!(policy(&json).unwrap().renewed_at(0, 100 * day), expected, "{json}");
        }
        let default = policy(r#"{"issuer":{"name":"Self"}}"#).unwrap();
        assert_eq!(default.renewed_at(0, 100 * day), Some(80 * day));
    }

    #[test]
    fn numbers_that_overflow_saturate() {
        let action = |trigger: Trigger| LifetimeAction { trigger, ..LifetimeAction::at_80_percent(AUTO_RENEW) };
        let percent = |percent| action(Trigger { lifetime_percentage: Some(percent), days_before_expiry: None });
        let days = |days| action(Trigger { lifetime_percentage: None, days_before_expiry: Some(days) });
        for (action, not_before, expires, expected) in [
            (percent(80), i64::MAX, i64::MIN, i64::MAX + i64::MIN / 100 * 80),
            (percent(80), i64::MIN, i64::MAX, i64::MIN + i64::MAX / 100 * 80),
            (percent(u32::MAX), 0, i64::MAX, i64::MAX),
            (percent(99), i64::MAX, i64::MAX, i64::MAX),
            (days(1), 0, i64::MIN, i64::MIN),
            (days(u32::MAX), 0, i64::MAX, i64::MAX - i64::from(u32::MAX) * 86_400),
        ] {
            assert_eq!(action.due_at(not_before, expires), Some(expected), "{action:?} {not_before} {expires}");
        }
        assert!(days(1).check(u32::MAX).is_ok());
    }

    #[test]
    fn another_party_signs_by_default_and_nothing_is_renewed() {
        for json in ["{}", r#"{"issuer":{}}"#, r#"{"issuer":{"name":"Unknown"}}"#] {
            let policy = serde_json::to_value(policy(json).unwrap()).unwrap();
            assert_eq!(policy["issuer"]["name"], "Unknown", "{json}");
            assert_eq!(policy["lifetime_actions"][0]["action"]["action_type"], EMAIL_CONTACTS, "{json}");
        }
    }

    #[test]
    fn only_names_that_the_emulator_must_write_are_checked() {
        let summary = CertificateSummary {
            cer: String::new(),
            thumbprint: String::new(),
            subject: "OU=a, OU=b".to_owned(),
            dns_names: Vec::new(),
            not_before: 0,
            expires: 86_400,
        };
        let imported = CertificatePolicy::of_import(&summary, Some(KeyKind::P256), PEM);
        for (changes, is_valid) in [
            (r#"{"key_props":{"exportable":false}}"#, true),
            (r#"{"lifetime_actions":[]}"#, true),
            // Some clients send what they do not change.
            (r#"{"x509_props":{}}"#, true),
            (r#"{"x509_props":{"subject":"OU=a, OU=b"}}"#, true),
            (r#"{"x509_props":{"validity_months":2}}"#, false),
            (r#"{"issuer":{"name":"Self"}}"#, false),
            (r#"{"issuer":{"name":"Self"},"x509_props":{"subject":"OU=a"}}"#, true),
        ] {
            let changes = serde_json::from_str(changes).unwrap();
            assert_eq!(changed(&imported, &changes, Duration::ZERO).is_ok(), is_valid, "{changes}");
        }
    }
}
