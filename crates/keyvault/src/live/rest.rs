//! When a vault is asked again for what it did not have.

use std::time::Duration;

use tokio::time::Instant;

/// The time in which a vault is left alone about a version that a server refused: it had nothing newer a moment ago.
///
/// Each is twice the last. So many who are refused do not use up in a moment what was meant for the whole of a rotation,
/// and what is new is found after at most twice the time that it took to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest {
    until: Instant,
    pause: Duration,
}

impl Rest {
    /// Begins to rest, `longest` at most, after `last` if there was one.
    pub(super) fn after(last: Option<Self>, longest: Duration, now: Instant) -> Self {
        let pause = match last {
            Some(last) if now < last.until + longest => last.pause * 2,
            // Nobody was refused for so long that this is another story.
            _ => FIRST,
        };
        let pause = pause.min(longest);
        Self { until: now + pause, pause }
    }

    pub(super) fn is_over(self, now: Instant) -> bool {
        now >= self.until
    }
}

/// Longer than a request takes, and shorter than anybody minds.
const FIRST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rest_is_twice_the_last_until_nobody_was_refused_for_long() {
        let longest = Duration::from_secs(15);
        let (mut now, mut rest) = (Instant::now(), None);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let next = Rest::after(rest, longest, now);
            assert!(!next.is_over(now) && next.is_over(next.until));
            pauses.push(next.pause.as_millis());
            (now, rest) = (next.until, Some(next));
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 15_000, 15_000]);
        assert_eq!(Rest::after(rest, longest, now + longest).pause, FIRST);
        assert_eq!(Rest::after(None, Duration::from_millis(50), now).pause.as_millis(), 50);
    }
}
