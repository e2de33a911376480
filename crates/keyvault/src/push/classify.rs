//! The meaning of one event.

use std::time::SystemTime;

use super::event::{SecretEvent, SecretEventKind};
use super::schema::RawEvent;
use crate::secret::{SecretId, Vault};
use crate::settings::SettingChange;

/// The meaning of an event.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Classified {
    Secret(SecretEvent),
    Setting(SettingChange),
    /// A handshake of Event Grid, with the code to answer.
    Validation(String),
    /// An event of another type, such as that of a key.
    Other,
    /// An event without a type, or one that contradicts itself or identifies no secret and no store.
    Malformed,
}

/// Classifies an event by its type, and checks the secret that it identifies.
pub(super) fn classify(event: &RawEvent<'_>) -> Classified {
    let Some(kind) = event.members.text("type") else { return Classified::Malformed };
    if kind.eq_ignore_ascii_case(VALIDATION) {
        let code = event.data.text("validationCode").filter(|code| code.len() <= LONGEST_CODE);
        return code.map_or(Classified::Malformed, Classified::Validation);
    }
    if SETTINGS.iter().any(|name| name.eq_ignore_ascii_case(&kind)) {
        return setting_change(event).map_or(Classified::Malformed, Classified::Setting);
    }
    let known = KINDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&kind));
    let Some((_, kind)) = known else { return Classified::Other };
    match event.data.text("id").and_then(|url| secret_of(&url)) {
        Some(id) if names_vault(event, id.vault()) => {
            let time = event.members.text("time").and_then(|text| azure_core::time::parse_rfc3339(&text).ok());
            Classified::Secret(SecretEvent { id, kind: *kind, time: time.map(SystemTime::from) })
        }
        _ => Classified::Malformed,
    }
}

/// Returns the change that an event of App Configuration announces. Its subject is the URL of the key or snapshot.
fn setting_change(event: &RawEvent<'_>) -> Option<SettingChange> {
    let subject = event.members.text("subject").filter(|url| url.len() <= LONGEST_SUBJECT)?;
    let (store, _) = Vault::split(&subject).ok()?;
    let sync_token = event.data.text("syncToken").filter(|token| token.len() <= LONGEST_URL);
    let (key, label) = (event.data.text("key"), event.data.text("label"));
    Some(SettingChange { key, label, sync_token, ..SettingChange::new(store) })
}

/// Parses the URL of a secret, or of the certificate whose secret it is.
fn secret_of(url: &str) -> Option<SecretId> {
    if url.len() > LONGEST_URL {
        return None;
    }
    let (vault, path) = Vault::split(url).ok()?;
    match path.split_at_checked(CERTIFICATES.len()) {
        Some((kind, rest)) if kind.eq_ignore_ascii_case(CERTIFICATES) => {
            SecretId::parse(&format!("{}/secrets/{rest}", vault.origin())).ok()
        }
        _ => SecretId::parse(url).ok(),
    }
}

/// Returns whether each member that names a vault names this one. A vault outside the known domains has no name to
/// compare.
fn names_vault(event: &RawEvent<'_>, vault: &Vault) -> bool {
    let same = |name: &str| vault.cloud().is_none() || name.eq_ignore_ascii_case(vault.name());
    event.data.text("vaultName").is_none_or(|name| same(&name))
        && event.members.text("topic").is_none_or(|topic| vault_in(&topic).is_none_or(same))
}

/// Returns the name of the vault in the identifier of an Azure resource: `/subscriptions/…/vaults/contoso`.
fn vault_in(resource: &str) -> Option<&str> {
    let mut segments = resource.split('/').skip_while(|segment| !segment.eq_ignore_ascii_case("vaults"));
    segments.nth(1)
}

/// The [types of Key Vault's events](https://learn.microsoft.com/azure/event-grid/event-schema-key-vault) that make a
/// secret due. A new version of a certificate creates one of its secret; the documentation does not promise an event
/// for the secret.
const KINDS: [(&str, SecretEventKind); 6] = [
    ("Microsoft.KeyVault.SecretNewVersionCreated", SecretEventKind::NewVersion),
    ("Microsoft.KeyVault.SecretNearExpiry", SecretEventKind::NearExpiry),
    ("Microsoft.KeyVault.SecretExpired", SecretEventKind::Expired),
    ("Microsoft.KeyVault.CertificateNewVersionCreated", SecretEventKind::NewVersion),
    ("Microsoft.KeyVault.CertificateNearExpiry", SecretEventKind::NearExpiry),
    ("Microsoft.KeyVault.CertificateExpired", SecretEventKind::Expired),
];

/// The [types of App Configuration's
/// events](https://learn.microsoft.com/azure/azure-app-configuration/concept-app-configuration-event).
const SETTINGS: [&str; 4] = [
    "Microsoft.AppConfiguration.KeyValueModified",
    "Microsoft.AppConfiguration.KeyValueDeleted",
    "Microsoft.AppConfiguration.SnapshotCreated",
    "Microsoft.AppConfiguration.SnapshotModified",
];

const VALIDATION: &str = "Microsoft.EventGrid.SubscriptionValidationEvent";
const CERTIFICATES: &str = "/certificates/";

const LONGEST_URL: usize = 1_024;
/// A key and a label together have at most [10,000
/// characters](https://learn.microsoft.com/azure/azure-app-configuration/concept-key-value), which a URL escapes.
const LONGEST_SUBJECT: usize = 128 * 1_024;
const LONGEST_CODE: usize = 512;

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    fn classified(json: &str) -> Classified {
        let events = schema::parse(json.as_bytes()).unwrap_or_else(|| panic!("not JSON: {json}"));
        classify(&events[0])
    }

    fn event(data: &str) -> String {
        format!(r#"{{"eventType":"Microsoft.KeyVault.SecretNewVersionCreated","data":{data}}}"#)
    }

    #[test]
    fn only_events_of_secrets_and_certificates_make_a_secret_due() {
        let typed = |kind: &str, path: &str| {
            format!(r#"{{"type":"{kind}","data":{{"Id":"https://contoso.vault.azure.net/{path}/0af1"}}}}"#)
        };
        let version = |kind| Some(("https://contoso.vault.azure.net/secrets/tls/0af1", kind));
        for (kind, path, expected) in [
            ("Microsoft.KeyVault.SecretNewVersionCreated", "secrets/tls", version(SecretEventKind::NewVersion)),
            ("microsoft.keyvault.secretnearexpiry", "secrets/tls", version(SecretEventKind::NearExpiry)),
            ("Microsoft.KeyVault.SecretExpired", "secrets/tls", version(SecretEventKind::Expired)),
            (
                "Microsoft.KeyVault.CertificateNewVersionCreated",
                "certificates/tls",
                version(SecretEventKind::NewVersion),
            ),
            ("Microsoft.KeyVault.CertificateNearExpiry", "Certificates/tls", version(SecretEventKind::NearExpiry)),
            ("Microsoft.KeyVault.CertificateExpired", "certificates/tls", version(SecretEventKind::Expired)),
            ("Microsoft.KeyVault.KeyNewVersionCreated", "keys/tls", None),
            ("Microsoft.KeyVault.VaultAccessPolicyChanged", "secrets/tls", None),
            ("Microsoft.Storage.BlobCreated", "secrets/tls", None),
            ("Microsoft.EventGrid.SubscriptionDeletedEvent", "secrets/tls", None),
        ] {
            let expected = match expected {
                Some((url, kind)) => Classified::Secret(SecretEvent::new(SecretId::parse(url).unwrap(), kind)),
                None => Classified::Other,
            };
            assert_eq!(classified(&typed(kind, path)), expected, "{kind}");
        }
    }

    #[test]
    fn an_event_that_contradicts_itself_or_identifies_no_secret_is_malformed() {
        for data in [
            r#"{}"#,
            r#"{"Id":7}"#,
            r#"{"Id":{"Id":"https://contoso.vault.azure.net/secrets/a"}}"#,
            r#"["https://contoso.vault.azure.net/secrets/a"]"#,
            r#""https://contoso.vault.azure.net/secrets/a""#,
            r#"{"Id":"http://contoso.vault.azure.net/secrets/a/0af1"}"#,
            r#"{"Id":"https://contoso.vault.azure.net.evil.example/secrets/a/0af1"}"#,
            r#"{"Id":"https://evil.example\\@contoso.vault.azure.net/secrets/a/0af1"}"#,
            r#"{"Id":"https://contoso.vault.azure.net/keys/a/0af1"}"#,
            r#"{"Id":"https://contoso.vault.azure.net/secrets/../keys/a"}"#,
            r#"{"Id":"https://contoso.vault.azure.net/certificates/../secrets/a"}"#,
            r#"{"Id":"https://contoso.vault.azure.net/secrets/a/0af1","VaultName":"fabrikam"}"#,
        ] {
            assert_eq!(classified(&event(data)), Classified::Malformed, "{data}");
        }
        let topic = r#"{"topic":"/subscriptions/s/providers/Microsoft.KeyVault/vaults/fabrikam","eventType":
            "Microsoft.KeyVault.SecretNewVersionCreated",
            "data":{"Id":"https://contoso.vault.azure.net/secrets/a/0af1"}}"#;
        assert_eq!(classified(topic), Classified::Malformed);
        assert!(
            matches!(classified(&topic.replace("fabrikam", "Contoso")), Classified::Secret(_)),
            "the topic caused the refusal"
        );
    }

    #[test]
    fn a_handshake_yields_its_validation_code() {
        let body = |code: &str| {
            format!(
                r#"{{"id":"1","topic":"/subscriptions/s","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent",
                "data":{{"validationCode":"{code}","validationUrl":"https://rp-eastus2.eventgrid.azure.net:553/x"}}}}"#
            )
        };
        let code = "512d38b6-c7b8-40c8-89fe-f46f9e9622b6";
        assert_eq!(classified(&body(code)), Classified::Validation(code.to_owned()));
        assert_eq!(classified(&body(&"x".repeat(LONGEST_CODE + 1))), Classified::Malformed);
        assert_eq!(classified(&body("")), Classified::Malformed);
    }
}
