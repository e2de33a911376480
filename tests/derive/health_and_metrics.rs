//! Health and metrics of a derived resource, without a value in them.

use std::collections::BTreeSet;

use keyvault::live::CredentialCheck;
use keyvault::{Live, SecretId};
use keyvault_test_support::deadline::within_an_hour;
use keyvault_test_support::json_schema::assert_conforms;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use super::service::{MINUTE, Service, Settings};

#[tokio::test(start_paused = true)]
async fn health_is_json_without_a_value_in_it() {
    let service = Service::new();
    service.vault.set("database--password", "canary").unwrap();
    let live = service.live().await;
    let pool = service.derive(&live).retry(MINUTE, MINUTE).await.unwrap();
    let schema = serde_json::from_str(include_str!("../../docs/schemas/derived-health.schema.json")).unwrap();
    let read_health = || {
        let health = serde_json::to_value(pool.health()).unwrap();
        assert_conforms(&health, &schema);
        health
    };
    let good = serde_json::json!({
        "generation": 1, "behind": null, "consecutive_failures": 0, "last_error": null, "next_build": null,
        "is_following": true, "is_healthy": true,
    });
    assert_eq!(read_health(), good);

    let mut watcher = pool.watch();
    service.rotate(&live, "bad").await;
    within_an_hour(watcher.next()).await.unwrap();
    tokio::time::sleep(MINUTE / 2).await;
    let health = read_health();
    assert_eq!((&health["generation"], &health["consecutive_failures"]), (&1.into(), &1.into()));
    assert_eq!(health["behind"], 30.0);
    assert!(health["next_build"].as_f64().unwrap() <= 45.0, "{health}");
    let error = health["last_error"].as_str().unwrap();
    assert!(error.ends_with("could not be built: the database refuses the login"), "{error}");
    assert!(!health.to_string().contains("canary"));
}

#[tokio::test(start_paused = true)]
async fn metrics_count_every_build_without_a_value() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let service = Service::new();
    let live = service.live().await;
    let pool = service.derive(&live).retry(MINUTE, MINUTE).await.unwrap();
    let mut watcher = pool.watch();
    for password in ["bad", "panics", "second"] {
        service.rotate(&live, password).await;
        within_an_hour(watcher.next()).await.unwrap();
    }
    let recorded = snapshotter.snapshot().into_vec();
    let builds = recorded.iter().filter(|(key, ..)| key.key().name() == "keyvault_derived_builds_total");
    let mut samples = BTreeSet::new();
    for (key, _, _, value) in builds {
        let DebugValue::Counter(count) = value else { panic!("it is a counter") };
        let labels: Vec<String> =
            key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        samples.insert((labels.join(" "), *count));
    }
    let expected = [("keys=database outcome=failed", 2), ("keys=database outcome=ok", 2)];
    assert_eq!(samples, expected.map(|(labels, count)| (labels.to_owned(), count)).into());
}

/// While the next resource is built, or cannot be built, the settings are ahead: their version is not the one for which
/// the server refused the resource.
#[tokio::test(start_paused = true)]
async fn a_rejection_can_name_the_version_of_the_resource() {
    let service = Service::new();
    let live = service.live().await;
    let pool = service.derive(&live).await.unwrap();
    let used = |live: &Live<Settings>| -> SecretId {
        live.published().origins().get("database.password").unwrap().secrets()[0].clone()
    };
    let first = used(&live);
    let mut watcher = pool.watch();
    service.rotate(&live, "bad").await;
    within_an_hour(watcher.next()).await.unwrap();
    let (current, origins) = pool.current_with_origins();
    assert_eq!(current.password, "first");
    let built_from = &origins.get("database.password").unwrap().secrets()[0];
    assert_eq!(*built_from, first);
    assert_ne!(*built_from, used(&live), "the settings are ahead");
    let reads = service.vault.reads();
    assert_eq!(live.report_rejected(built_from).await.unwrap(), CredentialCheck::Changed);
    assert_eq!(service.vault.reads(), reads, "no request is needed");

    service.rotate(&live, "third").await;
    within_an_hour(watcher.replaced()).await.unwrap();
    let (current, origins) = pool.current_with_origins();
    assert_eq!(current.password, "third");
    assert_eq!(origins.get("database.password").unwrap().secrets()[0], used(&live));
}
