//! Whether something grows.

use std::fmt;

use crate::sample::Sample;

/// What became of one figure over time.
#[derive(Debug)]
pub(crate) struct Verdict {
    what: &'static str,
    /// The median of the second third, and that of the last.
    middle: u64,
    end: u64,
    /// How much more there may be at the end.
    tolerance: u64,
}

/// Judges every figure: its last third by the one before. The first is for warming up.
pub(crate) fn judge(samples: &[Sample]) -> [Verdict; 4] {
    let of = |figure: fn(&Sample) -> u64| samples.iter().map(figure).collect::<Vec<u64>>();
    [
        // The allocator takes what it needs by and by: so much in pieces too small to be told from noise.
        Verdict::of("memory KiB", &of(|sample| sample.memory), |middle| 1_024 + middle / 20),
        // What faults leave hanging for some seconds is not there in the same number every time.
        Verdict::of("tasks", &of(|sample| sample.tasks), |_| 3),
        Verdict::of("files", &of(|sample| sample.files), |_| 3),
        Verdict::of("sockets", &of(|sample| sample.sockets), |_| 3),
    ]
}

impl Verdict {
    fn of(what: &'static str, series: &[u64], tolerance: impl Fn(u64) -> u64) -> Self {
        let third = series.len() / 3;
        let middle = median(&series[third..series.len() - third]);
        let end = median(&series[series.len() - third..]);
        Self { what, middle, end, tolerance: tolerance(middle) }
    }

    /// Tells whether it did not grow.
    pub(crate) fn is_flat(&self) -> bool {
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
        let Self { what, middle, end, tolerance } = self;
        let word = if self.is_flat() { "flat" } else { "GROWS" };
        write!(f, "{what}: {middle} in the second third, {end} in the last, {tolerance} more allowed: {word}")
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
    fn what_stands_still_swings_or_grew_only_at_first_is_flat() {
        assert_eq!(flat(|_| 0), [true; 4]);
        assert_eq!(flat(|second| second % 7), [true; 4]);
        assert_eq!(flat(|second| second.min(20)), [true; 4]);
        assert_eq!(flat(|second| 60 - second), [true; 4]);
        assert_eq!(flat(|second| if second == 59 { 100 } else { 0 }), [true; 4], "one look is no trend");
    }

    #[test]
    fn what_grows_is_found() {
        assert_eq!(flat(|second| second), [false; 4]);
        assert_eq!(
            flat(|second| second / 5),
            [true, false, false, false],
            "memory by 100 KiB a second is within the noise"
        );
        assert_eq!(flat(|second| second.saturating_sub(40)), [false; 4]);
    }
}
