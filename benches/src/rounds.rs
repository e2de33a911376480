//! Repeated measurements, and the files for the plots.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::Value;

/// Repetitions of one measurement.
#[derive(Clone, Debug, Default)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    /// Adds a measurement.
    pub fn push(&mut self, measured: f64) {
        self.0.push(measured);
        self.0.sort_by(f64::total_cmp);
    }

    /// Returns the median, or NaN without a measurement.
    pub fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// Returns whether this is `cargo bench`. Under `cargo test --benches` each benchmark runs once, with little work.
pub fn is_bench() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// Saves `measured` for the plots. Does nothing unless [`is_bench`].
///
/// # Errors
///
/// The file cannot be written.
pub fn save(name: &str, measured: &Value) -> io::Result<()> {
    if !is_bench() {
        return Ok(());
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance");
    fs::create_dir_all(&directory)?;
    fs::write(directory.join(format!("{name}.json")), format!("{measured:#}\n"))
}
