//! The events of one body: that of a webhook request or of a queue message.

use std::collections::HashSet;

use super::classify::{Classified, classify};
use super::event::{PushEvent, SecretEvent};
use super::schema::{self, MOST_EVENTS};
use crate::error::{Error, Result};
use crate::secret::Vault;

/// The events of one body.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct EventBatch {
    /// The events of secrets and settings, in the order of the body, each once.
    pub(super) events: Vec<PushEvent>,
    /// The number of events of other types, such as those of keys and access policies.
    pub(super) ignored: usize,
    /// The number of events that are malformed or identify no secret of a vault and no setting of a store.
    pub(super) unreadable: usize,
    /// The code that Event Grid expects in the answer before it delivers events.
    pub(super) validation_code: Option<String>,
}

impl SecretEvent {
    /// Parses a body in the schema of Event Grid or CloudEvents 1.0: one event or an array, as JSON or as base64 of it.
    ///
    /// The result omits events of other types, repeated events and, in an array, malformed events. The URL in the event
    /// identifies the secret and its version; other members that name the vault must agree with it. An event of a
    /// certificate becomes an event of the [secret that holds its
    /// key](https://learn.microsoft.com/azure/key-vault/certificates/about-certificates#composition-of-a-certificate),
    /// which has the same name and version.
    ///
    /// A body has at most 2 MiB and 5,000 events, the largest batch of Event Grid. Nothing but the events is kept.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if the body is larger, is not JSON, or has only malformed events. The
    /// message does not repeat the input.
    ///
    /// # Examples
    ///
    /// ```
    /// use keyvault::push::{SecretEvent, SecretEventKind};
    ///
    /// let body = br#"[{
    ///     "eventType": "Microsoft.KeyVault.SecretNewVersionCreated",
    ///     "data": { "Id": "https://contoso.vault.azure.net/secrets/db-password/ee059b2bb5bc48398a53b168c6cdcb10" }
    /// }]"#;
    /// let events = SecretEvent::parse(body)?;
    /// assert_eq!(events[0].id.name().as_str(), "db-password");
    /// assert_eq!(events[0].kind, SecretEventKind::NewVersion);
    /// # Ok::<(), keyvault::Error>(())
    /// ```
    pub fn parse(body: &[u8]) -> Result<Vec<Self>> {
        let events = EventBatch::parse(body)?.events.into_iter();
        Ok(events.filter_map(|event| if let PushEvent::Secret(event) = event { Some(event) } else { None }).collect())
    }
}

impl PushEvent {
    /// Parses a body like [`SecretEvent::parse`], and returns the events of [App
    /// Configuration](https://learn.microsoft.com/azure/azure-app-configuration/concept-app-configuration-event) too.
    ///
    /// # Errors
    ///
    /// Those of [`SecretEvent::parse`].
    pub fn parse(body: &[u8]) -> Result<Vec<Self>> {
        Ok(EventBatch::parse(body)?.events)
    }

    /// Returns the vault of the secret, or the store of the setting.
    fn origin(&self) -> Option<&Vault> {
        match self {
            Self::Secret(event) => Some(event.id.vault()),
            Self::Setting(change) => Some(&change.store),
            Self::MayHaveLost => None,
        }
    }
}

impl EventBatch {
    pub(super) fn parse(body: &[u8]) -> Result<Self> {
        if body.len() > LARGEST_BODY {
            return Err(too_large());
        }
        let body = trimmed(body);
        let decoded;
        let json = match body.first() {
            Some(b'{' | b'[') => body,
            Some(_) => {
                decoded = azure_core::base64::decode(body).map_err(|_| not_json())?;
                trimmed(&decoded)
            }
            None => return Err(not_json()),
        };
        let events = schema::parse(json).ok_or_else(not_json)?;
        if events.len() > MOST_EVENTS {
            return Err(Error::invalid("body has more than 5,000 events"));
        }
        let mut batch = Self::default();
        let (mut seen, mut changes) = (HashSet::new(), HashSet::new());
        for event in &events {
            match classify(event) {
                Classified::Secret(event) if seen.insert((event.id.clone(), event.kind)) => {
                    batch.events.push(event.into());
                }
                Classified::Setting(change) if changes.insert(change.clone()) => batch.events.push(change.into()),
                Classified::Secret(_) | Classified::Setting(_) => {}
                Classified::Validation(code) => batch.validation_code = Some(code),
                Classified::Other => batch.ignored += 1,
                Classified::Malformed => batch.unreadable += 1,
            }
        }
        if batch.unreadable > 0 && batch.unreadable == events.len() {
            return Err(Error::invalid("body contains no Event Grid event"));
        }
        Ok(batch)
    }

    /// Removes the events of vaults and stores other than `vaults`, and returns their number. An empty list means every
    /// vault.
    pub(super) fn retain(&mut self, vaults: &[Vault]) -> usize {
        let before = self.events.len();
        if !vaults.is_empty() {
            self.events.retain(|event| event.origin().is_some_and(|origin| vaults.contains(origin)));
        }
        before - self.events.len()
    }
}

pub(super) fn too_large() -> Error {
    Error::invalid("body of events is larger than 2 MiB")
}

fn not_json() -> Error {
    Error::invalid("body of events is neither JSON nor JSON in base64")
}

fn trimmed(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii()
}

/// Twice the size of an Event Grid
/// [batch](https://learn.microsoft.com/azure/event-grid/delivery-and-retry#output-batching): a single event may exceed
/// the size of a batch.
pub(super) const LARGEST_BODY: usize = 2 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::super::event::SecretEventKind;
    use super::*;
    use crate::secret::SecretId;

    const URL: &str = "https://contoso.vault.azure.net/secrets/newsecret/ee059b2bb5bc48398a53b168c6cdcb10";

    /// A sample in Microsoft's documentation, which has the stray spaces.
    const EVENT_GRID: &str = r#"[{
        "id": "00eccf70-95a7-4e7c-8299-2eb17ee9ad64",
        "topic": "/subscriptions/{id}/resourceGroups/sample-rg/providers/Microsoft.KeyVault/vaults/contoso",
        "subject": "newsecret",
        "eventType": "Microsoft.KeyVault.SecretNewVersionCreated",
        "eventTime": "2019-07-25T01:08:33.1036736Z",
        "data": {
            "Id": "https://contoso.vault.azure.net/secrets/newsecret/ee059b2bb5bc48398a53b168c6cdcb10",
            "VaultName": "contoso",
            "ObjectType": "Secret",
            "ObjectName ": "newsecret",
            "Version": " ee059b2bb5bc48398a53b168c6cdcb10",
            "NBF": "1559081980",
            "EXP": "1559082102"
        },
        "dataVersion": "1",
        "metadataVersion": "1"
    }]"#;

    const CLOUD_EVENT: &str = r#"{
        "id": "00eccf70-95a7-4e7c-8299-2eb17ee9ad64",
        "source": "/subscriptions/{id}/resourceGroups/sample-rg/providers/Microsoft.KeyVault/vaults/Contoso",
        "subject": "newsecret",
        "type": "Microsoft.KeyVault.SecretNewVersionCreated",
        "time": "2019-07-25T01:08:33.1036736Z",
        "data": {
            "id": " https://contoso.vault.azure.net/secrets/newsecret/ee059b2bb5bc48398a53b168c6cdcb10 ",
            "vaultName": " contoso ",
            "NBF": 1559081980.0,
            "EXP": null,
            "more": {"a": [{"b": {"c": []}}]}
        },
        "specversion": "1.0"
    }"#;

    fn event(data: &str) -> String {
        format!(r#"{{"eventType":"Microsoft.KeyVault.SecretNewVersionCreated","data":{data}}}"#)
    }

    /// Returns the secrets' events.
    fn secrets(batch: &EventBatch) -> Vec<&SecretEvent> {
        let events = batch.events.iter();
        events.filter_map(|event| if let PushEvent::Secret(event) = event { Some(event) } else { None }).collect()
    }

    fn parsed(body: &str) -> EventBatch {
        EventBatch::parse(body.as_bytes()).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    #[test]
    fn every_documented_form_of_an_event_is_parsed() {
        let batch = format!("\u{feff} [{CLOUD_EVENT}]\n");
        let bare = EVENT_GRID.trim_start_matches('[').trim_end_matches(']').to_owned();
        let base64 = azure_core::base64::encode(EVENT_GRID);
        let unpadded = azure_core::base64::encode(CLOUD_EVENT).trim_end_matches('=').to_owned();
        for body in [EVENT_GRID, CLOUD_EVENT, &batch, &bare, &base64, &format!("\n{base64}\r\n"), &unpadded] {
            let batch = parsed(body);
            let [event] = secrets(&batch)[..] else { panic!("{batch:?}: {body}") };
            assert_eq!(event.id.url(), URL, "{body}");
            assert_eq!(event.kind, SecretEventKind::NewVersion, "{body}");
            let time = event.time.unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            assert_eq!(time.as_millis(), 1_564_016_913_103, "{body}");
        }
    }

    /// A sample in Microsoft's documentation, with another store.
    const SETTING: &str = r#"{
        "id": "00000000-0000-0000-0000-000000000000",
        "topic": "/subscriptions/{id}/resourceGroups/g/providers/microsoft.appconfiguration/configurationstores/contoso",
        "subject": "https://contoso.azconfig.io/kv/Foo?label=FizzBuzz",
        "data": {
            "key": "Foo",
            "label": "FizzBuzz",
            "etag": "FnUExLaj2moIi4tJX9AXn9sakm0",
            "syncToken": "zAJw6V16=Njo1IzUxNjQ2NzM=;sn=5164673"
        },
        "eventType": "Microsoft.AppConfiguration.KeyValueModified",
        "eventTime": "2019-05-31T20:05:03Z",
        "dataVersion": "2",
        "metadataVersion": "1"
    }"#;

    #[test]
    fn an_event_of_a_setting_names_its_store_and_carries_a_sync_token() {
        let cloud_event = SETTING.replace("eventType", "type").replace("topic", "source");
        for body in [SETTING, &cloud_event, &SETTING.replace("KeyValueModified", "KeyValueDeleted")] {
            let [PushEvent::Setting(change)] = &parsed(body).events[..] else { panic!("{body}") };
            assert_eq!(change.store.origin(), "https://contoso.azconfig.io");
            assert_eq!((change.key.as_deref(), change.label.as_deref()), (Some("Foo"), Some("FizzBuzz")));
            assert_eq!(change.sync_token.as_deref(), Some("zAJw6V16=Njo1IzUxNjQ2NzM=;sn=5164673"));
        }
        let snapshot = SETTING.replace("KeyValueModified", "SnapshotCreated").replace("key", "name");
        let [PushEvent::Setting(change)] = &parsed(&snapshot).events[..] else { panic!("{snapshot}") };
        assert_eq!(change.key, None);
        assert_eq!(parsed(&format!("[{SETTING},{SETTING}]")).events.len(), 1);
        assert!(SecretEvent::parse(SETTING.as_bytes()).unwrap().is_empty());
        assert!(EventBatch::parse(SETTING.replace("https://contoso.azconfig.io", "contoso").as_bytes()).is_err());
        let mut batch = parsed(SETTING);
        assert_eq!(batch.retain(&["https://contoso.vault.azure.net".parse().unwrap()]), 1);
    }

    #[test]
    fn member_names_are_compared_without_case_and_spaces() {
        for name in ["Id", "id", "ID", "Id ", " id"] {
            assert_eq!(secrets(&parsed(&event(&format!(r#"{{"{name}":"{URL}"}}"#))))[0].id.url(), URL, "{name:?}");
        }
    }

    #[test]
    fn malformed_events_in_an_array_do_not_affect_the_others() {
        let good = event(&format!(r#"{{"Id":"{URL}"}}"#));
        let batch = parsed(&format!(r#"[1,null,"x",[],{{}},{good},{{"type":"Unknown"}},{good}]"#));
        assert_eq!(batch.events.len(), 1, "the second is a duplicate");
        assert_eq!((batch.unreadable, batch.ignored), (5, 1));
        assert!(EventBatch::parse(b"[1,{}]").is_err());
        assert_eq!(parsed("[]"), EventBatch::default());
    }

    #[test]
    fn size_count_and_repetition_are_capped() {
        let one = event(&format!(r#"{{"Id":"{URL}"}}"#));
        let many = |n: usize| format!("[{}]", vec![r#"{"type":"x"}"#; n].join(","));
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert_eq!(parsed(&many(MOST_EVENTS)).ignored, MOST_EVENTS);
        let repeated = format!("{{{}\"type\":\"x\"}}", r#""data":{},"type":"y","#.repeat(100));
        assert_eq!(parsed(&repeated).ignored, 1, "the first of a repeated member counts");
        for (body, reason) in [
            (many(MOST_EVENTS + 1), "more than 5,000 events"),
            (" ".repeat(LARGEST_BODY + 1), "larger than 2 MiB"),
            (deep(1_000_000), "no Event Grid event"),
            (String::new(), "neither JSON"),
            ("\u{feff}  ".into(), "neither JSON"),
            ("hello".into(), "neither JSON"),
            ("{".into(), "neither JSON"),
            (format!("{one} {one}"), "neither JSON"),
        ] {
            let error = EventBatch::parse(body.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}: {}", body.get(..40).unwrap_or(&body));
        }
        let nested = event(&format!(r#"{{"x":{},"Id":"{URL}"}}"#, deep(500_000)));
        assert_eq!(parsed(&nested).events.len(), 1, "skipped values may have any depth");
    }

    #[test]
    fn no_error_quotes_the_body() {
        for body in
            ["canary", "{\"canary\": canary}", "[\"canary\"]", r#"{"type":"canary","type":{"canary":1}}"#, "Y2FuYXJ5"]
        {
            if let Err(error) = EventBatch::parse(body.as_bytes()) {
                assert!(!format!("{error} {error:?} {error:#?}").contains("canary"), "{error:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_cause_a_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
            _ = EventBatch::parse(&body);
        }

        #[test]
        fn no_json_causes_a_panic(body in r#"[\[\]{}":,0-9a-zId \\u]{0,200}"#) {
            _ = EventBatch::parse(body.as_bytes());
        }

        #[test]
        fn any_name_and_version_is_parsed(
            name in "[0-9A-Za-z-]{1,127}",
            version in "[0-9a-f]{32}",
            base64 in any::<bool>(),
        ) {
            let url = format!("https://contoso.vault.azure.net/secrets/{name}/{version}");
            let body = event(&format!(r#"{{"Id":"{url}"}}"#));
            let body = if base64 { azure_core::base64::encode(body) } else { body };
            prop_assert_eq!(secrets(&parsed(&body))[0].id.url(), url);
        }

        #[test]
        fn any_text_as_an_id_is_refused_or_is_a_valid_secret_id(id in r"(https://)?[ -~]{0,80}") {
            let body = event(&serde_json::json!({ "Id": id }).to_string());
            if let Ok(batch) = EventBatch::parse(body.as_bytes()) {
                prop_assert!(SecretId::parse(&secrets(&batch)[0].id.url()).is_ok());
            }
        }
    }
}
