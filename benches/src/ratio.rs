//! A figure that also holds on a machine that is not quiet: how many times the bound something takes, both in turn.

use std::time::Instant;

use criterion::measurement::{Measurement, ValueFormatter};
use criterion::{BenchmarkGroup, Criterion, Throughput};

use crate::Rounds;

/// What criterion measures here: the ratio to a bound.
///
/// It measures one function until it is done with it, and then the next; the machine may have become another by then. So
/// what it is given is a round, in which the bound has its turn, too.
#[derive(Debug)]
pub struct Ratio;

/// What a way and its bound took, the median of the rounds.
#[derive(Clone, Copy, Debug)]
pub struct Compared {
    /// The way's, in the unit of the rounds.
    pub way: f64,
    /// The bound's.
    pub bound: f64,
    /// The median of the ratios.
    pub ratio: f64,
}

impl Ratio {
    /// Gives a criterion that is told by the command line what to do.
    pub fn criterion() -> Criterion<Self> {
        Criterion::default().without_plots().with_measurement(Self).configure_from_args()
    }

    /// Measures a way beside its bound. `round` is told how many times, and gives what both took, the way first.
    ///
    /// None if the command line asks for others.
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

    /// Where nothing else is, the bound is a second.
    fn end(&self, begun: Instant) -> f64 {
        begun.elapsed().as_secs_f64()
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
