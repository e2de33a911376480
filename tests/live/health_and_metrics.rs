//! Health and metrics contain every fact they promise, and no value.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use keyvault::push::{SecretEvent, SecretEventKind};
use keyvault::{Error, ErrorKind, Live, SecretId};
use keyvault_test_support::json_schema::assert_conforms;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use super::service::{MINUTE, Service, Settings};

#[tokio::test(start_paused = true)]
async fn health_is_json_without_a_value_in_it() {
    let service = Service::new();
    let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_800);
    let version = service.vault.set_with("password", "canary", |properties| properties.set_expires(expires)).unwrap();
    let live: Live<Settings> = service.layered().max_staleness(MINUTE * 10).start().await.unwrap();
    let id = SecretId::parse("https://contoso.vault.azure.net/secrets/password").unwrap();
    live.notify(SecretEvent::new(id.with_version(version.clone()), SecretEventKind::NewVersion));
    let health = serde_json::to_value(live.health()).unwrap();
    let schema = serde_json::from_str(include_str!("../../docs/schemas/health.schema.json")).unwrap();
    assert_conforms(&health, &schema);
    assert_eq!(health["is_healthy"], true);
    let fields: BTreeSet<&str> = health.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "age",
        "consecutive_failures",
        "generation",
        "is_following",
        "is_healthy",
        "is_revoked",
        "is_stale",
        "is_too_old",
        "kept",
        "last_error",
        "next_refresh",
        "push",
        "sealed",
        "secrets",
    ];
    assert_eq!(fields, expected.into());
    assert_eq!(health["secrets"].as_array().unwrap().len(), 2);
    let password = &health["secrets"].as_array().unwrap().iter().find(|secret| secret["secret"] == "password").unwrap();
    assert_eq!(password["version"], version.to_string());
    assert_eq!((&password["vault"], &password["status"]), (&"contoso".into(), &"current".into()));
    assert_eq!(password["expires"], "2100-01-01T00:00:00Z");
    assert_eq!((&health["push"]["received"], &health["push"]["heeded"]), (&1.into(), &0.into()));

    service.vault.fail(Error::new(ErrorKind::Unavailable, "vault is down"));
    tokio::time::sleep(MINUTE * 20).await;
    let health = serde_json::to_value(live.health()).unwrap();
    assert_eq!((&health["is_healthy"], &health["is_too_old"]), (&false.into(), &true.into()));
    assert!(health["age"].as_f64().unwrap() >= 1_200.0, "{health}");
    assert!(health["last_error"].as_str().unwrap().contains("vault is down"), "{health}");
    assert!(!health.to_string().contains("canary"));
    assert_conforms(&health, &schema);
}

#[tokio::test(start_paused = true)]
async fn metrics_count_refreshes_fetches_throttles_and_expiry_without_a_value() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let service = Service::new();
    let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_800);
    service.vault.set_with("password", "canary", |properties| properties.set_expires(expires)).unwrap();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    live.refresh_now().await.unwrap();
    service.vault.set("user", "bob").unwrap();
    live.refresh_now().await.unwrap();
    let kind = ErrorKind::Throttled { retry_after: None };
    service.vault.fail(Error::new(kind, "vault is throttling"));
    live.refresh_now().await.unwrap_err();

    let recorded = snapshotter.snapshot().into_vec();
    let find = |name: &str, label: Option<(&str, &str)>| {
        let found = recorded.iter().find(|(key, ..)| {
            let mut labels = key.key().labels();
            key.key().name() == name && label.is_none_or(|pair| labels.any(|l| (l.key(), l.value()) == pair))
        });
        match found.unwrap_or_else(|| panic!("{name} {label:?} is recorded")).3 {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(_) => panic!("{name} is no histogram"),
        }
    };
    for outcome in ["changed", "unchanged", "failed"] {
        assert_eq!(find("keyvault_refreshes_total", Some(("outcome", outcome))), 1.0, "{outcome}");
    }
    assert_eq!(find("keyvault_consecutive_failures", None), 1.0);
    assert!(find("keyvault_settings_age_seconds", None) < 60.0);
    assert_eq!(find("keyvault_fetches_total", Some(("outcome", "ok"))), 6.0);
    assert_eq!(find("keyvault_fetches_total", Some(("outcome", "failed"))), 2.0);
    assert_eq!(find("keyvault_throttles_total", Some(("vault", "contoso"))), 2.0);
    assert_eq!(find("keyvault_secret_expiry_timestamp_seconds", Some(("secret", "password"))), 4_102_444_800.0);
    let labels: BTreeSet<String> =
        recorded.iter().flat_map(|(key, ..)| key.key().labels().map(|label| label.value().to_owned())).collect();
    let allowed = ["changed", "unchanged", "failed", "ok", "contoso", "password"].map(str::to_owned);
    assert_eq!(labels, allowed.into(), "no value, no version, no token");
}
