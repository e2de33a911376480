//! The file: whole, its owner's alone, and without a readable secret in it.

use keyvault_test_support::canary::assert_free_of;
use keyvault_test_support::log::Log;
use std::fs;
use std::time::{Duration, SystemTime};

use tokio::time::timeout;

use super::depot::{BOTH, Depot, Framework, names_in};

#[tokio::test]
async fn the_file_is_its_owners_alone_and_the_only_one() {
    for framework in BOTH {
        let depot = Depot::open();
        depot.run_once(framework).await;
        assert_eq!(names_in(depot.path().parent().unwrap()), ["app.sealed"], "{framework:?}");
        let mut names = names_in(depot.directory.path());
        names.sort();
        assert_eq!(names, ["settings.toml", "state"], "{framework:?}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(depot.path()).unwrap().permissions().mode() & 0o777, 0o600, "{framework:?}");
        }
    }
}

#[tokio::test]
async fn no_secret_is_in_the_file_in_any_clothes() {
    for framework in BOTH {
        let depot = Depot::open();
        depot.run_once(framework).await;
        let bytes = fs::read(depot.path()).unwrap();
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        // Base64 of "canary-one" at each of the three places that it can begin at, without the ends that depend on them.
        for canary in
            ["canary", "y2fuyxj5lw9u", "nhbmfyes1vb", "jyw5hcnktb25l", "63616e617279", "contoso", "db-password"]
        {
            assert_free_of(&text, &[canary]);
        }
        let utf16: Vec<u8> = "canary".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(!bytes.windows(utf16.len()).any(|window| window == utf16), "{framework:?}");
        let contents = depot.sealed().check(&depot.resolver()).unwrap();
        let names: Vec<&str> = contents.secrets.iter().map(|id| id.name().as_str()).collect();
        assert_eq!(names, ["db-password", "User"], "it is in there all the same: {framework:?}");
        assert!(contents.as_of.elapsed().unwrap() < Duration::from_secs(60));
        assert_free_of(&format!("{contents:?}"), &["canary"]);
    }
}

#[tokio::test]
async fn only_what_the_settings_used_is_in_the_file() {
    let depot = Depot::open();
    let file = "host = 'db'\nuser = 'ann'\npassword = '@KeyVault(SecretName=db-password)'";
    depot.write(file);
    let layers = {
        let file = depot.directory.path().join("settings.toml");
        move || config::Config::builder().add_source(config::File::from(file.as_path()))
    };
    let builder = keyvault_config::layered(depot.vault.clone(), layers).references_only().sealed(depot.sealed());
    builder.start::<super::depot::Settings>().await.unwrap().shutdown().await;
    let secrets = depot.sealed().check(&depot.resolver()).unwrap().secrets;
    assert_eq!(secrets.len(), 1, "{secrets:?}");
    assert_eq!(secrets[0].name().as_str(), "db-password");
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_cannot_be_written_to_is_seen_and_stops_nothing() {
    for framework in BOTH {
        let depot = Depot::open();
        let state = depot.path().parent().unwrap().to_owned();
        fs::remove_dir(&state).unwrap();
        let log = Log::begin();
        let live = depot.start(framework).await.unwrap();
        // A refresh that comes in between asks again; the writer may still be at the first.
        let failed = async {
            while live.health().sealed.unwrap().last_error.is_none() {
                tokio::task::yield_now().await;
            }
        };
        failed.await;
        let health = live.health();
        let (sealed, error) = (health.sealed.clone().unwrap(), health.sealed.as_ref().unwrap().last_error.clone());
        assert!(sealed.saved.is_none() && health.is_healthy() && !health.is_stale(), "{health:?}");
        assert_eq!(error.unwrap().to_string(), "sealed snapshot could not be written", "{framework:?}");
        assert_eq!(health.consecutive_failures, 0, "the settings are as fresh as ever");
        fs::create_dir(&state).unwrap();
        depot.vault.set("db-password", "canary-two").unwrap();
        live.refresh_now().await.unwrap().unwrap();
        live.shutdown().await;
        let sealed = live.health().sealed.unwrap();
        assert!(sealed.saved.is_some() && sealed.last_error.is_none(), "{framework:?} {sealed:?}");
        let log = log.text();
        assert_free_of(&log, &["canary"]);
    }
}

#[tokio::test]
async fn what_is_unchanged_is_sealed_again_in_time_and_not_all_the_time() {
    let depot = Depot::open();
    let as_of = || depot.sealed().check(&depot.resolver()).map(|contents| contents.as_of).ok();
    let live = depot.start(Framework::Config).await.unwrap();
    let written = async {
        while live.health().sealed.unwrap().saved.is_none() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), written).await.unwrap();
    let bytes = fs::read(depot.path()).unwrap();
    for _ in 0..20 {
        live.refresh_now().await.unwrap();
    }
    live.shutdown().await;
    assert_eq!(fs::read(depot.path()).unwrap(), bytes, "once a minute is enough");

    // A tenth of so short an age has passed at every refresh.
    let sealed = depot.sealed().max_age(Duration::from_nanos(10));
    let live = depot.start_with(Framework::Config, sealed).await.unwrap();
    let before = SystemTime::now();
    let renewed = async {
        while as_of().is_none_or(|as_of| as_of < before) {
            live.refresh_now().await.unwrap();
        }
    };
    timeout(Duration::from_secs(20), renewed).await.unwrap();
    live.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_from_the_file_does_not_make_it_younger() {
    let depot = Depot::open();
    depot.run_once(Framework::Figment).await;
    let bytes = fs::read(depot.path()).unwrap();
    depot.go_down();
    let live = depot.start(Framework::Figment).await.unwrap();
    live.refresh_now().await.unwrap_err();
    live.shutdown().await;
    assert_eq!(fs::read(depot.path()).unwrap(), bytes);
    assert!(live.health().sealed.unwrap().saved.is_none());
}

#[tokio::test]
async fn of_two_processes_with_one_file_the_last_wins_whole() {
    let depot = Depot::open();
    depot.run_once(Framework::Config).await;
    let (one, other) = (depot.start(Framework::Config), depot.start(Framework::Figment));
    let (one, other) = tokio::join!(one, other);
    let (one, other) = (one.unwrap(), other.unwrap());
    for round in 0..10 {
        depot.vault.set("db-password", format!("canary-{round}")).unwrap();
        let (first, second) = tokio::join!(one.refresh_now(), other.refresh_now());
        assert!(first.unwrap().is_some() && second.unwrap().is_some());
        depot.sealed().check(&depot.resolver()).expect("it is whole at any time");
    }
    one.shutdown().await;
    other.shutdown().await;
    assert_eq!(names_in(depot.path().parent().unwrap()), ["app.sealed"]);
    depot.go_down();
    let patient = depot.sealed().patience(Duration::ZERO);
    let live = depot.start_with(Framework::Config, patient).await.unwrap();
    assert_eq!(live.current().password, "<canary-9>");
}
