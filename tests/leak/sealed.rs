//! The sealed snapshot: the content of its directory, and its reports.

use std::fs;
use std::path::Path;
use std::time::Duration;

use figment::Figment;
use figment::providers::{Format, Toml};
use keyvault::{Error, ErrorKind, InMemory, Live, Resolver, SealedSnapshot, SealingKey};
use keyvault_test_support::CONTOSO;

use super::scan::Scan;
use super::settings::One;

/// Creates a snapshot whose key is a canary too.
fn sealed(scan: &mut Scan, path: &Path) -> SealedSnapshot {
    let bytes: [u8; 32] = scan.word.text().as_bytes().try_into().unwrap();
    let key = SealingKey::from_bytes(&bytes).unwrap();
    scan.shows("key", &key);
    let sealed = SealedSnapshot::new(path, key).identity("shop").use_after(Duration::from_millis(1));
    scan.shows("sealed", &sealed);
    sealed
}

async fn start(vault: &InMemory, sealed: SealedSnapshot) -> Result<Live<One<String>>, Error> {
    let layers = || Figment::new().merge(Toml::string("value = '@KeyVault(SecretName=password)'"));
    keyvault_figment::layered(vault.clone(), layers)
        .sealed(sealed)
        .minimum_failure_delay(Duration::ZERO)
        .startup_deadline(Duration::from_millis(200))
        .start()
        .await
}

#[tokio::test]
async fn the_file_its_directory_and_its_reports_leak_nothing() {
    let mut scan = Scan::begin();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.sealed");
    let vault = InMemory::new(CONTOSO.parse().unwrap());
    vault.set("password", scan.secret.text()).unwrap();
    let live = start(&vault, sealed(&mut scan, &path)).await.unwrap();
    live.shutdown().await;
    scan.shows("health", &live.health());
    scan.writes("health", &live.health());
    assert!(fs::metadata(&path).unwrap().len() > 200, "something was sealed");
    scan.directory(directory.path());

    let resolver = Resolver::from(vault.clone());
    let contents = sealed(&mut scan, &path).check(&resolver).unwrap();
    scan.shows("contents", &contents);
    vault.fail(Error::new(ErrorKind::Unavailable, "vault is down"));
    let live = start(&vault, sealed(&mut scan, &path)).await.unwrap();
    assert_eq!(live.current().value, scan.secret.text());
    scan.shows("stale", &live);
    scan.shows("stale", &live.health());
    live.shutdown().await;

    let good = fs::read(&path).unwrap();
    let cut = good[..good.len() / 2].to_vec();
    let changed: Vec<u8> = good.iter().map(|byte| byte ^ 1).collect();
    let foreign = scan.secret.text().as_bytes().repeat(10);
    for bytes in [cut, changed, foreign, Vec::new()] {
        fs::write(&path, bytes).unwrap();
        let refusal = sealed(&mut scan, &path).check(&resolver).unwrap_err();
        scan.chain("refused", &refusal);
        let started = start(&vault, sealed(&mut scan, &path)).await;
        scan.outcome("refused", &started.map(|_| ()));
    }
    fs::write(&path, &good).unwrap();
    let other =
        SealedSnapshot::new(&path, SealingKey::from_bytes(&std::array::from_fn::<u8, 32, _>(|n| n as u8)).unwrap());
    scan.shows("another key", &other.check(&resolver));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    vault.fail(None);
    let live = start(&vault, sealed(&mut scan, &path)).await.unwrap();
    live.shutdown().await;
    scan.shows("cannot be written", &live.health());
    scan.directory(directory.path());
    scan.end();
}

#[test]
fn an_invalid_key_is_not_quoted() {
    let mut scan = Scan::begin();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    for text in [scan.secret.text().to_owned(), scan.token.text().to_owned(), scan.word.text().to_owned()] {
        scan.outcome("text", &SealingKey::from_base64(&text));
        scan.outcome("bytes", &SealingKey::from_bytes(&text.as_bytes()[..20]));
        fs::write(&file, &text).unwrap();
        scan.outcome("file", &SealingKey::from_file(&file));
    }
    tracing::trace!("all was tried");
    scan.end();
}
