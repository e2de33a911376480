//! How many requests may be under way to a vault.

/// The number of requests that may be under way: fewer after a refusal, more with every success.
///
/// It moves as a [TCP sender's](https://www.rfc-editor.org/rfc/rfc5681#section-3.1) does. After a refusal it is one. Each
/// success adds one, so that it doubles in a round trip, up to half of what was refused; from there on a whole window of
/// successes adds one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    size: f64,
    most: f64,
    threshold: f64,
}

impl Window {
    pub(super) fn new(most: u16) -> Self {
        let most = f64::from(most);
        Self { size: most, most, threshold: most }
    }

    /// Allows up to `most`; one that was never refused anything uses that at once.
    pub(super) fn widen(&mut self, most: u16) {
        let most = f64::from(most).max(self.most);
        if self.size >= self.most {
            (self.size, self.threshold) = (most, most);
        }
        self.most = most;
    }

    /// Tells how many may be under way: at least one.
    pub(super) fn size(&self) -> usize {
        self.size as usize
    }

    pub(super) fn refused(&mut self) {
        self.threshold = (self.size / 2.0).max(1.0);
        self.size = 1.0;
    }

    pub(super) fn succeeded(&mut self) {
        self.size += if self.size < self.threshold { 1.0 } else { 1.0 / self.size };
        self.size = self.size.min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_closes_at_once_and_opens_fast_and_then_slowly() {
        let mut window = Window::new(64);
        window.refused();
        let round = |window: &mut Window| {
            (0..window.size()).for_each(|_| window.succeeded());
            window.size()
        };
        let sizes: Vec<usize> = (0..8).map(|_| round(&mut window)).collect();
        assert_eq!(sizes, [2, 4, 8, 16, 32, 32, 33, 34]);
        window.widen(100);
        assert_eq!(window.size(), 34, "what was refused is not forgotten");
    }

    #[test]
    fn one_that_was_never_refused_is_as_wide_as_it_may_be() {
        let mut window = Window::new(64);
        assert_eq!(window.size(), 64);
        window.widen(100);
        assert_eq!(window.size(), 100);
        window.widen(64);
        assert_eq!(window.size(), 100);
    }

    proptest! {
        #[test]
        fn it_stays_within_its_bounds_and_recovers(good in prop::collection::vec(prop::bool::weighted(0.9), 0..500)) {
            let mut window = Window::new(64);
            for good in good {
                let before = window.size();
                if good { window.succeeded() } else { window.refused() }
                prop_assert!((1..=64).contains(&window.size()));
                let moved = if good { window.size() >= before } else { window.size() == 1 };
                prop_assert!(moved, "{} after {before}", window.size());
            }
            (0..64 * 64).for_each(|_| window.succeeded());
            prop_assert_eq!(window.size(), 64);
        }
    }
}
