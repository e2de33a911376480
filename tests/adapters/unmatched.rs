//! Policy patterns, prefixes, tags and names that match nothing are in the report and logged once.

use keyvault::{Live, NameMap, Policy};
use keyvault_test_support::log::Log;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::service::{BOTH, Framework, Service, WAYS, Way};

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only the keys count")]
struct Settings {
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    smtp: Smtp,
}

#[derive(Debug, Default, Deserialize)]
#[expect(dead_code, reason = "only the keys count")]
struct Smtp {
    #[serde(default)]
    password: Option<String>,
}

/// Starts, refreshes and returns the notes, each of which is logged once.
async fn notes(service: &Service, framework: Framework) -> Vec<String> {
    let log = Log::begin();
    let live: Live<Settings> = service.start(framework).await.unwrap();
    let notes = live.published().report().unmatched().to_vec();
    service.vault.set("rotating", fastrand::u64(..).to_string()).unwrap();
    live.refresh_now().await.unwrap();
    assert_eq!(live.published().report().unmatched(), notes, "{framework:?}");
    let log = log.text();
    for note in &notes {
        let warnings = log.lines().filter(|line| line.contains("WARN") && line.ends_with(note)).count();
        assert_eq!(warnings, 1, "{framework:?} {note}: {log}");
    }
    assert_eq!(log.lines().filter(|line| line.contains("WARN")).count(), notes.len(), "{framework:?} {log}");
    notes
}

#[tokio::test]
async fn a_policy_pattern_that_matches_no_setting_is_told() {
    let file = "value = '@KeyVault(SecretName=s)'\n[smtp]\npassword = '@KeyVault(SecretName=gone)'";
    for framework in BOTH {
        let service = Service::new(file).secret("s", "x").secret("rotating", "1");
        let service = service.policy("smtp.**", Policy::Optional).policy("**", Policy::KeepLastGood);
        let service = service.policy("rotating", Policy::KeepLastGood);
        assert_eq!(notes(&service, framework).await, [""; 0], "{framework:?}");
        let service = service.policy("smpt.**", Policy::Optional).policy("smtp", Policy::Required);
        let expected = [
            "policy pattern smpt.** matches no setting",
            "policy pattern smtp matches no setting but a table or list: write smtp.** for those below it",
        ];
        assert_eq!(notes(&service, framework).await, expected, "{framework:?}");

        // The pattern was meant to make the missing secret optional.
        let log = Log::begin();
        let service = Service::new(file).secret("s", "x").policy("smtp.pasword", Policy::Optional);
        let error = service.start::<Settings>(framework).await.unwrap_err();
        let note = "policy pattern smtp.pasword matches no setting";
        assert_eq!(error.load_report().unwrap().unmatched(), [note], "{framework:?}");
        assert!(log.text().contains(note), "{framework:?} {}", log.text());
    }
}

#[tokio::test]
async fn a_prefix_or_tag_that_no_secret_has_is_told() {
    let tagged = Service::new("").secret("Shop--Value", "x");
    tagged.vault.set_with("Other--Value", "x", |properties| properties.set_tag("env", "test")).unwrap();
    let prefix = "name map takes no secret: none in vault contoso has the prefix Shpo--";
    for (map, expected) in [
        (NameMap::new(), &[][..]),
        (NameMap::new().prefix("shop--"), &[]),
        (NameMap::new().prefix("Shpo--"), &[prefix]),
        (NameMap::new().tag("env"), &[]),
        (NameMap::new().tag_value("env", "test"), &[]),
        (
            NameMap::new().tag("env ").prefix("Shpo--"),
            &[prefix, "name map takes no secret: none in vault contoso has the tag env "],
        ),
        (
            NameMap::new().tag_value("env", "prod"),
            &["name map takes no secret: none in vault contoso has the tag env with the value prod"],
        ),
    ] {
        let service = tagged.clone().names(map);
        for framework in BOTH {
            assert_eq!(notes(&service, framework).await, expected, "{framework:?}");
        }
        for way in WAYS.into_iter().filter(|(_, way)| matches!(way, Way::Resolved)) {
            let log = Log::begin();
            service.settings::<IgnoredAny>(way).await.unwrap();
            assert!(expected.iter().all(|note| log.text().contains(note)), "{way:?} {}", log.text());
        }
    }
}

#[tokio::test]
async fn known_keys_and_names_that_give_no_setting_are_told() {
    let keys = "name map takes no secret: vault contoso has none for a key of the settings type";
    for (map, expected) in [
        (NameMap::new().only_keys_of::<Settings>(), None),
        (NameMap::new().prefix("Shop--").only_keys_of::<Settings>(), Some(keys)),
        (NameMap::new().only(["Value"]).unwrap(), None),
        (NameMap::new().only(["Valeu"]).unwrap(), Some("name map names Valeu, but the settings type has no valeu")),
        (
            NameMap::new().optionally(["Smtp--User"]).unwrap(),
            Some("name map names Smtp--User, but the settings type has no smtp.user"),
        ),
    ] {
        let service = Service::new("").secret("Value", "x").secret("Valeu", "x").names(map);
        for framework in BOTH {
            assert_eq!(notes(&service, framework).await, expected.into_iter().collect::<Vec<_>>(), "{framework:?}");
        }
    }
}
