//! The comparison of samples over time.

use std::fmt;

use crate::sample::Sample;

/// The development of one figure over time.
#[derive(Debug)]
pub struct Verdict {
    figure: &'static str,
    /// The median of the second third.
    middle: u64,
    /// The median of the last third.
    end: u64,
    /// How much larger than `middle` the end may be.
    tolerance: u64,
}

/// Compares the last third of each figure with the second. The first third is the warm-up.
pub fn judge(samples: &[Sample]) -> [Verdict; 4] {
    let series = |figure: fn(&Sample) -> u64| samples.iter().map(figure).collect::<Vec<u64>>();
    [
        // The allocator grows slowly; within this tolerance, growth cannot be distinguished from noise.
        Verdict::new("memory KiB", &series(|sample| sample.memory), |middle| 1_024 + middle / 20),
        // The number of calls that hang after a fault varies.
        Verdict::new("tasks", &series(|sample| sample.tasks), |_| 3),
        Verdict::new("files", &series(|sample| sample.files), |_| 3),
        Verdict::new("sockets", &series(|sample| sample.sockets), |_| 3),
    ]
}

impl Verdict {
    fn new(figure: &'static str, series: &[u64], tolerance: impl Fn(u64) -> u64) -> Self {
        let third = series.len() / 3;
        let middle = median(&series[third..series.len() - third]);
        let end = median(&series[series.len() - third..]);
        Self { figure, middle, end, tolerance: tolerance(middle) }
    }

    /// Returns whether the figure did not grow.
    pub fn is_flat(&self) -> bool {
        self.end <= self.middle + self.tolerance
    }
}

fn median(series: &[u64]) -> u64 {
    let mut series = series.to_vec();
    series.sort_unstable();
    series.get(series.len() / 2).copied().unwrap_or_default()
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { figure, middle, end, tolerance } = self;
        let word = if self.is_flat() { "flat" } else { "GROWS" };
        write!(f, "{figure}: {middle} in the second third, {end} in the last, tolerance {tolerance}: {word}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn flat(series: impl Fn(u64) -> u64) -> [bool; 4] {
        let sample = |second| {
            let figure = series(second);
            let (at, memory) = (Duration::from_secs(second), 40_000 + 512 * figure);
            Sample { at, memory, tasks: 10 + figure, files: 10 + figure, sockets: 5 + figure }
        };
        judge(&(1..=60).map(sample).collect::<Vec<_>>()).map(|verdict| verdict.is_flat())
    }

    #[test]
    fn a_figure_that_is_constant_oscillates_falls_or_grows_only_in_the_warm_up_is_flat() {
        assert_eq!(flat(|_| 0), [true; 4]);
        assert_eq!(flat(|second| second % 7), [true; 4]);
        assert_eq!(flat(|second| second.min(20)), [true; 4]);
        assert_eq!(flat(|second| 60 - second), [true; 4]);
        assert_eq!(flat(|second| if second == 59 { 100 } else { 0 }), [true; 4], "one sample is no trend");
    }

    #[test]
    fn a_figure_that_grows_after_the_warm_up_is_found() {
        assert_eq!(flat(|second| second), [false; 4]);
        assert_eq!(
            flat(|second| second / 5),
            [true, false, false, false],
            "memory that grows by 100 KiB a second is within the noise"
        );
        assert_eq!(flat(|second| second.saturating_sub(40)), [false; 4]);
    }
}
