//! Secrets named one by one need no permission to list the vault.

use std::collections::BTreeMap;

use keyvault::settings::SecretIssue;
use keyvault::{Error, ErrorKind, NameMap, ReferenceStatus, Resolver};

use super::service::{LIVE, Service, WAYS};

type Flat = BTreeMap<String, String>;

fn map() -> NameMap {
    NameMap::new().only(["Api-Key", "PORT"]).unwrap().optionally(["sentry-dsn"]).unwrap()
}

#[tokio::test]
async fn listed_names_are_fetched_by_name_without_a_list() {
    let service = Service::new(map()).secret("api-key", "k").secret("port", "80").secret("other", "canary");
    for way in WAYS {
        let before = service.vault.reads();
        let settings = service.settings::<Flat>(way).await.unwrap();
        let expected = [("api_key".into(), "k".into()), ("port".into(), "80".into())];
        assert_eq!(*settings, Flat::from(expected), "{way:?}");
        let reads = service.vault.reads();
        assert_eq!((reads.gets - before.gets, reads.lists), (3, 0), "{way:?}");
    }
}

#[tokio::test]
async fn a_missing_listed_name_is_an_error_unless_it_is_optional() {
    let service = Service::new(map()).secret("port", "80");
    for way in WAYS {
        let error = service.settings::<Flat>(way).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::NotFound, ReferenceStatus::SecretNotFound), "{way:?}");
        assert_eq!(error.setting(), Some("api_key"), "{way:?}");
        assert!(error.to_string().contains("Api-Key in contoso"), "{error}");
    }
    let named = Resolver::from(service.secret("api-key", "k").vault).mapped(&map()).await.unwrap();
    let [note] = named.notes() else { panic!("{:?}", named.notes()) };
    assert_eq!((note.key.to_string(), note.issue, note.is_taken), ("sentry_dsn".into(), SecretIssue::Missing, false));
    assert_eq!(note.to_string(), "sentry_dsn is skipped: secret not found: sentry-dsn in contoso");
}

#[tokio::test]
async fn an_optional_listed_name_may_appear_and_disappear() {
    for way in LIVE {
        let service = Service::new(map()).secret("api-key", "k").secret("port", "80");
        let live = service.start::<Flat>(way).await.unwrap();
        service.vault.set("sentry-dsn", "s").unwrap();
        assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["sentry_dsn"], "{way:?}");
        service.vault.delete("sentry-dsn");
        assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["sentry_dsn"], "{way:?}");
        service.vault.delete("port");
        live.refresh_now().await.unwrap_err();
        assert_eq!(live.current()["port"], "80", "{way:?}");
    }
}

#[tokio::test]
async fn a_name_without_a_key_is_refused_before_any_request() {
    let names = ["Shop--Port", "Billing--Port", "Shop--", "Billing--Host"];
    let service = Service::new(NameMap::new().prefix("Shop--").only(names).unwrap()).secret("Shop--Port", "80");
    for way in WAYS {
        let error = service.settings::<Flat>(way).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{way:?}");
        assert_eq!(error.failures().len(), 3, "{way:?} {error:?}");
        for name in &names[1..] {
            assert!(error.to_string().contains(name), "{way:?} {error}");
        }
        assert!(error.failures().iter().all(|failure| failure.advice().is_some()), "{error:?}");
    }
    assert_eq!(service.vault.reads(), Default::default());
}

#[tokio::test]
async fn other_failures_count_even_for_optional_names() {
    let service = Service::new(NameMap::new().optionally(["a"]).unwrap());
    for kind in [ErrorKind::Denied, ErrorKind::Unavailable] {
        service.vault.fail(Error::new(kind, "vault refuses"));
        for way in [super::service::Way::ConfigOnce, super::service::Way::FigmentOnce] {
            let error = service.settings::<Flat>(way).await.unwrap_err();
            assert_eq!((error.kind(), error.setting()), (kind, Some("a")), "{way:?}");
        }
    }
}

#[tokio::test]
async fn filters_apply_to_listed_names() {
    let map = NameMap::new().only(["a", "b"]).unwrap().tag("app");
    let service = Service::new(map).secret("a", "canary");
    service.vault.set_with("b", "v", |properties| properties.set_tag("app", "")).unwrap();
    for way in WAYS {
        let settings = service.settings::<Flat>(way).await.unwrap();
        assert_eq!(*settings, Flat::from([("b".into(), "v".into())]), "{way:?}");
    }
}
