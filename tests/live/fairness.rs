//! No vault and no source of work holds back another: rejections, events, intervals and requested refreshes.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::future::{join_all, select};
use futures::stream::{self, StreamExt};
use keyvault::live::CredentialCheck;
use keyvault::push::{SecretEvent, SecretEventKind};
use keyvault::{Error, ErrorKind, Live, NameMap, Policy, Resolver, Secret, SecretId, SecretStore};
use keyvault_test_support::store::{FakeStore, Switch};
use proptest::prelude::*;
use tokio::time::{Instant, sleep, timeout};

use super::service::{MINUTE, Service, Settings};
use super::two_vaults::{DEADLINE, INTERVAL, SECOND, TROUBLES, Trouble, TwoVaults};

fn user(service: &Service, text: &str) -> SecretEvent {
    let version = service.vault.set("user", text).unwrap();
    let id = SecretId::parse("https://contoso.vault.azure.net/secrets/user").unwrap();
    SecretEvent::new(id.with_version(version), SecretEventKind::NewVersion)
}

/// Runs `step` while callers report the password as rejected, again and again. Each report is answered within its
/// deadline.
async fn while_reporting<T>(live: &Live<Settings>, callers: usize, step: impl Future<Output = T>) -> T {
    let report = async || {
        loop {
            let answer = timeout(DEADLINE + SECOND, live.report_rejected("password")).await;
            let answer = answer.expect("a report is answered within its deadline");
            sleep(if answer.is_ok() { SECOND / 10 } else { SECOND / 100 }).await;
        }
    };
    let reports = Box::pin(async {
        join_all((0..callers).map(|_| report())).await;
        pending::<()>().await;
    });
    match select(Box::pin(step), reports).await {
        futures::future::Either::Left((done, _)) => done,
        futures::future::Either::Right(_) => unreachable!("they report without end"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_call_is_answered_while_callers_report_to_a_vault_that_fails() {
    for trouble in TROUBLES {
        let vaults = TwoVaults::new(trouble);
        let live: Live<Settings> = vaults.layered().rejection_budget(1_000, SECOND).start().await.unwrap();
        vaults.broken.turn(true);
        while_reporting(&live, 4, async {
            for _ in 0..5 {
                sleep(SECOND).await;
                let answer = timeout(DEADLINE + SECOND / 10, live.refresh_now()).await;
                answer.unwrap_or_else(|_| panic!("{trouble:?}: within its deadline")).unwrap_err();
            }
        })
        .await;
        let health = live.health();
        assert!(health.consecutive_failures >= 5 && health.last_error.is_some(), "{trouble:?}: {health:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn health_turns_red_while_callers_report_to_a_vault_that_fails() {
    for trouble in TROUBLES {
        let vaults = TwoVaults::new(trouble);
        let builder = vaults.layered().rejection_budget(1_000, SECOND).max_staleness(MINUTE);
        let live: Live<Settings> = builder.start().await.unwrap();
        vaults.broken.turn(true);
        while_reporting(&live, 4, sleep(MINUTE + INTERVAL * 2)).await;
        assert!(!live.health().is_healthy(), "{trouble:?}: the password was read long ago: {:?}", live.health());
        vaults.broken.turn(false);
        sleep(MINUTE * 2).await;
        let health = live.health();
        assert!(health.is_healthy() && health.last_error.is_none(), "{trouble:?}: {health:?}");
    }
}

/// A report that is answered at once changes nothing that a running refresh depends on.
#[tokio::test(start_paused = true)]
async fn a_rotation_is_published_while_callers_report_a_secret_that_has_nothing_newer() {
    let service = Service::new();
    let login = |_: Arc<Settings>| async {
        sleep(SECOND / 2).await;
        Ok(())
    };
    let live: Live<Settings> = service.layered().validate_async(login).start().await.unwrap();
    while_reporting(&live, 4, async {
        sleep(MINUTE).await;
        for round in 0..5 {
            let name = format!("user {round}");
            service.vault.set("user", name.as_str()).unwrap();
            timeout(SECOND * 5, live.refresh_now()).await.expect("reports hold up no refresh").unwrap();
            assert_eq!(live.current().user, name);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_seen_at_its_interval_while_another_vault_fails() {
    for trouble in TROUBLES {
        for policy in [Policy::Required, Policy::KeepLastGood] {
            for callers in [0, 2] {
                let vaults = TwoVaults::new(trouble);
                let live: Live<Settings> = vaults.layered().policy("password", policy).start().await.unwrap();
                vaults.broken.turn(true);
                while_reporting(&live, callers, async {
                    for round in 0..10 {
                        let took = vaults.rotate_user(&live, &format!("user {round}")).await;
                        // The first refresh finds out that the other vault fails.
                        let first = if round == 0 { DEADLINE } else { Duration::ZERO };
                        let longest = INTERVAL.mul_f64(1.1) + first + SECOND;
                        assert!(took <= longest, "{trouble:?} {policy:?} {callers} {round}: {took:?}");
                        sleep(MINUTE).await;
                    }
                })
                .await;
                assert!(live.health().last_error.is_some(), "{trouble:?}: the remaining failure stays visible");
                assert!(live.health().age > MINUTE * 9, "{trouble:?}: the password was read long ago");
                vaults.broken.turn(false);
                vaults.other.set("password", "second").unwrap();
                sleep(MINUTE * 2).await;
                assert_eq!(live.current().password, "second", "{trouble:?}: the vault is included again");
                let health = live.health();
                assert!(health.last_error.is_none() && health.age <= MINUTE, "{trouble:?}: {health:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_acted_on_with_default_timings_while_another_vault_fails() {
    for trouble in TROUBLES {
        for policy in [Policy::Required, Policy::KeepLastGood] {
            let vaults = TwoVaults::new(trouble);
            let builder = vaults.service.layered_over(vaults.resolver()).refresh_every(MINUTE * 5);
            let live: Live<Settings> = builder.policy("password", policy).start().await.unwrap();
            vaults.broken.turn(true);
            // Rejections are not answered within the ten seconds of the other tests.
            let reports = async {
                loop {
                    _ = live.report_rejected("password").await;
                    sleep(SECOND / 10).await;
                }
            };
            let events = async {
                for round in 0..40 {
                    let name = format!("user {round}");
                    live.notify(user(&vaults.service, &name));
                    let began = Instant::now();
                    while live.current().user != name {
                        // The spread, and the second for which a refresh that just began may come first.
                        assert!(began.elapsed() <= SECOND * 32, "{trouble:?} {policy:?}: {:?}", live.health());
                        sleep(SECOND / 10).await;
                    }
                    sleep(SECOND * 17).await;
                }
            };
            tokio::select! {
                () = events => {}
                () = reports => {}
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_seen_while_the_default_vault_cannot_be_listed() {
    for hangs in [true, false] {
        let (vaults, broken) = (TwoVaults::new(Trouble::Refuses), Switch::default());
        let flag = broken.clone();
        let default = FakeStore::new(&vaults.service.vault).list(move |vault| match (flag.is_on(), hangs) {
            (false, _) => vault.list(),
            (true, true) => stream::pending().boxed(),
            (true, false) => {
                stream::once(async { Err(Error::new(ErrorKind::Unavailable, "vault cannot be listed")) }).boxed()
            }
        });
        let resolver = Resolver::builder(default).vault(vaults.other.clone()).build().unwrap();
        let builder = vaults.service.layered_over(resolver).names(NameMap::new()).refresh_every(INTERVAL);
        let live: Live<Settings> = builder.refresh_deadline(DEADLINE).start().await.unwrap();
        broken.turn(true);
        sleep(MINUTE).await;
        for round in 0..5 {
            let password = format!("password {round}");
            vaults.other.set("password", password.as_str()).unwrap();
            sleep(INTERVAL.mul_f64(1.1) + SECOND).await;
            assert_eq!(live.current().password, password, "hangs: {hangs}");
            sleep(MINUTE).await;
        }
        assert!(live.health().last_error.is_some() && live.health().age > MINUTE, "hangs: {hangs}");
        broken.turn(false);
        sleep(MINUTE * 2).await;
        assert!(live.health().last_error.is_none() && live.health().age < MINUTE, "hangs: {hangs}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_about_one_vault_is_answered_while_another_hangs() {
    let vaults = TwoVaults::new(Trouble::Hangs);
    let both = "@KeyVault(SecretName=user):@KeyVault(VaultName=fabrikam;SecretName=password)";
    vaults.service.write("both", both);
    let live: Live<Settings> = vaults.layered().start().await.unwrap();
    vaults.broken.turn(true);
    let hanging = async { live.report_rejected("password").await };
    let answered = async {
        sleep(SECOND).await;
        vaults.service.vault.set("user", "bob").unwrap();
        let asked = Instant::now();
        assert_eq!(live.report_rejected("user").await.unwrap(), CredentialCheck::Changed);
        assert!(asked.elapsed() < SECOND);
        assert_eq!(live.current().user, "bob");
        // A report about both is answered when the first of its secrets has changed, or at the deadline.
        vaults.service.vault.set("user", "cat").unwrap();
        assert_eq!(live.report_rejected("both").await.unwrap(), CredentialCheck::Changed);
        assert!(asked.elapsed() < SECOND);
        live.report_rejected("both").await.unwrap_err();
        assert!(asked.elapsed() <= DEADLINE + SECOND);
    };
    let (hanging, ()) = tokio::join!(hanging, answered);
    assert_eq!(hanging.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_new_in_the_layers_and_fails_is_retried_with_pauses() {
    let vaults = TwoVaults::new(Trouble::Refuses);
    let live: Live<Settings> = vaults.layered().start().await.unwrap();
    vaults.broken.turn(true);
    vaults.service.write("password", "@KeyVault(VaultName=fabrikam;SecretName=new)");
    let before = vaults.other.reads().gets;
    sleep(MINUTE * 5).await;
    let asked = vaults.other.reads().gets - before;
    assert!((3..30).contains(&asked), "{asked} requests");
    assert!(live.health().consecutive_failures > 2);
}

/// A refresh that others overtake must neither bring an old version back nor lose what it read.
#[tokio::test(start_paused = true)]
async fn a_slow_refresh_takes_over_what_others_published_meanwhile() {
    let vaults = TwoVaults::new(Trouble::Refuses);
    vaults.other.on_get(|_| async {
        sleep(SECOND * 5).await;
        Ok(())
    });
    let live: Live<Settings> = vaults.layered().event_spread(Duration::ZERO).start().await.unwrap();
    let mut watcher = live.watch();
    vaults.other.set("password", "second").unwrap();
    let overtaking = async {
        sleep(SECOND * 2).await;
        live.notify(user(&vaults.service, "bob"));
        sleep(SECOND).await;
        assert_eq!(live.current().user, "bob", "the event does not wait");
    };
    let (change, ()) = tokio::join!(live.refresh_now(), overtaking);
    assert_eq!(change.unwrap().unwrap().keys, ["password"]);
    assert_eq!((live.current().user.as_str(), live.current().password.as_str()), ("bob", "second"));
    assert_eq!(watcher.changed().await.unwrap().keys, ["password", "user"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever arrives in whatever order, each caller is answered within its deadline and each rotation is seen.
    #[test]
    fn no_source_of_work_starves_another(
        work in prop::collection::vec((0u8..6, 0u64..8_000), 1..60),
        trouble in prop::sample::select(TROUBLES.to_vec()),
        keeps in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async move {
            let vaults = TwoVaults::new(trouble);
            let policy = if keeps { Policy::KeepLastGood } else { Policy::Required };
            let builder = vaults.layered().policy("password", policy).event_spread(SECOND * 3);
            let builder = builder.refresh_secret_every("password", SECOND * 7).rejection_budget(1_000, SECOND);
            let live: Live<Settings> = builder.start().await.unwrap();
            vaults.broken.turn(true);
            let mut tasks = Vec::new();
            let (mut rotations, mut second) = (0, 0);
            for (kind, pause) in work {
                sleep(Duration::from_millis(pause)).await;
                let live = live.clone();
                match kind {
                    0 => tasks.push(tokio::spawn(async move {
                        let answer = timeout(DEADLINE + SECOND, live.refresh_now()).await;
                        assert!(answer.is_ok(), "a refresh call starves");
                    })),
                    1 | 2 => tasks.push(tokio::spawn(async move {
                        let answer = timeout(DEADLINE + SECOND, live.report_rejected("password")).await;
                        assert!(answer.is_ok(), "a report starves");
                    })),
                    3 => tasks.push(tokio::spawn(async move {
                        let answer = timeout(DEADLINE + SECOND, live.refresh_if_due()).await;
                        assert!(answer.is_ok(), "a call for what is due starves");
                    })),
                    4 => {
                        let id = SecretId::parse("https://fabrikam.vault.azure.net/secrets/password").unwrap();
                        live.notify(SecretEvent::new(id, SecretEventKind::NewVersion));
                    }
                    _ => {
                        rotations += 1;
                        second += 1;
                        let name = format!("user {rotations}");
                        let made = SystemTime::now() + SECOND * second;
                        let version =
                            vaults.service.vault.set_with("user", name, |secret| secret.set_created(made)).unwrap();
                        let id = SecretId::parse("https://contoso.vault.azure.net/secrets/user").unwrap();
                        if pause % 2 == 0 {
                            let event = SecretEvent::new(id.with_version(version), SecretEventKind::NewVersion);
                            live.notify(event);
                        }
                        let number = rotations;
                        // The refresh that ran before the rotation, and the one that reads it.
                        let longest =
                            if pause % 2 == 0 { SECOND * 5 } else { INTERVAL.mul_f64(1.1) + DEADLINE * 2 + SECOND };
                        tasks.push(tokio::spawn(async move {
                            sleep(longest).await;
                            let seen = live.current().user.strip_prefix("user ").map(|seen| seen.parse::<u32>());
                            assert!(
                                seen.is_some_and(|seen| seen.unwrap() >= number),
                                "rotation {number} starves for {longest:?}"
                            );
                        }));
                    }
                }
            }
            for task in tasks {
                task.await.unwrap();
            }
        });
    }
}

/// Compares the age with the time since a value was replaced.
#[tokio::test(start_paused = true)]
async fn the_age_counts_from_the_read_of_the_oldest_secret() {
    let vaults = TwoVaults::new(Trouble::Refuses);
    let other = FakeStore::new(&vaults.other).get(|vault, id| async move {
        // The value is read at the beginning, and the answer takes its time.
        let secret: keyvault::Result<Secret> = vault.get(&id).await;
        sleep(SECOND * 8).await;
        secret
    });
    let resolver = Resolver::builder(vaults.service.vault.clone()).vault(other).build().unwrap();
    let builder = vaults.service.layered_over(resolver).refresh_every(MINUTE).max_staleness(SECOND * 5);
    let live: Live<Settings> = builder.refresh_deadline(DEADLINE).event_spread(Duration::ZERO).start().await.unwrap();
    assert!(live.health().age >= SECOND * 8, "{:?}", live.health().age);
    let (refreshed, ()) = tokio::join!(live.refresh_now(), async {
        sleep(SECOND).await;
        vaults.other.set("password", "second").unwrap();
    });
    assert_eq!((refreshed.unwrap(), live.current().password.as_str()), (None, "first"));
    let health = live.health();
    assert!(health.age >= SECOND * 8 && !health.is_healthy(), "it was replaced 7 seconds ago: {health:?}");
    let asked = Instant::now();
    assert_eq!(live.report_rejected("password").await.unwrap(), CredentialCheck::Changed);
    assert!(live.health().age >= asked.elapsed(), "{:?}", live.health().age);
    sleep(SECOND * 20).await;
    live.notify(user(&vaults.service, "bob"));
    sleep(SECOND).await;
    assert_eq!(live.current().user, "bob");
    assert!(live.health().age >= SECOND * 29, "the other secret was not read: {:?}", live.health().age);
}
