//! Disabled and outdated secrets follow their policy.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use keyvault::settings::SecretIssue;
use keyvault::{ErrorKind, IfDisabled, IfOutdated, NameMap, ReferenceStatus, Resolver, SecretProperties};
use keyvault_test_support::canary::{assert_free_of, assert_value_free};
use keyvault_test_support::log::Log;

use super::service::{LIVE, Service, WAYS};

type Flat = BTreeMap<String, String>;

const HOUR: Duration = Duration::from_secs(3600);

fn disabled(properties: &mut SecretProperties) {
    properties.set_enabled(false);
}

fn expired(properties: &mut SecretProperties) {
    properties.set_expires(SystemTime::now() - HOUR);
}

fn not_yet_valid(properties: &mut SecretProperties) {
    properties.set_not_before(SystemTime::now() + HOUR);
}

/// A service with a valid secret and a disabled or outdated one.
fn service(map: NameMap, matter: Matter) -> Service {
    let service = Service::new(map).secret("good", "1");
    service.vault.set_with("Bad-One", "canary", matter).unwrap();
    service
}

/// The effect of a policy: whether the secret is used, and the word in the warning.
type Outcome = Option<(bool, Option<&'static str>)>;

/// The change that makes a secret disabled or outdated.
type Matter = fn(&mut SecretProperties);

fn cases() -> Vec<(NameMap, Matter, Outcome)> {
    use IfOutdated::{Fail, Load, Skip, Warn};
    let map = NameMap::new;
    vec![
        (map(), disabled, Some((false, None))),
        (map().disabled(IfDisabled::Skip), disabled, Some((false, None))),
        (map().disabled(IfDisabled::Warn), disabled, Some((false, Some("disabled")))),
        (map().disabled(IfDisabled::Fail), disabled, None),
        (map(), expired, Some((true, Some("expired")))),
        (map().expired(Skip), expired, Some((false, None))),
        (map().expired(Load), expired, Some((true, None))),
        (map().expired(Warn), expired, Some((true, Some("expired")))),
        (map().expired(Fail), expired, None),
        (map(), not_yet_valid, Some((true, Some("not valid before")))),
        (map().not_yet_valid(Skip), not_yet_valid, Some((false, None))),
        (map().not_yet_valid(Load), not_yet_valid, Some((true, None))),
        (map().not_yet_valid(Warn).expired(Fail), not_yet_valid, Some((true, Some("not valid before")))),
        (map().not_yet_valid(Fail), not_yet_valid, None),
    ]
}

#[tokio::test]
async fn disabled_and_outdated_secrets_follow_their_policies_by_list_and_by_name() {
    for (map, matter, outcome) in cases() {
        for map in [map.clone(), map.only(["Bad-One", "good"]).unwrap()] {
            for way in WAYS {
                let log = Log::begin();
                let loaded = service(map.clone(), matter).settings::<Flat>(way).await;
                let case = format!("{way:?} {map:?}");
                let warnings = log
                    .text()
                    .lines()
                    .filter(|line| line.contains("WARN") && line.contains("keyvault::resolver::mapped"))
                    .collect::<Vec<_>>()
                    .join("\n");
                assert_free_of(&log.text(), &["canary"]);
                match (loaded, outcome) {
                    (Ok(settings), Some((is_taken, warning))) => {
                        assert_eq!(settings["good"], "1", "{case}");
                        assert_eq!(settings.get("bad_one").map(String::as_str), is_taken.then_some("canary"), "{case}");
                        assert_eq!(warnings.is_empty(), warning.is_none(), "{case} {warnings}");
                        assert!(warnings.contains(warning.unwrap_or_default()), "{case} {warnings}");
                        assert!(warning.is_none() || warnings.contains("Bad-One"), "{case} {warnings}");
                    }
                    (Err(error), None) => {
                        assert_eq!(error.setting(), Some("bad_one"), "{case} {error}");
                        assert!(
                            matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidSettings),
                            "{case} {error}"
                        );
                        assert!(error.to_string().contains("Bad-One"), "{case} {error}");
                        assert!(error.advice().is_some(), "{case}");
                        assert_value_free(&error, &["canary"]);
                    }
                    (loaded, outcome) => panic!("{case}: {loaded:?} and not {outcome:?}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn a_skipped_secret_is_not_fetched() {
    let map = NameMap::new().expired(IfOutdated::Skip);
    for matter in [disabled, expired] {
        let service = service(map.clone(), matter);
        for (count, way) in WAYS.into_iter().enumerate() {
            service.settings::<Flat>(way).await.unwrap();
            assert_eq!(service.vault.reads().gets, count as u64 + 1, "{way:?}");
        }
    }
}

#[tokio::test]
async fn a_skipped_secret_lets_a_lower_layer_apply_and_collides_with_nothing() {
    let map = NameMap::new().expired(IfOutdated::Skip);
    for matter in [disabled, expired] {
        let service = service(map.clone(), matter);
        service.vault.set("bad-one--below", "1").unwrap();
        for way in WAYS {
            let settings = service.settings::<BTreeMap<String, serde::de::IgnoredAny>>(way).await.unwrap();
            assert_eq!(settings.len(), 2, "{way:?}");
        }
    }
}

#[tokio::test]
async fn each_version_is_warned_about_once() {
    let warnings = |log: &Log| {
        log.text().lines().filter(|line| line.contains("WARN") && line.contains("keyvault::resolver::mapped")).count()
    };
    for map in [NameMap::new(), NameMap::new().only(["good", "bad-one"]).unwrap()] {
        for way in LIVE {
            let service = service(map.clone(), expired);
            let log = Log::begin();
            let live = service.start::<Flat>(way).await.unwrap();
            assert_eq!(warnings(&log), 1, "{way:?} {}", log.text());
            for _ in 0..3 {
                live.refresh_now().await.unwrap();
            }
            assert_eq!(warnings(&log), 1, "{way:?} {}", log.text());
            service.vault.set_with("Bad-One", "canary", expired).unwrap();
            live.refresh_now().await.unwrap();
            assert_eq!(warnings(&log), 2, "{way:?} {}", log.text());
            service.vault.set("Bad-One", "good again").unwrap();
            live.refresh_now().await.unwrap();
            assert_eq!(warnings(&log), 2, "{way:?} {}", log.text());
        }
    }
}

#[tokio::test]
async fn a_secret_disabled_later_is_dropped_or_fails_the_refresh_by_policy() {
    for (policy, goes) in [(IfDisabled::Skip, true), (IfDisabled::Fail, false)] {
        for map in [NameMap::new(), NameMap::new().only(["good", "bad-one"]).unwrap()] {
            for way in LIVE {
                let service = service(map.clone().disabled(policy), |_| {});
                let live = service.start::<Flat>(way).await.unwrap();
                service.vault.set_with("Bad-One", "canary", disabled).unwrap();
                match live.refresh_now().await {
                    Ok(change) => {
                        assert!(goes, "{way:?} {map:?}");
                        assert_eq!(change.unwrap().keys, ["bad_one"], "{way:?}");
                    }
                    Err(error) => {
                        assert!(!goes, "{way:?} {map:?} {error}");
                        assert_eq!(error.status(), ReferenceStatus::AccessToKeyVaultDenied, "{way:?}");
                        assert_eq!(live.current()["bad_one"], "canary", "the last good settings stay");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn reports_contain_the_issues_that_were_found() {
    let service = service(NameMap::new(), disabled);
    service.vault.set_with("old", "canary", expired).unwrap();
    service.vault.set_with("young", "canary", not_yet_valid).unwrap();
    let map = NameMap::new().not_yet_valid(IfOutdated::Skip);
    let named = Resolver::from(service.vault).mapped(&map).await.unwrap();
    let found: Vec<_> = named.notes().iter().map(|note| (note.key.to_string(), note.is_taken)).collect();
    assert_eq!(found, [("bad_one".into(), false), ("old".into(), true), ("young".into(), false)]);
    let [bad, old, young] = named.notes() else { panic!("three notes") };
    assert_eq!(bad.issue, SecretIssue::Disabled);
    assert!(matches!(old.issue, SecretIssue::Expired { since } if since < SystemTime::now()));
    assert!(matches!(young.issue, SecretIssue::NotYetValid { until } if until > SystemTime::now()));
    assert!(old.secret.version().is_some(), "it was got");
    assert_free_of(&format!("{:?}", named.notes()), &["canary"]);
}

#[tokio::test]
async fn a_report_lists_skipped_secrets_and_marks_the_ones_used_with_a_warning() {
    let map = NameMap::new().not_yet_valid(IfOutdated::Skip);
    let service = service(map, disabled);
    service.vault.set_with("old", "canary", expired).unwrap();
    service.vault.set_with("young", "canary", not_yet_valid).unwrap();
    for way in LIVE {
        let live = service.start::<Flat>(way).await.unwrap();
        let published = live.published();
        let report = published.report();
        let row = |setting: &str| report.rows().iter().find(|row| row.setting == setting).unwrap();
        assert!(report.is_resolved(), "{way:?} {report}");
        for (setting, status, is_absent, detail) in [
            ("good", ReferenceStatus::Resolved, false, ""),
            ("bad_one", ReferenceStatus::AccessToKeyVaultDenied, true, "secret is disabled"),
            ("old", ReferenceStatus::Resolved, false, "secret expired on "),
            ("young", ReferenceStatus::OtherReasons, true, "secret is not valid before "),
        ] {
            let row = row(setting);
            assert_eq!((row.status, row.is_absent), (status, is_absent), "{way:?} {report}");
            assert!(row.detail.as_deref().unwrap_or_default().starts_with(detail), "{way:?} {report}");
            assert_eq!(row.origin, "the names in vault contoso", "{way:?}");
        }
        assert!(report.to_string().contains("skipped by the name map"), "{report}");
        assert_free_of(&report.to_string(), &["canary"]);
    }
}
