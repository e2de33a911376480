//! Secrets that rotate together land together.

use std::time::Duration;

use tokio::time::Instant;

use crate::settings::Origins;

/// How long changes must have paused before they are published, and the longest that they may be held back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settle {
    pub(super) minimum: Duration,
    pub(super) maximum: Duration,
}

/// Changes that were seen and are not published yet.
#[derive(Clone, Debug)]
pub(super) struct Settling {
    began: Instant,
    last_change: Instant,
    seen: Origins,
}

impl Settle {
    /// Tells what is still settling after `origins` were read; none if they may be published.
    pub(super) fn see(self, settling: Option<&Settling>, origins: &Origins, now: Instant) -> Option<Settling> {
        let settling = match settling {
            Some(known) if known.seen.changed(origins).is_empty() => known.clone(),
            known => {
                Settling { began: known.map_or(now, |known| known.began), last_change: now, seen: origins.clone() }
            }
        };
        (now < self.end(&settling)).then_some(settling)
    }

    /// Tells when `settling` will have settled, if nothing more changes.
    pub(super) fn end(self, settling: &Settling) -> Instant {
        (settling.last_change + self.minimum).min(settling.began + self.maximum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Fingerprint, Key, Origin};

    fn origins(text: &str) -> Origins {
        let mut origins = Origins::default();
        origins.insert(Key::root().member("a"), Origin::written("file".into(), Fingerprint::of(text)));
        origins
    }

    #[test]
    fn changes_land_after_a_pause_or_when_they_were_held_back_long_enough() {
        let second = Duration::from_secs;
        let settle = Settle { minimum: second(5), maximum: second(12) };
        let now = Instant::now();
        let one = settle.see(None, &origins("1"), now).unwrap();
        assert_eq!(settle.end(&one), now + second(5));
        let same = settle.see(Some(&one), &origins("1"), now + second(4)).unwrap();
        assert_eq!(settle.end(&same), now + second(5), "no change, no delay");
        assert!(settle.see(Some(&same), &origins("1"), now + second(5)).is_none());
        let two = settle.see(Some(&one), &origins("2"), now + second(4)).unwrap();
        assert_eq!(settle.end(&two), now + second(9));
        let three = settle.see(Some(&two), &origins("3"), now + second(8)).unwrap();
        assert_eq!(settle.end(&three), now + second(12), "not longer than the maximum");
        assert!(settle.see(Some(&three), &origins("4"), now + second(12)).is_none());
    }
}
