//! Each setting chooses what happens if its reference cannot be resolved. The failure always stays visible.

use std::time::Duration;

use keyvault::{Error, ErrorKind, Notice, Policy, ReferenceStatus};
use keyvault_test_support::log::Log;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::service::{BOTH, One, Service};

#[derive(Debug, Deserialize)]
struct Settings {
    smtp: Smtp,
    #[serde(default)]
    other: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Smtp {
    password: Option<String>,
    #[serde(default)]
    servers: Vec<String>,
}

const FILE: &str = "\
other = '@KeyVault(SecretName=other)'
[smtp]
password = 'p:@KeyVault(SecretName=smtp)'
";

fn service() -> Service {
    Service::new(FILE).references_only().secret("smtp", "first").secret("other", "one")
}

#[tokio::test]
async fn a_setting_that_a_pattern_makes_optional_is_absent_without_its_secret() {
    for framework in BOTH {
        for (pattern, is_optional) in
            [("smtp.password", true), ("smtp.*", true), ("**", true), ("smtp", false), ("smtp.user", false)]
        {
            let service = service().policy(pattern, Policy::Optional);
            service.vault.delete("smtp");
            let outcome = service.start::<Settings>(framework).await;
            match outcome {
                Ok(live) => {
                    assert!(is_optional, "{framework:?} {pattern}");
                    assert_eq!(live.current().smtp.password, None, "{framework:?} {pattern}");
                    let published = live.published();
                    let row = published.report().rows().iter().find(|row| row.setting == "smtp.password").unwrap();
                    assert!(row.is_optional && row.is_absent, "{framework:?} {pattern}");
                }
                Err(error) => {
                    assert!(!is_optional, "{framework:?} {pattern} {error}");
                    assert_eq!(error.setting(), Some("smtp.password"), "{framework:?} {pattern}");
                }
            }
        }
    }
}

#[tokio::test]
async fn optional_applies_only_to_secrets_that_do_not_exist() {
    for framework in BOTH {
        let service = service().policy("**", Policy::Optional);
        service.vault.fail(Error::new(ErrorKind::Denied, "access denied"));
        let error = service.start::<Settings>(framework).await.unwrap_err();
        assert_eq!((error.kind(), error.failures().len()), (ErrorKind::Denied, 2), "{framework:?}");
    }
}

#[tokio::test]
async fn a_pattern_that_requires_a_setting_overrides_an_optional_reference() {
    for framework in BOTH {
        let service = Service::new("value = '@KeyVault(SecretName=gone;Optional=true)'").references_only();
        assert!(service.start::<One<Option<String>>>(framework).await.unwrap().current().value.is_none());
        let service = service.policy("value", Policy::Required);
        let error = service.start::<One<Option<String>>>(framework).await.unwrap_err();
        assert_eq!(error.status(), ReferenceStatus::SecretNotFound, "{framework:?}");
    }
}

#[tokio::test]
async fn a_malformed_pattern_fails_the_start() {
    for framework in BOTH {
        let error =
            service().policy("smtp..password", Policy::Optional).start::<Settings>(framework).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{framework:?}");
        assert!(error.to_string().contains("pattern"), "{framework:?} {error}");
    }
}

#[tokio::test]
async fn the_last_good_version_stays_while_others_refresh_and_the_failure_is_visible() {
    type Spoil = fn(&Service);
    let spoils: [(&str, Spoil, ReferenceStatus); 2] = [
        ("deleted", |service| _ = service.vault.delete("smtp"), ReferenceStatus::SecretNotFound),
        (
            "disabled",
            |service| _ = service.vault.set_with("smtp", "canary", |properties| properties.set_enabled(false)).unwrap(),
            ReferenceStatus::AccessToKeyVaultDenied,
        ),
    ];
    for framework in BOTH {
        for (what, spoil, status) in spoils {
            let what = format!("{framework:?} {what}");
            let log = Log::begin();
            let service = service().policy("smtp.**", Policy::KeepLastGood);
            let live = service.start::<Settings>(framework).await.unwrap();
            let mut watcher = live.watch();
            spoil(&service);
            service.vault.set("other", "two").unwrap();

            let change = live.refresh_now().await.expect(&what).expect(&what);
            assert_eq!(change.keys, ["other"], "{what}");
            assert_eq!(live.current().smtp.password.as_deref(), Some("p:first"), "{what}");
            assert_eq!(live.current().other.as_deref(), Some("two"), "{what}");

            let health = live.health();
            assert_eq!((health.kept.len(), health.consecutive_failures), (1, 1), "{what}");
            assert_eq!(health.kept[0].setting(), Some("smtp.password"), "{what}");
            assert_eq!(health.kept[0].status(), status, "{what}");
            assert!(health.last_error.is_some(), "{what}");
            let published = live.published();
            let row = &published.report().rows()[0];
            assert_eq!((&*row.setting, row.status, row.is_kept), ("smtp.password", status, true), "{what}");
            assert!(row.version.is_some() && row.detail.is_some() && row.is_failed(), "{what}");
            assert!(!published.report().is_resolved(), "{what}");
            assert!(matches!(watcher.next().await, Some(Notice::Changed(_))), "{what}");
            assert!(matches!(watcher.next().await, Some(Notice::Failed(error)) if error.status() == status), "{what}");
            assert!(log.text().contains("last good version stays"), "{what} {}", log.text());

            // No setting changes, and the failure stays visible.
            assert_eq!(live.refresh_now().await.expect(&what), None, "{what}");
            assert_eq!((live.health().kept.len(), live.health().consecutive_failures), (1, 2), "{what}");

            service.vault.set_with("smtp", "second", |properties| properties.set_enabled(true)).unwrap();
            assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["smtp.password"], "{what}");
            assert_eq!(live.current().smtp.password.as_deref(), Some("p:second"), "{what}");
            assert!(live.health().kept.is_empty() && live.health().last_error.is_none(), "{what}");
            assert!(live.published().report().is_resolved(), "{what}");
        }
    }
}

#[tokio::test]
async fn a_secret_that_returns_unchanged_is_no_longer_reported_as_kept() {
    for framework in BOTH {
        let service = service().policy("smtp.**", Policy::KeepLastGood);
        let live = service.start::<Settings>(framework).await.unwrap();
        service.vault.fail(Error::new(ErrorKind::Denied, "access denied"));
        // The other setting has no policy, so the whole refresh fails.
        live.refresh_now().await.unwrap_err();
        assert!(live.health().kept.is_empty() && live.published().report().is_resolved(), "{framework:?}");

        let service = service.policy("other", Policy::KeepLastGood);
        let live = {
            service.vault.fail(None);
            service.start::<Settings>(framework).await.unwrap()
        };
        service.vault.fail(Error::new(ErrorKind::Denied, "access denied"));
        assert_eq!(live.refresh_now().await.unwrap(), None, "{framework:?}");
        assert_eq!(live.health().kept.len(), 2, "{framework:?}");
        assert!(!live.published().report().is_resolved(), "{framework:?}");
        assert_eq!(live.published().generation(), 1, "{framework:?}");
        service.vault.fail(None);
        assert_eq!(live.refresh_now().await.unwrap(), None, "{framework:?}");
        assert!(live.health().kept.is_empty() && live.published().report().is_resolved(), "{framework:?}");
    }
}

#[tokio::test]
async fn a_removed_member_keeps_its_last_good_value_while_others_get_the_new_version() {
    for framework in BOTH {
        let service = Service::new(
            "other = '@KeyVault(SecretName=json;Property=b)'\n[smtp]\npassword = '@KeyVault(SecretName=json;Property=a)'",
        );
        let service = service.references_only().policy("smtp.*", Policy::KeepLastGood);
        service.vault.set("json", r#"{"a":"A","b":"B"}"#).unwrap();
        let live = service.start::<Settings>(framework).await.unwrap();
        for round in 1..=3 {
            service.vault.set("json", format!(r#"{{"b":"B{round}"}}"#)).unwrap();
            assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["other"], "{framework:?}");
            assert_eq!(live.current().smtp.password.as_deref(), Some("A"), "{framework:?} {round}");
            assert_eq!(live.current().other, Some(format!("B{round}")), "{framework:?} {round}");
        }
    }
}

#[tokio::test]
async fn at_the_start_there_is_nothing_to_keep() {
    for framework in BOTH {
        let service = service().policy("smtp.**", Policy::KeepLastGood);
        service.vault.delete("smtp");
        let error = service.start::<Settings>(framework).await.unwrap_err();
        assert_eq!(error.setting(), Some("smtp.password"), "{framework:?}");

        let service = service.policy("smtp.**", Policy::Optional);
        let live = service.start::<Settings>(framework).await.unwrap();
        assert_eq!(live.current().smtp.password, None, "{framework:?}");
        assert!(live.health().kept.is_empty(), "{framework:?}");
        service.vault.set("smtp", "here").unwrap();
        live.refresh_now().await.unwrap();
        service.vault.delete("smtp");
        assert_eq!(live.refresh_now().await.unwrap(), None, "{framework:?}");
        assert_eq!(live.current().smtp.password.as_deref(), Some("p:here"), "{framework:?}");
    }
}

#[tokio::test]
async fn a_reference_that_is_new_or_malformed_is_not_kept() {
    for framework in BOTH {
        let service = service().policy("**", Policy::KeepLastGood);
        let live = service.start::<Settings>(framework).await.unwrap();
        for text in ["@KeyVault(SecretName=never-read)", "@KeyVault(SecretNam=smtp)"] {
            service.file.write(&format!("[smtp]\npassword = '{text}'"));
            let error = live.refresh_now().await.expect_err(text);
            assert_eq!(error.setting(), Some("smtp.password"), "{framework:?} {text}");
            assert_eq!(live.current().smtp.password.as_deref(), Some("p:first"), "{framework:?} {text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn settings_with_a_kept_secret_become_stale() {
    for framework in BOTH {
        let service = service().policy("smtp.**", Policy::KeepLastGood);
        let live = service.start::<Settings>(framework).await.unwrap();
        service.vault.delete("smtp");
        tokio::time::advance(Duration::from_secs(90)).await;
        live.refresh_now().await.unwrap();
        assert!(live.health().age >= Duration::from_secs(90), "{framework:?}");
    }
}

#[tokio::test]
async fn elements_of_arrays_are_kept_each() {
    let file = "[smtp]\nservers = ['@KeyVault(SecretName=a)', '@KeyVault(SecretName=b)']";
    for framework in BOTH {
        let service = Service::new(file).references_only().policy("smtp.servers[*]", Policy::KeepLastGood);
        let service = service.secret("a", "A").secret("b", "B");
        let live = service.start::<Settings>(framework).await.unwrap();
        service.vault.delete("a");
        service.vault.set("b", "BB").unwrap();
        assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["smtp.servers[1]"], "{framework:?}");
        assert_eq!(live.current().smtp.servers, ["A", "BB"], "{framework:?}");
    }
}

#[tokio::test]
async fn a_text_keeps_the_last_good_of_one_reference_and_takes_the_new_of_another() {
    for framework in BOTH {
        let service =
            Service::new("value = '@KeyVault(SecretName=user):@KeyVault(SecretName=password)'").references_only();
        let service = service.policy("value", Policy::KeepLastGood).secret("user", "ann").secret("password", "first");
        let live = service.start::<One<String>>(framework).await.unwrap();
        service.vault.delete("user");
        service.vault.set("password", "second").unwrap();
        live.refresh_now().await.unwrap().unwrap();
        assert_eq!(live.current().value, "ann:second", "{framework:?}");
        service.start::<IgnoredAny>(framework).await.unwrap_err();
    }
}
