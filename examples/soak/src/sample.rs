//! The resources of this process at one moment.

use std::fmt;
use std::fs;
use std::time::Duration;

use crate::Result;
use tokio::runtime::Handle;

/// The resources of this process at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The time since the start.
    pub at: Duration,
    /// Resident memory in KiB.
    pub memory: u64,
    /// Tokio tasks that have not ended.
    pub tasks: u64,
    /// Open file descriptors.
    pub files: u64,
    /// How many of the files are sockets, most of them connections.
    pub sockets: u64,
}

impl Sample {
    /// The head of a table of samples. The last column is the generation of the settings.
    pub const HEAD: &str = "\
| second | memory KiB | tasks | files | sockets | settings |
|-------:|-----------:|------:|------:|--------:|---------:|";

    /// Takes a sample.
    ///
    /// # Errors
    ///
    /// The system has no `/proc`.
    pub fn take(at: Duration) -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = memory.and_then(|line| line.trim().strip_suffix(" kB")).ok_or("/proc reports no memory")?;
        let mut files = 0;
        let mut sockets = 0;
        for file in fs::read_dir("/proc/self/fd")? {
            files += 1;
            let target = fs::read_link(file?.path()).unwrap_or_default();
            sockets += u64::from(target.to_string_lossy().starts_with("socket:"));
        }
        let tasks = u64::try_from(Handle::current().metrics().num_alive_tasks())?;
        // The directory being read is an open file, too.
        Ok(Self { at, memory: memory.parse()?, tasks, files: files - 1, sockets })
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, memory, tasks, files, sockets } = self;
        if f.alternate() {
            return write!(f, "{tasks} tasks, {files} files, {sockets} of them sockets");
        }
        write!(f, "| {:>6} | {memory:>10} | {tasks:>5} | {files:>5} | {sockets:>7} |", at.as_secs())
    }
}
