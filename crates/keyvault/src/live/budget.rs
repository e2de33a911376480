//! How often something may be forced.

use std::time::Duration;

use tokio::time::Instant;

/// A burst, and what comes back with time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    pub(super) burst: u32,
    pub(super) refill: Duration,
}

/// What is left of an [`Allowance`]. It is full at first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// When it will be full again.
    full_at: Instant,
}

impl Budget {
    pub(super) fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes one, or tells how long until there is one.
    pub(super) fn take(&mut self, allowance: Allowance, now: Instant) -> Result<(), Duration> {
        let most = allowance.refill.saturating_mul(allowance.burst.saturating_sub(1));
        let missing = self.full_at.saturating_duration_since(now);
        if missing > most {
            return Err(missing - most);
        }
        self.full_at = self.full_at.max(now) + allowance.refill;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_is_taken_at_once_and_comes_back_one_by_one() {
        let allowance = Allowance { burst: 3, refill: Duration::from_secs(10) };
        let begun = Instant::now();
        let mut budget = Budget::full(begun);
        for _ in 0..3 {
            assert_eq!(budget.take(allowance, begun), Ok(()));
        }
        assert_eq!(budget.take(allowance, begun), Err(Duration::from_secs(10)));
        let later = begun + Duration::from_secs(10);
        assert_eq!(budget.take(allowance, later), Ok(()));
        assert_eq!(budget.take(allowance, later), Err(Duration::from_secs(10)));
    }

    proptest! {
        #[test]
        fn no_more_is_taken_than_was_allowed(
            burst in 1u32..10,
            refill in 1u64..100,
            pauses in prop::collection::vec(0u64..200, 0..200),
        ) {
            let allowance = Allowance { burst, refill: Duration::from_secs(refill) };
            let begun = Instant::now();
            let (mut budget, mut now, mut taken) = (Budget::full(begun), begun, 0);
            for pause in pauses {
                now += Duration::from_secs(pause);
                taken += u64::from(budget.take(allowance, now).is_ok());
                let passed = now.duration_since(begun).as_secs();
                prop_assert!(taken <= u64::from(burst) + passed / refill);
            }
        }
    }
}
