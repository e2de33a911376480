//! Content types, which say what the value of a key-value is.

/// The kind of value that a content type announces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ContentType {
    /// Text that stands for itself.
    Text,
    /// JSON, which is a tree of settings.
    Json,
    /// A reference to a secret in Key Vault.
    KeyVaultReference,
    /// A feature flag.
    FeatureFlag,
    /// A reference to a snapshot, whose key-values take its place.
    SnapshotReference,
}

impl ContentType {
    /// Returns the kind of value of a content type, which is compared by its media type in any case; parameters do not
    /// matter, except the profile of a snapshot reference.
    ///
    /// JSON is `application/json` and any type under `application` with `json` among the parts that `+` separates, as
    /// in [the official providers](https://learn.microsoft.com/azure/azure-app-configuration/howto-leverage-json-content-type).
    pub(crate) fn of(content_type: Option<&str>) -> Self {
        let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
        let mut parts = content_type.split(';').map(str::trim);
        let subtype = match parts.next().and_then(|media_type| media_type.split_once('/')) {
            Some(("application", subtype)) => subtype,
            _ => return Self::Text,
        };
        match subtype {
            "vnd.microsoft.appconfig.keyvaultref+json" => Self::KeyVaultReference,
            "vnd.microsoft.appconfig.ff+json" => Self::FeatureFlag,
            "json" if parts.any(is_snapshot_profile) => Self::SnapshotReference,
            _ if subtype.split('+').any(|part| part == "json") => Self::Json,
            _ => Self::Text,
        }
    }
}

fn is_snapshot_profile(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        name.trim() == "profile" && value.trim().trim_matches('"') == "https://azconfig.io/mime-profiles/snapshot-ref"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_says_what_a_value_is() {
        use ContentType::{FeatureFlag, Json, KeyVaultReference, SnapshotReference, Text};
        for (content_type, expected) in [
            ("", Text),
            ("text/plain", Text),
            ("text/json", Text),
            ("application/xml; note=application/json", Text),
            ("application/jsonp", Text),
            ("json", Text),
            ("application/json", Json),
            ("Application/JSON;charset=UTF-8", Json),
            (" application/json ; a=b", Json),
            ("application/vnd.shop+json; v=1", Json),
            ("application/json+gzip", Json),
            ("application/json; profile=\"https://azconfig.io/mime-profiles/ai/chat-completion\"", Json),
            ("application/vnd.microsoft.appconfig.keyvaultref+json;charset=utf-8", KeyVaultReference),
            ("application/vnd.microsoft.appconfig.keyvaultref+json; charset=utf-8", KeyVaultReference),
            ("Application/Vnd.Microsoft.AppConfig.KeyVaultRef+Json", KeyVaultReference),
            ("application/vnd.microsoft.appconfig.ff+json;charset=utf-8", FeatureFlag),
            (
                "application/json; profile=\"https://azconfig.io/mime-profiles/snapshot-ref\"; charset=utf-8",
                SnapshotReference,
            ),
            ("application/json;profile=https://azconfig.io/mime-profiles/snapshot-ref", SnapshotReference),
            ("application/vnd.x+json; profile=\"https://azconfig.io/mime-profiles/snapshot-ref\"", Json),
        ] {
            assert_eq!(ContentType::of(Some(content_type)), expected, "{content_type:?}");
        }
        assert_eq!(ContentType::of(None), Text);
    }
}
