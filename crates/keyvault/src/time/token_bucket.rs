//! How often something may happen.

use std::time::Duration;

use tokio::time::Instant;

use super::instant_after;

/// The size of a [`TokenBucket`], and the time in which one token comes back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TokenRate {
    /// The tokens of a full bucket. One that holds none still gives one every `refill`.
    pub(crate) burst: u32,
    /// The time in which one token comes back.
    pub(crate) refill: Duration,
}

/// A bucket of tokens that refills with time. It is full at first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    /// A change affects only the tokens that are taken later.
    pub(crate) rate: TokenRate,
    /// When the bucket is full again.
    full_at: Instant,
}

impl TokenBucket {
    /// Creates a full bucket.
    pub(crate) fn full(rate: TokenRate, now: Instant) -> Self {
        Self { rate, full_at: now }
    }

    /// Returns the time until the next token. Zero if there is one.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        let TokenRate { burst, refill } = self.rate;
        let most = refill.saturating_mul(burst.saturating_sub(1));
        self.full_at.saturating_duration_since(now).saturating_sub(most)
    }

    /// Takes a token.
    ///
    /// # Errors
    ///
    /// The time until the next token, if the bucket is empty.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let wait = self.wait(now);
        if !wait.is_zero() {
            return Err(wait);
        }
        self.full_at = instant_after(self.full_at.max(now), self.rate.refill);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_is_taken_at_once_and_comes_back_one_by_one() {
        let rate = TokenRate { burst: 3, refill: Duration::from_secs(10) };
        let begun = Instant::now();
        let mut bucket = TokenBucket::full(rate, begun);
        for _ in 0..3 {
            assert_eq!(bucket.take(begun), Ok(()));
        }
        assert_eq!(bucket.take(begun), Err(Duration::from_secs(10)));
        let later = begun + Duration::from_secs(10);
        assert_eq!(bucket.take(later), Ok(()));
        assert_eq!(bucket.take(later), Err(Duration::from_secs(10)));
    }

    proptest! {
        #[test]
        fn no_more_is_taken_than_the_rate_allows(
            burst in 1u32..10,
            refill in 1u64..100,
            pauses in prop::collection::vec(0u64..200, 0..200),
        ) {
            let rate = TokenRate { burst, refill: Duration::from_secs(refill) };
            let begun = Instant::now();
            let (mut bucket, mut now, mut taken) = (TokenBucket::full(rate, begun), begun, 0);
            for pause in pauses {
                now += Duration::from_secs(pause);
                taken += u64::from(bucket.take(now).is_ok());
                let passed = now.duration_since(begun).as_secs();
                prop_assert!(taken <= u64::from(burst) + passed / refill);
            }
        }
    }
}
