//! Where bytes from outside come in: one function each, which panics if a promise does not hold.
//!
//! The fuzzers in `fuzz/fuzz_targets` call them with what they find, and the test suite with the corpus and with random
//! changes to it, so that both ask the same questions.

#![allow(clippy::unwrap_used, reason = "a promise that does not hold stops the fuzzer where it stands")]

mod answers;
mod events;
mod references;
mod sealed;
mod settings;
mod wire;

/// What a fuzzer calls: bytes from outside.
pub type Entry = fn(&[u8]);

/// Every entry by the name of its fuzz target and of its folder in the corpus.
pub const ENTRIES: &[(&str, Entry)] = &[
    ("reference", references::reference),
    ("template", references::template),
    ("settings", settings::settings),
    ("secret_body", answers::secret_body),
    ("list_body", answers::list_body),
    ("error_body", answers::error_body),
    ("retry_after", answers::retry_after),
    ("challenge", answers::challenge),
    ("event_body", events::event_body),
    ("sealed_file", sealed::sealed_file),
];

/// Calls the entry of this name.
///
/// # Panics
///
/// If there is none, or a promise does not hold.
pub fn call(name: &str, data: &[u8]) {
    let entry = ENTRIES.iter().find(|(entry, _)| *entry == name).map(|(_, entry)| entry);
    entry.unwrap_or_else(|| panic!("no entry is called {name}"))(data);
}

/// A word that stands for everything confidential: wherever it comes in, no error and no `Debug` may have it.
const CANARY: &str = "c4narybird";

/// Panics if what an error or a value shows has the canary in it.
fn assert_value_free(shown: &impl std::fmt::Debug) {
    assert!(!format!("{shown:?}").contains(CANARY), "the canary was let out");
}

/// Panics if anything that an error shows has the canary in it, its sources included.
fn assert_error_is_value_free(error: &keyvault::Error) {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        assert!(!format!("{error} {error:?}").contains(CANARY), "the canary was let out by an error");
        cause = error.source();
    }
}

/// Runs to the end without waiting: time goes by itself when there is nothing to do.
fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(future)
}
