//! What one event from outside comes to.

use std::time::SystemTime;

use super::envelope::Envelope;
use super::event::{SecretEvent, SecretEventKind};
use crate::secret::{SecretId, Vault};

/// What one event comes to.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum News {
    Secret(SecretEvent),
    Validation(String),
    Other,
    Nonsense,
}

impl News {
    pub(super) fn of(envelope: &Envelope) -> Self {
        let Some(kind) = envelope.kind() else { return News::Nonsense };
        if kind.eq_ignore_ascii_case(VALIDATION) {
            let code = envelope.validation_code().filter(|code| code.len() <= LONGEST_CODE);
            return code.map_or(News::Nonsense, |code| News::Validation(code.to_owned()));
        }
        let known = KINDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(kind));
        let Some((_, kind)) = known else { return News::Other };
        match envelope.object().and_then(secret_of) {
            Some(id) if agrees(envelope, id.vault()) => {
                let time = envelope.time().and_then(|text| azure_core::time::parse_rfc3339(text).ok());
                News::Secret(SecretEvent { id, kind: *kind, time: time.map(SystemTime::from) })
            }
            _ => News::Nonsense,
        }
    }
}

/// Reads the URL of a secret, or of the certificate that has it.
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

/// Tells whether the other places that name the vault name this one. An origin under no known domain has no name.
fn agrees(envelope: &Envelope, vault: &Vault) -> bool {
    let same = |name: &str| vault.cloud().is_none() || name.eq_ignore_ascii_case(vault.name());
    envelope.vault_name().is_none_or(same) && envelope.topic().and_then(vault_in).is_none_or(same)
}

/// Finds the name of a vault in the id of an Azure resource: `/subscriptions/…/vaults/contoso`.
fn vault_in(resource: &str) -> Option<&str> {
    let mut segments = resource.split('/').skip_while(|segment| !segment.eq_ignore_ascii_case("vaults"));
    segments.nth(1)
}

/// The [types of Key Vault's events](https://learn.microsoft.com/azure/event-grid/event-schema-key-vault) that make a secret
/// due. A certificate's version makes one of its secret, and the list of events does not say that the secret's own is sent.
const KINDS: [(&str, SecretEventKind); 6] = [
    ("Microsoft.KeyVault.SecretNewVersionCreated", SecretEventKind::NewVersion),
    ("Microsoft.KeyVault.SecretNearExpiry", SecretEventKind::NearExpiry),
    ("Microsoft.KeyVault.SecretExpired", SecretEventKind::Expired),
    ("Microsoft.KeyVault.CertificateNewVersionCreated", SecretEventKind::NewVersion),
    ("Microsoft.KeyVault.CertificateNearExpiry", SecretEventKind::NearExpiry),
    ("Microsoft.KeyVault.CertificateExpired", SecretEventKind::Expired),
];

const VALIDATION: &str = "Microsoft.EventGrid.SubscriptionValidationEvent";
const CERTIFICATES: &str = "/certificates/";

const LONGEST_URL: usize = 1_024;
const LONGEST_CODE: usize = 512;

#[cfg(test)]
mod tests {
    use super::super::envelope::Batch;
    use super::*;

    fn of(json: &str) -> News {
        match Batch::parse(json.as_bytes(), 1) {
            Some(Batch::Events(events)) => News::of(&events[0]),
            other => panic!("{other:?}: {json}"),
        }
    }

    fn event(data: &str) -> String {
        format!(r#"{{"eventType":"Microsoft.KeyVault.SecretNewVersionCreated","data":{data}}}"#)
    }

    #[test]
    fn only_what_is_news_of_a_secret_counts() {
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
                Some((url, kind)) => News::Secret(SecretEvent::new(SecretId::parse(url).unwrap(), kind)),
                None => News::Other,
            };
            assert_eq!(of(&typed(kind, path)), expected, "{kind}");
        }
    }

    #[test]
    fn an_event_that_contradicts_itself_or_means_no_secret_is_nonsense() {
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
            assert_eq!(of(&event(data)), News::Nonsense, "{data}");
        }
        let topic = r#"{"topic":"/subscriptions/s/providers/Microsoft.KeyVault/vaults/fabrikam","eventType":
            "Microsoft.KeyVault.SecretNewVersionCreated","data":{"Id":"https://contoso.vault.azure.net/secrets/a/0af1"}}"#;
        assert_eq!(of(topic), News::Nonsense);
        assert!(matches!(of(&topic.replace("fabrikam", "Contoso")), News::Secret(_)), "it was the topic");
    }

    #[test]
    fn the_code_of_a_handshake_is_found() {
        let body = |code: &str| {
            format!(
                r#"{{"id":"1","topic":"/subscriptions/s","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent",
                "data":{{"validationCode":"{code}","validationUrl":"https://rp-eastus2.eventgrid.azure.net:553/x"}}}}"#
            )
        };
        let code = "512d38b6-c7b8-40c8-89fe-f46f9e9622b6";
        assert_eq!(of(&body(code)), News::Validation(code.to_owned()));
        assert_eq!(of(&body(&"x".repeat(LONGEST_CODE + 1))), News::Nonsense);
        assert_eq!(of(&body("")), News::Nonsense);
    }
}
