//! Rounds of measurements, and what stands out of them.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::Value;

/// The same measurement, many times.
#[derive(Clone, Debug, Default)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    /// Adds one.
    pub fn push(&mut self, measured: f64) {
        self.0.push(measured);
        self.0.sort_by(f64::total_cmp);
    }

    /// Gives the middle one; of none, not a number.
    pub fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// Gives the least and the greatest.
    pub fn range(&self) -> (f64, f64) {
        let end = |one: Option<&f64>| one.copied().unwrap_or(f64::NAN);
        (end(self.0.first()), end(self.0.last()))
    }
}

impl FromIterator<f64> for Rounds {
    fn from_iter<I: IntoIterator<Item = f64>>(measured: I) -> Self {
        let mut rounds = Self::default();
        measured.into_iter().for_each(|one| rounds.push(one));
        rounds
    }
}

/// Tells whether this is a measurement; `cargo test --benches` only wants to know that it runs.
pub fn is_bench() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// Keeps `measured` for the plots, if this is a measurement.
///
/// # Errors
///
/// A file that cannot be written.
pub fn save(name: &str, measured: &Value) -> io::Result<()> {
    if !is_bench() {
        return Ok(());
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance");
    fs::create_dir_all(&directory)?;
    fs::write(directory.join(format!("{name}.json")), format!("{measured:#}\n"))
}
