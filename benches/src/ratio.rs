//! The ratio to a bound, measured in alternation, so that it is stable on a busy machine.

use std::time::Instant;

use criterion::measurement::{Measurement, ValueFormatter};
use criterion::{BenchmarkGroup, Criterion, Throughput};

use crate::Rounds;

/// A measurement for criterion: the ratio to a bound.
///
/// Criterion measures one function after another, and the speed of the machine may change in between. Therefore each
/// round measures both the way and its bound.
#[derive(Debug)]
pub struct Ratio;

/// The medians of a way and its bound.
#[derive(Clone, Copy, Debug)]
pub struct Compared {
    /// The median of the way, in the unit of the rounds.
    pub way: f64,
    /// The median of the bound, in the same unit.
    pub bound: f64,
    /// The median of the ratios.
    pub ratio: f64,
}

impl Ratio {
    /// Creates a criterion that the command line configures.
    pub fn criterion() -> Criterion<Self> {
        Criterion::default().without_plots().with_measurement(Self).configure_from_args()
    }

    /// Measures a way against its bound. `round` runs both the given number of times and returns their durations, the
    /// way first. Returns `None` if the filter on the command line excludes `name`.
    pub fn compare(
        group: &mut BenchmarkGroup<'_, Self>,
        name: &str,
        mut round: impl FnMut(u64) -> (f64, f64),
    ) -> Option<Compared> {
        let mut rounds = [Rounds::default(), Rounds::default(), Rounds::default()];
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                let (way, bound) = round(times);
                let measured = [way / times as f64, bound / times as f64, way / bound];
                rounds.iter_mut().zip(measured).for_each(|(rounds, measured)| rounds.push(measured));
                times as f64 * way / bound
            });
        });
        let [way, bound, ratio] = rounds.map(|rounds| rounds.median());
        (!ratio.is_nan()).then_some(Compared { way, bound, ratio })
    }
}

impl Measurement for Ratio {
    type Intermediate = Instant;
    type Value = f64;

    fn start(&self) -> Instant {
        Instant::now()
    }

    /// The bound of a plain duration is one second.
    fn end(&self, started: Instant) -> f64 {
        started.elapsed().as_secs_f64()
    }

    fn add(&self, one: &f64, other: &f64) -> f64 {
        one + other
    }

    fn zero(&self) -> f64 {
        0.0
    }

    fn to_f64(&self, value: &f64) -> f64 {
        *value
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

impl ValueFormatter for Ratio {
    fn scale_values(&self, _: f64, _: &mut [f64]) -> &'static str {
        UNIT
    }

    fn scale_throughputs(&self, _: f64, _: &Throughput, _: &mut [f64]) -> &'static str {
        UNIT
    }

    fn scale_for_machines(&self, _: &mut [f64]) -> &'static str {
        UNIT
    }
}

const UNIT: &str = "× the bound";
