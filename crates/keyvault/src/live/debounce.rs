//! Debouncing: related changes are published together.

use std::time::Duration;

use tokio::time::Instant;

use crate::settings::Origins;
use crate::time::instant_after;

/// How long changes must pause before they are published, and the longest time that they wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Debounce {
    pub(super) minimum: Duration,
    pub(super) maximum: Duration,
}

/// Changes that a refresh found and that are not published yet.
#[derive(Clone, Debug)]
pub(super) struct PendingChanges {
    began: Instant,
    last_change: Instant,
    seen: Origins,
}

impl PendingChanges {
    /// Returns whether the last of the changes was found before `time`.
    pub(super) fn is_before(&self, time: Instant) -> bool {
        self.last_change <= time
    }
}

impl Debounce {
    /// Returns the changes that still wait after `origins` were read, and when they are published unless more follow;
    /// `None` if they may be published now.
    ///
    /// `full` is when the refresh began, if it was a full one. Only a full refresh that began after the pause shows
    /// that nothing more changed: one of single secrets does not look at the others, and a slow one looked too early.
    pub(super) fn observe(
        self,
        pending: Option<&PendingChanges>,
        origins: &Origins,
        full: Option<Instant>,
        now: Instant,
    ) -> Option<(PendingChanges, Instant)> {
        let pending = match pending {
            Some(known) if known.seen.changed(origins).is_empty() => known.clone(),
            known => PendingChanges {
                began: known.map_or(now, |known| known.began),
                last_change: now,
                seen: origins.clone(),
            },
        };
        let end = instant_after(pending.last_change, self.minimum).min(instant_after(pending.began, self.maximum));
        full.is_none_or(|began| began < end).then_some((pending, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{ConfigValue, Key, Origin};

    fn origins(text: &str) -> Origins {
        let mut origins = Origins::default();
        let value = ConfigValue::text(Key::root().member("a"), "file", text);
        origins.extend(vec![(value.key().clone(), Origin::of(&value, Vec::new()))]);
        origins
    }

    #[test]
    fn changes_are_published_after_a_pause_or_at_the_maximum() {
        let second = Duration::from_secs;
        let debounce = Debounce { minimum: second(5), maximum: second(12) };
        let now = Instant::now();
        let observe = |pending, text, now| debounce.observe(pending, &origins(text), Some(now), now);
        let (one, end) = observe(None, "1", now).unwrap();
        assert_eq!(end, now + second(5));
        let (same, end) = observe(Some(&one), "1", now + second(4)).unwrap();
        assert_eq!(end, now + second(5), "no change, no delay");
        assert!(observe(Some(&same), "1", now + second(5)).is_none());
        let (two, end) = observe(Some(&one), "2", now + second(4)).unwrap();
        assert_eq!(end, now + second(9));
        let (three, end) = observe(Some(&two), "3", now + second(8)).unwrap();
        assert_eq!(end, now + second(12), "not longer than the maximum");
        assert!(observe(Some(&three), "4", now + second(12)).is_none());
    }

    #[test]
    fn only_a_full_refresh_that_began_after_the_pause_publishes() {
        let second = Duration::from_secs;
        let debounce = Debounce { minimum: second(5), maximum: second(12) };
        let now = Instant::now();
        let (one, _) = debounce.observe(None, &origins("1"), None, now).unwrap();
        for (full, at, waits) in [
            (None, 4, true),
            (None, 6, true),
            (None, 60, true),
            (Some(4), 6, true),
            (Some(4), 60, true),
            (Some(5), 5, false),
            (Some(6), 60, false),
        ] {
            let full = full.map(|began| now + second(began));
            let found = debounce.observe(Some(&one), &origins("1"), full, now + second(at));
            assert_eq!(found.is_some(), waits, "{full:?}, {at}");
        }
    }
}
