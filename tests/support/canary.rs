//! Words that must not be seen where people look.

use std::error::Error;

/// Asserts that no canary is in anything an error shows: `Display`, `Debug`, plain and pretty, and those of its sources.
#[track_caller]
pub(crate) fn assert_value_free(error: &(dyn Error + 'static), canaries: &[&str]) {
    let mut cause = Some(error);
    while let Some(error) = cause {
        assert_free_of(&format!("{error}\n{error:#}\n{error:?}\n{error:#?}"), canaries);
        cause = error.source();
    }
}

/// Asserts that no canary is in `text`.
#[track_caller]
pub(crate) fn assert_free_of(text: &str, canaries: &[&str]) {
    for canary in canaries {
        assert!(!canary.is_empty(), "an empty canary is in everything");
        assert!(!text.contains(canary), "{canary} was let out: {text}");
    }
}
