//! Health shows when certificates expire, and renewals that could not be used.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use figment::Figment;
use figment::providers::{Format, Toml};
use keyvault::certificate::{Certificate, ServerCertificates};
use keyvault::live::{SecretHealth, SecretStatus};
use keyvault::{InMemory, Layers, Live, LiveBuilder, Notice};
use keyvault_test_support::CONTOSO;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use rcgen::KeyPair;
use serde::Deserialize;
use tokio::time::timeout;

use super::authority::Authority;

const DAY: Duration = Duration::from_secs(86_400);

/// The end of the certificates: the first second of 2100.
fn end() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_800)
}

fn vault() -> InMemory {
    InMemory::new(CONTOSO.parse().unwrap())
}

/// Returns settings at a time before the end of the certificates.
fn before_the_end(vault: &InMemory, file: &'static str, left: Duration) -> LiveBuilder<impl Layers> {
    let layers = keyvault_figment::layered(vault.clone(), move || Figment::from(Toml::string(file)));
    layers.minimum_failure_delay(Duration::ZERO).wall_clock(move || end() - left)
}

fn health_of<T: Send + Sync + 'static>(live: &Live<T>, secret: &str) -> SecretHealth {
    live.health().secrets.into_iter().find(|health| health.id.name().as_str() == secret).unwrap()
}

#[derive(Deserialize)]
struct Many {
    #[expect(dead_code, reason = "health is of the secret, whatever becomes of it")]
    field: Certificate,
    #[expect(dead_code, reason = "as above")]
    converted: String,
    #[expect(dead_code, reason = "as above")]
    text: String,
}

#[tokio::test]
async fn a_certificate_without_a_date_in_the_vault_expires_by_its_own() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let (authority, vault) = (Authority::new(), vault());
    let pfx = azure_core::base64::encode(authority.certificate(&["shop.example"]).pfx());
    vault.set("field", authority.pem(&["shop.example"])).unwrap();
    vault.set("stored", pfx.clone()).unwrap();
    vault.set("text", pfx).unwrap();
    vault.set("password", "correct horse").unwrap();
    let file = "
        converted = '@KeyVault(SecretName=stored;Format=pem)'
        other = '@KeyVault(SecretName=password)'";
    let days = Arc::new(AtomicU32::new(31));
    let clock = {
        let days = Arc::clone(&days);
        move || end() - days.load(Ordering::Relaxed) * DAY
    };
    let live: Live<Many> = before_the_end(&vault, file, DAY).wall_clock(clock).start().await.unwrap();
    let mut watcher = live.watch();
    for (left, status) in [(31, SecretStatus::Current), (29, SecretStatus::NearExpiry), (0, SecretStatus::Expired)] {
        days.store(left, Ordering::Relaxed);
        live.refresh_now().await.unwrap();
        for secret in ["field", "stored", "text"] {
            let health = health_of(&live, secret);
            assert_eq!((health.status, health.expires), (status, Some(end())), "{secret}");
        }
        let password = health_of(&live, "password");
        assert_eq!((password.status, password.expires), (SecretStatus::Current, None));
        for _ in 0..if status == SecretStatus::Current { 0 } else { 3 } {
            let notice = timeout(Duration::from_secs(60), watcher.next()).await.unwrap().unwrap();
            assert!(matches!(&notice, Notice::Secret(secret) if secret.status == status), "{notice:?}");
        }
    }
    let recorded = snapshotter.snapshot().into_vec();
    let expiries =
        recorded.into_iter().filter(|(key, ..)| key.key().name() == "keyvault_secret_expiry_timestamp_seconds");
    let expiries: Vec<f64> = expiries
        .map(|(.., value)| if let DebugValue::Gauge(value) = value { value.into_inner() } else { f64::NAN })
        .collect();
    assert_eq!(expiries, [4_102_444_800.0; 3]);
}

#[derive(Deserialize)]
struct Settings {
    tls: Certificate,
}

/// A load reads the dates of every secret, so many containers that take long to open must not delay it.
#[tokio::test]
async fn a_container_that_takes_long_to_open_shows_no_date_and_works() {
    let container = include_bytes!("vectors/gnutls_empty_password.p12");
    let vault = vault();
    vault.set("tls", azure_core::base64::encode(container)).unwrap();
    let live: Live<Settings> = before_the_end(&vault, "", DAY).start().await.unwrap();
    assert_eq!(health_of(&live, "tls").expires, None);
    assert!(!live.current().tls.dns_names().is_empty());
}

#[tokio::test]
async fn an_issuer_that_expires_first_counts_unless_it_is_the_root() {
    // The year of an authority, the certificates beside the leaf, and the year in health.
    for (year, has_middle, has_root, expected) in
        [(2090, true, true, 2090), (2090, true, false, 2090), (2090, false, false, 2100), (2110, true, true, 2100)]
    {
        let (root, vault) = (Authority::until(2080), vault());
        let middle = root.authority(year);
        let issuers = [(has_middle, &middle), (has_root, &root)].map(|(has, it)| it.own_pem().repeat(has.into()));
        vault.set("tls", middle.pem(&["shop.example"]) + &issuers.concat()).unwrap();
        let live: Live<Settings> = before_the_end(&vault, "", DAY).start().await.unwrap();
        let expires: SystemTime = rcgen::date_time_ymd(expected, 1, 1).into();
        let certificate = live.current().tls.clone();
        assert_eq!(certificate.rustls_chain().len(), 1 + usize::from(has_middle) + usize::from(has_root));
        assert_eq!((certificate.chain_expires(), certificate.expires()), (expires, end()), "{year} {has_root}");
        let health = health_of(&live, "tls");
        let status = if expected == 2100 { SecretStatus::NearExpiry } else { SecretStatus::Expired };
        assert_eq!((health.status, health.expires), (status, Some(expires)), "{year} {has_root}");
    }
}

/// Java until version 15 has more iterations than any other tool but Firefox and GnuTLS.
#[tokio::test]
async fn a_container_of_an_old_java_shows_its_date() {
    let container = azure_core::base64::encode(include_bytes!("vectors/java_legacy.p12"));
    let vault = vault();
    vault.set("tls", format!(r#"{{"data":"{container}","password":"geheim"}}"#)).unwrap();
    let live: Live<Settings> = before_the_end(&vault, "", DAY).start().await.unwrap();
    assert_eq!(health_of(&live, "tls").expires, Some(live.current().tls.expires()));
}

#[tokio::test]
async fn the_earlier_of_two_expiry_dates_counts() {
    let authority = Authority::new();
    for (date, expected) in [(end() - DAY, end() - DAY), (end() + DAY, end())] {
        let vault = vault();
        vault.set_with("tls", authority.pem(&["shop.example"]), |it| it.set_expires(date)).unwrap();
        let live: Live<Settings> = before_the_end(&vault, "", 2 * DAY).start().await.unwrap();
        assert_eq!(health_of(&live, "tls").expires, Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_looked_at_again_before_its_own_expiry() {
    let (authority, vault) = (Authority::new(), vault());
    vault.set("tls", authority.pem(&["shop.example"])).unwrap();
    let layers = keyvault_figment::layered(vault.clone(), Figment::new).refresh_every(30 * DAY);
    let (begun, time) = (tokio::time::Instant::now(), end() - 2 * DAY);
    let live: Live<Settings> = layers.wall_clock(move || time + begun.elapsed()).start().await.unwrap();
    let mut watcher = live.watch();
    let key = KeyPair::generate().unwrap();
    vault.set("tls", authority.issue(&["shop.example"], &key, (2000, 2110))).unwrap();
    timeout(2 * DAY, watcher.changed()).await.expect("before the old one expires").unwrap();
}

#[tokio::test]
async fn a_renewal_that_cannot_be_used_is_in_health_until_one_can() {
    let (authority, vault) = (Authority::new(), vault());
    let good = || authority.pem(&["shop.example"]);
    let foreign = || {
        KeyPair::generate().unwrap().serialize_pem() + good().split_inclusive("END PRIVATE KEY-----\n").last().unwrap()
    };
    vault.set("tls", good()).unwrap();
    vault.set("password", "first").unwrap();
    let file = "pem = '@KeyVault(SecretName=tls;Format=pem)'\npassword = '@KeyVault(SecretName=password)'";
    let live: Live<Settings> = before_the_end(&vault, file, 1_000 * DAY).start().await.unwrap();
    for bad in [foreign(), "not a certificate".to_owned(), good().replace("BEGIN CERTIFICATE", "BEGIN CRL")] {
        let last = live.current().tls.thumbprint().to_owned();
        vault.set("tls", bad).unwrap();
        live.refresh_now().await.unwrap_err();
        let health = live.health();
        assert_eq!(health_of(&live, "tls").status, SecretStatus::Refused);
        assert_eq!(health_of(&live, "password").status, SecretStatus::Current);
        assert!(health.last_error.is_some() && health.is_healthy(), "the old certificate still serves");
        assert_eq!(live.current().tls.thumbprint(), last);
        let json = serde_json::to_value(&health).unwrap();
        let statuses: Vec<&str> =
            json["secrets"].as_array().unwrap().iter().map(|it| it["status"].as_str().unwrap()).collect();
        assert_eq!(statuses, ["current", "newer version refused"]);
        vault.set("tls", good()).unwrap();
        live.refresh_now().await.unwrap();
        assert_eq!(health_of(&live, "tls").status, SecretStatus::Current);
        assert!(live.health().last_error.is_none());
        assert_ne!(live.current().tls.thumbprint(), last);
    }
}

#[tokio::test]
async fn a_certificate_that_is_taken_away_stays_in_use_and_the_failure_is_in_health() {
    let authority = Authority::new();
    for take_away in [(|vault| assert!(vault.delete("tls"))) as fn(&InMemory), |vault| {
        _ = vault.set_with("tls", "disabled", |it| it.set_enabled(false)).unwrap()
    }] {
        let vault = vault();
        vault.set("tls", authority.pem(&["shop.example"])).unwrap();
        let live: Live<Settings> =
            before_the_end(&vault, "tls = '@KeyVault(SecretName=tls)'", 1_000 * DAY).start().await.unwrap();
        let build = async |it: Arc<Settings>| Ok(ServerCertificates::new([it.tls.clone()])?);
        let certificates = live.derive(["tls"], build).await.unwrap();
        let first = live.current().tls.thumbprint().to_owned();
        take_away(&vault);
        let error = live.refresh_now().await.unwrap_err();
        assert!(error.to_string().contains("tls in contoso"), "{error}");
        let health = live.health();
        assert_eq!(health.last_error.unwrap().to_string(), error.to_string());
        assert_eq!(health_of(&live, "tls").status, SecretStatus::Current, "no newer version was refused");
        assert_eq!(live.current().tls.thumbprint(), first);
        assert_eq!(certificates.current().certificates()[0].thumbprint(), first);
        assert!(certificates.health().is_healthy());
        vault.set("tls", authority.pem(&["shop.example"])).unwrap();
        live.refresh_now().await.unwrap();
        assert_ne!(live.current().tls.thumbprint(), first);
        assert!(live.health().last_error.is_none());
    }
}

#[tokio::test]
async fn a_renewal_outside_its_dates_is_in_both_healths() {
    let (authority, vault) = (Authority::new(), vault());
    vault.set("tls", authority.pem(&["shop.example"])).unwrap();
    let layers = keyvault_figment::layered(vault.clone(), Figment::new);
    let live: Live<Settings> = layers.start().await.unwrap();
    let build = async |it: Arc<Settings>| Ok(ServerCertificates::new([it.tls.clone()])?);
    let certificates = live.derive(["tls"], build).await.unwrap();
    let first = live.current().tls.thumbprint().to_owned();
    let mut watcher = certificates.watch();
    for (years, status, clause) in [
        ((2090, 2100), SecretStatus::NotYetValid, "certificate is not valid yet"),
        ((2000, 2001), SecretStatus::Expired, "certificate has expired"),
    ] {
        vault.set("tls", authority.issue(&["shop.example"], &KeyPair::generate().unwrap(), years)).unwrap();
        live.refresh_now().await.unwrap();
        assert_eq!(health_of(&live, "tls").status, status);
        timeout(Duration::from_secs(60), watcher.next()).await.unwrap().unwrap();
        let health = certificates.health();
        assert!(health.last_error.unwrap().to_string().contains(clause) && health.behind.is_some());
        assert_eq!(certificates.current().certificates()[0].thumbprint(), first);
    }
}
