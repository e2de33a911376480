//! What lies on a disk that others can write to: the sealed snapshot.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use keyvault::{InMemory, Resolver, SealedRefusal, SealedSnapshot, SealingKey};

use crate::assert_value_free;

/// The file of a sealed snapshot: the one in the corpus is opened, and whatever differs from it by a bit is refused.
pub(crate) fn sealed_file(data: &[u8]) {
    let path = path();
    fs::write(&path, data).unwrap();
    let sealed = SealedSnapshot::new(&path, SealingKey::from_bytes(KEY).unwrap()).identity("shop").max_age(CENTURY);
    let checked = sealed.check(&RESOLVER);
    _ = fs::remove_file(&path);
    match checked {
        Ok(contents) => {
            assert_eq!(data, GENUINE, "a file was opened that nobody sealed");
            assert_eq!(contents.secrets.len(), 2);
            assert_value_free(&contents);
        }
        Err(refusal) => {
            assert_ne!(data, GENUINE, "the file that was sealed is refused: {refusal}");
            assert_ne!(refusal, SealedRefusal::Missing);
        }
    }
}

/// Sealed with [`KEY`], for the identity `shop` and the vault of [`RESOLVER`].
const GENUINE: &[u8] = include_bytes!("../../corpus/sealed_file/genuine");
const KEY: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

static RESOLVER: LazyLock<Resolver> =
    LazyLock::new(|| InMemory::new("https://contoso.vault.azure.net".parse().unwrap()).into());

/// One file for each thread that calls, in memory where there is such a place.
fn path() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let directory = if memory.is_dir() { memory } else { std::env::temp_dir() };
    directory.join(format!("keyvault-fuzz-{}-{:?}", std::process::id(), std::thread::current().id()))
}
