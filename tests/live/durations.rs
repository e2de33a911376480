//! Every duration of every builder is used, limited or refused, however short or long it is.

use std::sync::Arc;
use std::time::Duration;

use keyvault::client::SecretClientBuilder;
use keyvault::derive::Derive;
use keyvault::push::{PushEvent, StorageQueue};
use keyvault::{Error, ErrorKind, Layers, LiveBuilder, Resolver, SealedSnapshot, SealingKey, ValidationError};
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::deadline::within_an_hour;
use keyvault_test_support::transport::{FakeResponse, FakeTransport};
use tokio::time::sleep;

use super::service::{MINUTE, Service, Settings};

const DURATIONS: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_nanos(1),
    // An instant can represent it; the same time of day is out of range.
    Duration::from_secs(i64::MAX as u64 - 1_000_000_000),
    Duration::from_secs(u64::MAX),
    Duration::MAX,
];

/// Sets one duration of a builder.
type Set<B> = fn(B, Duration) -> B;

/// The setters of a builder of settings, and whether each refuses a nanosecond.
fn setters<L: Layers>(_: &LiveBuilder<L>) -> Vec<(&'static str, bool, Set<LiveBuilder<L>>)> {
    vec![
        ("refresh_every", true, |builder, time| builder.refresh_every(time)),
        ("refresh_secret_every", true, |builder, time| builder.refresh_secret_every("password", time)),
        ("debounce", false, |builder, time| builder.debounce(time, time)),
        ("debounce's maximum", false, |builder, time| builder.debounce(Duration::ZERO, time)),
        ("rejection_budget", false, |builder, time| builder.rejection_budget(u32::MAX, time)),
        ("rejection_budget of one", false, |builder, time| builder.rejection_budget(1, time)),
        ("expiry_notice", false, |builder, time| builder.expiry_notice(time)),
        ("startup_deadline", true, |builder, time| builder.startup_deadline(time)),
        ("minimum_failure_delay", false, |builder, time| builder.minimum_failure_delay(time)),
        ("refresh_deadline", true, |builder, time| builder.refresh_deadline(time)),
        ("max_staleness", false, |builder, time| builder.max_staleness(time)),
        ("event_spread", false, |builder, time| builder.event_spread(time)),
    ]
}

#[tokio::test(start_paused = true)]
async fn settings_start_and_follow_with_any_duration_that_is_not_refused() {
    for number in 0..setters(&Service::new().layered()).len() {
        for time in DURATIONS {
            let service = Service::new();
            let builder = service.layered();
            let (name, refuses, set) = setters(&builder)[number];
            let started = within_an_hour(set(builder, time).start::<Settings>()).await;
            let live = match started {
                Ok(live) => live,
                Err(error) => {
                    assert!(refuses && time < Duration::from_millis(1), "{name} {time:?}: {error}");
                    assert_eq!(error.kind(), ErrorKind::Invalid, "{name}");
                    continue;
                }
            };
            assert!(!refuses || time > MINUTE, "{name} {time:?}");
            for _ in 0..3 {
                _ = within_an_hour(live.report_rejected("password")).await;
                live.notify(PushEvent::MayHaveLost);
                sleep(MINUTE).await;
            }
            service.vault.fail(Error::new(ErrorKind::Unavailable, "vault is down"));
            _ = within_an_hour(live.refresh_now()).await;
            sleep(MINUTE * 10).await;
            service.vault.fail(None);
            service.rotate("second");
            within_an_hour(live.refresh_now()).await.unwrap();
            let health = live.health();
            assert!(health.is_following && live.current().password == "second", "{name} {time:?}: {health:?}");
            within_an_hour(live.shutdown()).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_start_ends_with_any_duration() {
    let service = Service::new();
    service.vault.delete("password");
    for (name, _, set) in setters(&service.layered()) {
        for time in DURATIONS {
            let failed = within_an_hour(set(service.layered(), time).start::<Settings>()).await;
            assert!(failed.is_err(), "{name} {time:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn resources_follow_with_any_duration() {
    type Setter = Set<Derive<Settings, String>>;
    let setters: [(&str, Setter); 7] = [
        ("build_deadline", |derive, time| derive.build_deadline(time)),
        ("retry", |derive, time| derive.retry(time, time)),
        ("retry's first", |derive, time| derive.retry(time, MINUTE)),
        ("retry's longest", |derive, time| derive.retry(MINUTE, time)),
        ("start_deadline", |derive, time| derive.start_deadline(time)),
        ("grace", |derive, time| derive.grace(time)),
        ("drain_deadline", |derive, time| derive.drain_deadline(time)),
    ];
    for (name, set) in setters {
        for time in DURATIONS {
            let service = Service::new();
            let live = service.layered().start::<Settings>().await.unwrap();
            let derive = live.derive(["password"], async |settings: Arc<Settings>| match settings.password.as_str() {
                "bad" => Err(ValidationError::new("the password is bad")),
                password => Ok(password.to_owned()),
            });
            let derive = derive.drain(async |_| sleep(Duration::from_millis(1)).await);
            let derived = within_an_hour(set(derive, time).into_future()).await.unwrap();
            for password in ["second", "bad", "third"] {
                service.rotate(password);
                within_an_hour(live.refresh_now()).await.unwrap();
                sleep(Duration::from_secs(1)).await;
            }
            let health = derived.health();
            assert!(health.is_following && *derived.current() == "third", "{name} {time:?}: {health:?}");
            within_an_hour(derived.shutdown()).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_works_with_any_timeout_that_is_not_refused() {
    let transport = FakeTransport::scripted(|request| {
        let id = format!("https://contoso.vault.azure.net{}/0af1", request.url.path().trim_end_matches('/'));
        Ok(FakeResponse::new(200, format!(r#"{{"value":"x","id":"{id}"}}"#)))
    });
    let credential = FakeCredential::fixed("token");
    let builder = || -> SecretClientBuilder { transport.client(&credential) };
    for time in DURATIONS {
        let client = match builder().timeout(time).build() {
            Ok(client) => client,
            Err(error) => {
                assert!(error.kind() == ErrorKind::Invalid && time < Duration::from_millis(1), "{time:?}: {error}");
                continue;
            }
        };
        assert_eq!(client.get("a").await.unwrap().expose_secret(), "x", "{time:?}");
    }
    for time in DURATIONS {
        let resolver = Resolver::builder(builder().build().unwrap()).max_age(time).build().unwrap();
        for _ in 0..2 {
            let resolved = resolver.resolve("@KeyVault(SecretName=a)").await.unwrap().unwrap();
            assert_eq!(resolved.expose_secret(), "x", "{time:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sealed_snapshot_works_with_any_duration() {
    let key = || SealingKey::from_bytes(b"0123456789abcdefghijklmnopqrstuv").unwrap();
    let setters: [(&str, Set<SealedSnapshot>); 2] =
        [("max_age", SealedSnapshot::max_age), ("use_after", SealedSnapshot::use_after)];
    for (name, set) in setters {
        for time in DURATIONS {
            let directory = tempfile::tempdir().unwrap();
            let service = Service::new();
            let sealed = || set(SealedSnapshot::new(directory.path().join("sealed"), key()), time);
            let live = service.layered().sealed(sealed()).start::<Settings>().await.unwrap();
            service.rotate("second");
            live.refresh_now().await.unwrap();
            live.shutdown().await;
            service.vault.fail(Error::new(ErrorKind::Unavailable, "vault is down"));
            let in_outage = within_an_hour(service.layered().sealed(sealed()).start::<Settings>()).await;
            let is_too_old = name == "max_age" && time < Duration::from_millis(1);
            assert_eq!(in_outage.is_err(), is_too_old, "{name} {time:?}");
        }
    }
}

#[test]
fn a_queue_refuses_a_pause_out_of_range() {
    for time in DURATIONS {
        let url = "https://contoso.queue.core.windows.net/shop?sig=x";
        let error = StorageQueue::builder(url).longest_pause(time).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{time:?}");
    }
}
