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
