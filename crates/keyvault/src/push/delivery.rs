//! What one body from outside comes to: a webhook's request or a queue's message.

use std::collections::HashSet;

use super::envelope::{Batch, Envelope};
use super::event::SecretEvent;
use super::news::News;
use crate::error::{Error, Result};
use crate::secret::Vault;

/// Everything that was in one body.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Delivery {
    /// News of secrets, in the order of the body, each once.
    pub(super) events: Vec<SecretEvent>,
    /// How many events were of other types: keys, policies.
    pub(super) ignored: usize,
    /// How many were no events, or news of something that cannot be a secret of a vault.
    pub(super) unreadable: usize,
    /// What Event Grid wants to hear back before it delivers.
    pub(super) validation_code: Option<String>,
}

impl SecretEvent {
    /// Parses the events of a body in the schema of Event Grid or CloudEvents 1.0, one or an array, plain or in base64.
    ///
    /// Events of other types are left out, and so are repeated ones and, in an array, those that make no sense. Which
    /// secret and version an event is about is taken from the URL in it, and the other places that name the vault must
    /// not disagree. News of a certificate is news of the
    /// [secret that has its key](https://learn.microsoft.com/azure/key-vault/certificates/about-certificates#composition-of-a-certificate),
    /// which has the certificate's name and version.
    ///
    /// At most 2 MiB and 5,000 events, which is the most that Event Grid puts into a batch. Nothing is kept but the events.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for a body that is larger, is not JSON, or has nothing in it but what makes no
    /// sense. The message does not repeat the input.
    ///
    /// # Examples
    ///
    /// ```
    /// use keyvault::{SecretEvent, SecretEventKind};
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
        Ok(Delivery::parse(body)?.events)
    }
}

impl Delivery {
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
        match Batch::parse(json, MOST_EVENTS).ok_or_else(not_json)? {
            Batch::TooMany => Err(Error::invalid("body has more than 5,000 events")),
            Batch::Events(events) => Self::read(&events),
        }
    }

    fn read(envelopes: &[Envelope]) -> Result<Self> {
        let mut delivery = Self::default();
        let mut seen = HashSet::new();
        for envelope in envelopes {
            match News::of(envelope) {
                News::Secret(event) if seen.insert((event.id.clone(), event.kind)) => delivery.events.push(event),
                News::Secret(_) => {}
                News::Validation(code) => delivery.validation_code = Some(code),
                News::Other => delivery.ignored += 1,
                News::Nonsense => delivery.unreadable += 1,
            }
        }
        if delivery.unreadable > 0 && delivery.unreadable == envelopes.len() {
            return Err(Error::invalid("body has no event of Event Grid in it"));
        }
        Ok(delivery)
    }

    /// Leaves out the news of other vaults, if `vaults` names any, and tells of how many.
    pub(super) fn retain(&mut self, vaults: &[Vault]) -> usize {
        let before = self.events.len();
        if !vaults.is_empty() {
            self.events.retain(|event| vaults.contains(event.id.vault()));
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

/// Twice what Event Grid puts into a [batch](https://learn.microsoft.com/azure/event-grid/delivery-and-retry#output-batching),
/// for one event alone may exceed it.
pub(super) const LARGEST_BODY: usize = 2 * 1024 * 1024;
const MOST_EVENTS: usize = 5_000;

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::super::event::SecretEventKind;
    use super::*;
    use crate::secret::SecretId;

    const URL: &str = "https://contoso.vault.azure.net/secrets/newsecret/ee059b2bb5bc48398a53b168c6cdcb10";

    fn event(data: &str) -> String {
        format!(r#"{{"eventType":"Microsoft.KeyVault.SecretNewVersionCreated","data":{data}}}"#)
    }

    fn of(body: &str) -> Delivery {
        Delivery::parse(body.as_bytes()).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    #[test]
    fn every_form_in_which_an_event_may_come_is_read() {
        // The samples of Microsoft's page have the stray spaces.
        let event_grid = r#"[{
            "id": "00eccf70-95a7-4e7c-8299-2eb17ee9ad64",
            "topic": "/subscriptions/{subscription-id}/resourceGroups/sample-rg/providers/Microsoft.KeyVault/vaults/contoso",
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
        let cloud_event = r#"{
            "id": "00eccf70-95a7-4e7c-8299-2eb17ee9ad64",
            "source": "/subscriptions/{subscription-id}/resourceGroups/sample-rg/providers/Microsoft.KeyVault/vaults/Contoso",
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
        let batch = format!("\u{feff} [{cloud_event}]\n");
        let bare = event_grid.trim_start_matches('[').trim_end_matches(']').to_owned();
        let base64 = azure_core::base64::encode(event_grid);
        let unpadded = azure_core::base64::encode(cloud_event).trim_end_matches('=').to_owned();
        for body in [event_grid, cloud_event, &batch, &bare, &base64, &format!("\n{base64}\r\n"), &unpadded] {
            let delivery = of(body);
            let [event] = &delivery.events[..] else { panic!("{delivery:?}: {body}") };
            assert_eq!(event.id.url(), URL, "{body}");
            assert_eq!(event.kind, SecretEventKind::NewVersion, "{body}");
            let time = event.time.unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            assert_eq!(time.as_millis(), 1_564_016_913_103, "{body}");
        }
    }

    #[test]
    fn names_of_members_are_read_without_case_and_spaces() {
        for name in ["Id", "id", "ID", "Id ", " id"] {
            assert_eq!(of(&event(&format!(r#"{{"{name}":"{URL}"}}"#))).events[0].id.url(), URL, "{name:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_in_an_array_does_not_take_the_rest_with_it() {
        let good = event(&format!(r#"{{"Id":"{URL}"}}"#));
        let delivery = of(&format!(r#"[1,null,"x",[],{{}},{good},{{"type":"Unknown"}},{good}]"#));
        assert_eq!(delivery.events.len(), 1, "the second is a duplicate");
        assert_eq!((delivery.unreadable, delivery.ignored), (5, 1));
        assert!(Delivery::parse(b"[1,{}]").is_err());
        assert_eq!(of("[]"), Delivery::default());
    }

    #[test]
    fn a_body_is_capped_in_every_direction() {
        let one = event(&format!(r#"{{"Id":"{URL}"}}"#));
        let many = |n: usize| format!("[{}]", vec![r#"{"type":"x"}"#; n].join(","));
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert_eq!(of(&many(MOST_EVENTS)).ignored, MOST_EVENTS);
        let repeated = format!("{{{}\"type\":\"x\"}}", r#""data":{},"#.repeat(100));
        for (body, reason) in [
            (many(MOST_EVENTS + 1), "more than 5,000 events"),
            (" ".repeat(LARGEST_BODY + 1), "larger than 2 MiB"),
            (deep(1_000_000), "no event"),
            (repeated, "neither JSON"),
            (String::new(), "neither JSON"),
            ("\u{feff}  ".into(), "neither JSON"),
            ("hello".into(), "neither JSON"),
            ("{".into(), "neither JSON"),
            (format!("{one} {one}"), "neither JSON"),
        ] {
            let error = Delivery::parse(body.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}: {}", body.get(..40).unwrap_or(&body));
        }
        let nested = event(&format!(r#"{{"x":{},"Id":"{URL}"}}"#, deep(500_000)));
        assert_eq!(of(&nested).events.len(), 1, "what is not read may be of any depth");
    }

    #[test]
    fn no_error_quotes_the_body() {
        for body in
            ["canary", "{\"canary\": canary}", "[\"canary\"]", r#"{"type":"canary","type":{"canary":1}}"#, "Y2FuYXJ5"]
        {
            if let Err(error) = Delivery::parse(body.as_bytes()) {
                assert!(!format!("{error} {error:?} {error:#?}").contains("canary"), "{error:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
            _ = Delivery::parse(&body);
        }

        #[test]
        fn no_json_makes_it_panic(body in r#"[\[\]{}":,0-9a-zId \\u]{0,200}"#) {
            _ = Delivery::parse(body.as_bytes());
        }

        #[test]
        fn what_is_written_is_read(name in "[0-9A-Za-z-]{1,127}", version in "[0-9a-f]{32}", base64 in any::<bool>()) {
            let url = format!("https://contoso.vault.azure.net/secrets/{name}/{version}");
            let body = event(&format!(r#"{{"Id":"{url}"}}"#));
            let body = if base64 { azure_core::base64::encode(body) } else { body };
            prop_assert_eq!(of(&body).events[0].id.url(), url);
        }

        #[test]
        fn an_id_of_any_text_is_refused_or_is_of_a_plain_host(id in r"(https://)?[ -~]{0,80}") {
            let body = event(&serde_json::json!({ "Id": id }).to_string());
            if let Ok(delivery) = Delivery::parse(body.as_bytes()) {
                prop_assert!(SecretId::parse(&delivery.events[0].id.url()).is_ok());
            }
        }
    }
}
