//! Every fault in every situation ends as `docs/fault-matrix.md` says.
//!
//! The clock is virtual and the transport is in this process, so an hour of waiting takes no time. Each cell must end
//! within its deadline, send no more requests than allowed, lose no settings, report the failure, and leave nothing
//! behind that breaks the next call. `KEYVAULT_WRITE_TABLES=1 cargo test -p keyvault-tests matrix` writes the file.

mod fault;
mod situation;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;
use std::{env, fs};

use self::fault::FAULTS;
use self::situation::{Cell, SITUATIONS};

#[test]
fn every_fault_in_every_situation_ends_as_documented() {
    let mut table = HEAD.to_owned();
    let headings: Vec<&str> = SITUATIONS.iter().map(|situation| situation.name).collect();
    writeln!(table, "| fault | {} |\n|---|{}", headings.join(" | "), "---|".repeat(headings.len())).unwrap();
    for fault in FAULTS {
        let cells: Vec<String> = SITUATIONS.iter().map(|situation| situation.live_through(fault).to_string()).collect();
        writeln!(table, "| {} | {} |", fault.name, cells.join(" | ")).unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/fault-matrix.md");
    if env::var_os("KEYVAULT_WRITE_TABLES").is_some() {
        fs::write(path, &table).unwrap();
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    for (now, then) in table.lines().zip(written.lines()) {
        assert_eq!(now, then, "docs/fault-matrix.md differs");
    }
    assert_eq!(table.lines().count(), written.lines().count());
}

#[test]
fn faults_and_situations_have_distinct_names() {
    let faults: BTreeSet<&str> = FAULTS.iter().map(|fault| fault.name).collect();
    assert_eq!(faults.len(), FAULTS.len());
    assert!(FAULTS.len() >= 30 && SITUATIONS.len() == 6);
}

impl Cell {
    /// Returns the duration as a wide range, because pauses are random.
    fn time(&self) -> &'static str {
        let ranges = [(1, "< 1 s"), (5, "< 5 s"), (31, "≤ 30 s"), (101, "≤ 100 s")];
        let range = ranges.into_iter().find(|(seconds, _)| self.took < Duration::from_secs(*seconds));
        range.map_or("longer", |(_, text)| text)
    }
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}, {}", self.outcome, self.requests, self.time())
    }
}

const HEAD: &str = "\
# Fault matrix

The test suite writes this table (`tests/hostile/matrix`). It runs every fault in every situation on a virtual clock,
and fails if a cell differs. A cell holds the outcome, the number of requests that reached the vault or failed on the
way, and the time.

* `ok`: the fault was survived, and the call or the settings have the new secret.
* Any other word is the `ErrorKind` of the error. In a refresh, after an event and after a credential report it means:
  the failure was reported, and **the last good settings stayed**.
* Times are ranges, because pauses are random. A client operation ends within 30 seconds, and so does each page of a
  list. A start ends within 100 seconds, and a refresh within 100 (the first attempt after an event is one operation).
* The client operation is `get` of a secret that rotated a moment before. A list has one page, except where it has no
  end: the client stops it after 4,000 pages.
* In every cell, the next call succeeded as soon as the fault was gone.

";
