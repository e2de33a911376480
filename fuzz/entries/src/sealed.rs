//! The sealed snapshot, a file that other programs can change.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use keyvault::sealed::SealedRefusal;
use keyvault::{InMemory, Resolver, SealedSnapshot, SealingKey};

use crate::assert_value_free;

/// Checks the file of a sealed snapshot: only the file in the corpus can be opened.
pub(crate) fn sealed_file(data: &[u8]) {
    let path = path();
    fs::write(&path, data).unwrap();
    let sealed = SealedSnapshot::new(&path, SealingKey::from_bytes(KEY).unwrap()).identity("shop").max_age(CENTURY);
    let checked = sealed.check(&RESOLVER);
    _ = fs::remove_file(&path);
    match checked {
        Ok(contents) => {
            assert_eq!(data, GENUINE, "a forged file was opened");
            assert_eq!(contents.secrets.len(), 2);
            assert_value_free(&contents);
        }
        Err(refusal) => {
            assert_ne!(data, GENUINE, "the genuine file was refused: {refusal}");
            assert_ne!(refusal, SealedRefusal::Missing);
        }
    }
}

/// The file sealed with [`KEY`], for the identity `shop` and the vault of [`RESOLVER`].
const GENUINE: &[u8] = include_bytes!("genuine_snapshot");
const KEY: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

static RESOLVER: LazyLock<Resolver> =
    LazyLock::new(|| InMemory::new("https://contoso.vault.azure.net".parse().unwrap()).into());

/// Returns the path of a file for this thread, in memory where the system supports it.
fn path() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let directory = if memory.is_dir() { memory } else { std::env::temp_dir() };
    directory.join(format!("keyvault-fuzz-{}-{:?}", std::process::id(), std::thread::current().id()))
}
