//! The file is complete, private to its owner, and contains no readable secret.

use keyvault_test_support::canary::assert_free_of;
use keyvault_test_support::log::Log;
use std::fs;
use std::time::{Duration, Instant, SystemTime};

use tokio::time::timeout;

use super::service::{BOTH, Framework, Service, names_in};

#[tokio::test]
async fn the_file_is_private_to_its_owner_and_the_only_one() {
    for framework in BOTH {
        let service = Service::new();
        service.run_once(framework).await;
        assert_eq!(names_in(service.path().parent().unwrap()), ["app.sealed"], "{framework:?}");
        let mut names = names_in(service.directory.path());
        names.sort();
        assert_eq!(names, ["settings.toml", "state"], "{framework:?}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(service.path()).unwrap().permissions().mode() & 0o777, 0o600, "{framework:?}");
        }
    }
}

#[tokio::test]
async fn no_secret_is_in_the_file_in_any_encoding() {
    for framework in BOTH {
        let service = Service::new();
        service.run_once(framework).await;
        let bytes = fs::read(service.path()).unwrap();
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        // Base64 of "canary-one" at each of its three possible offsets, without the letters that depend on the
        // neighbours.
        for canary in
            ["canary", "y2fuyxj5lw9u", "nhbmfyes1vb", "jyw5hcnktb25l", "63616e617279", "contoso", "db-password"]
        {
            assert_free_of(&text, &[canary]);
        }
        let utf16: Vec<u8> = "canary".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(!bytes.windows(utf16.len()).any(|window| window == utf16), "{framework:?}");
        let contents = service.sealed().check(&service.resolver()).unwrap();
        let names: Vec<&str> = contents.secrets.iter().map(|id| id.name().as_str()).collect();
        assert_eq!(names, ["db-password", "User"], "the file contains it: {framework:?}");
        assert!(contents.as_of.elapsed().unwrap() < Duration::from_secs(60));
        assert_free_of(&format!("{contents:?}"), &["canary"]);
    }
}

#[tokio::test]
async fn only_what_the_settings_used_is_in_the_file() {
    let service = Service::new();
    let file = "host = 'db'\nuser = 'ann'\npassword = '@KeyVault(SecretName=db-password)'";
    service.write(file);
    let layers = {
        let file = service.directory.path().join("settings.toml");
        move || config::Config::builder().add_source(config::File::from(file.as_path()))
    };
    let builder = keyvault_config::layered(service.vault.clone(), layers).references_only().sealed(service.sealed());
    builder.start::<super::service::Settings>().await.unwrap().shutdown().await;
    let secrets = service.sealed().check(&service.resolver()).unwrap().secrets;
    assert_eq!(secrets.len(), 1, "{secrets:?}");
    assert_eq!(secrets[0].name().as_str(), "db-password");
}

#[tokio::test(start_paused = true)]
async fn an_unwritable_directory_is_reported_and_stops_nothing() {
    for framework in BOTH {
        let service = Service::new();
        let state = service.path().parent().unwrap().to_owned();
        fs::remove_dir(&state).unwrap();
        let log = Log::begin();
        let live = service.start(framework).await.unwrap();
        // A refresh in between requests another write, and the writer may still be busy with the first.
        let begun = Instant::now();
        while live.health().sealed.unwrap().last_error.is_none() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the writer reports nothing");
            tokio::task::yield_now().await;
        }
        let health = live.health();
        let (sealed, error) = (health.sealed.clone().unwrap(), health.sealed.as_ref().unwrap().last_error.clone());
        assert!(sealed.saved.is_none() && health.is_healthy() && !health.is_stale(), "{health:?}");
        assert_eq!(error.unwrap().to_string(), "sealed snapshot could not be written", "{framework:?}");
        assert_eq!(health.consecutive_failures, 0, "the settings are as fresh as ever");
        fs::create_dir(&state).unwrap();
        service.vault.set("db-password", "canary-two").unwrap();
        live.refresh_now().await.unwrap().unwrap();
        live.shutdown().await;
        let sealed = live.health().sealed.unwrap();
        assert!(sealed.saved.is_some() && sealed.last_error.is_none(), "{framework:?} {sealed:?}");
        let log = log.text();
        assert_free_of(&log, &["canary"]);
    }
}

#[tokio::test]
async fn unchanged_settings_are_sealed_again_before_they_expire_but_not_at_every_refresh() {
    let service = Service::new();
    let as_of = || service.sealed().check(&service.resolver()).map(|contents| contents.as_of).ok();
    let live = service.start(Framework::Config).await.unwrap();
    let written = async {
        while live.health().sealed.unwrap().saved.is_none() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), written).await.unwrap();
    let bytes = fs::read(service.path()).unwrap();
    for _ in 0..20 {
        live.refresh_now().await.unwrap();
    }
    live.shutdown().await;
    assert_eq!(fs::read(service.path()).unwrap(), bytes, "once a minute is enough");

    // One tenth of so short an age passes before every refresh.
    let sealed = service.sealed().max_age(Duration::from_nanos(10));
    let live = service.start_with(Framework::Config, sealed).await.unwrap();
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
    let service = Service::new();
    service.run_once(Framework::Figment).await;
    let bytes = fs::read(service.path()).unwrap();
    service.go_down();
    let live = service.start(Framework::Figment).await.unwrap();
    live.refresh_now().await.unwrap_err();
    live.shutdown().await;
    assert_eq!(fs::read(service.path()).unwrap(), bytes);
    assert!(live.health().sealed.unwrap().saved.is_none());
}

#[tokio::test]
async fn of_two_processes_with_one_file_the_last_wins_whole() {
    let service = Service::new();
    service.run_once(Framework::Config).await;
    let (one, other) = (service.start(Framework::Config), service.start(Framework::Figment));
    let (one, other) = tokio::join!(one, other);
    let (one, other) = (one.unwrap(), other.unwrap());
    for round in 0..10 {
        service.vault.set("db-password", format!("canary-{round}")).unwrap();
        let (first, second) = tokio::join!(one.refresh_now(), other.refresh_now());
        assert!(first.unwrap().is_some() && second.unwrap().is_some());
        service.sealed().check(&service.resolver()).expect("it is whole at any time");
    }
    one.shutdown().await;
    other.shutdown().await;
    assert_eq!(names_in(service.path().parent().unwrap()), ["app.sealed"]);
    service.go_down();
    let patient = service.sealed().use_after(Duration::ZERO);
    let live = service.start_with(Framework::Config, patient).await.unwrap();
    assert_eq!(live.current().password, "<canary-9>");
}
