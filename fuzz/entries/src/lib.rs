//! One function for each kind of untrusted input. Each panics if the library breaks a promise.
//!
//! The fuzzers in `fuzz/fuzz_targets` call these functions with generated input. The test suite calls them with the
//! corpus and with random changes to it.

#![allow(clippy::unwrap_used, reason = "a panic is how an entry reports a broken promise")]

mod app_configuration;
mod certificates;
mod events;
mod references;
mod responses;
mod sealed;
mod settings;
mod transport;

/// A function that a fuzzer calls with untrusted bytes.
pub type Entry = fn(&[u8]);

/// Every entry, with the name of its fuzz target and of its folder in the corpus.
pub const ENTRIES: &[(&str, Entry)] = &[
    ("reference", references::reference),
    ("template", references::template),
    ("settings", settings::settings),
    ("secret_body", responses::secret_body),
    ("list_body", responses::list_body),
    ("error_body", responses::error_body),
    ("retry_after", responses::retry_after),
    ("challenge", responses::challenge),
    ("event_body", events::event_body),
    ("sealed_file", sealed::sealed_file),
    ("certificate", certificates::certificate),
    ("key_values_body", app_configuration::key_values_body),
    ("page_body", app_configuration::page_body),
    ("next_link", app_configuration::next_link),
    ("connection_string", app_configuration::connection_string),
];

/// Calls the entry of this name.
///
/// # Panics
///
/// If there is no such entry, or the library breaks a promise.
pub fn call(name: &str, data: &[u8]) {
    let entry = ENTRIES.iter().find(|(entry, _)| *entry == name).map(|(_, entry)| entry);
    entry.unwrap_or_else(|| panic!("no entry has the name {name}"))(data);
}

/// A word that marks confidential input: no error and no `Debug` output may contain it.
const CANARY: &str = "c4narybird";

/// Panics if the `Debug` output of a value contains the canary.
fn assert_value_free(shown: &impl std::fmt::Debug) {
    assert!(!format!("{shown:?}").contains(CANARY), "the canary leaked");
}

/// Panics if an error or one of its sources contains the canary.
fn assert_error_is_value_free(error: &keyvault::Error) {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        assert!(!format!("{error} {error:?}").contains(CANARY), "an error leaks the canary");
        cause = error.source();
    }
}

/// Runs a future to its end on a paused clock, which advances whenever every task waits.
fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(future)
}
