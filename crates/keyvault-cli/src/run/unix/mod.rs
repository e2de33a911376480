//! Unix: process groups, signals, `exec`, and pipes that another process takes over.
//!
//! In reading order: `process` is the command with its `process_tree`, every process that it started. `signal` receives
//! signals, and `background_output` masks what a process in the background prints after `keyvault` has ended.

mod background_output;
mod process;
mod process_tree;
mod signal;

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

pub(super) use self::background_output::hand_over;
pub(crate) use self::background_output::{MASK_ARGUMENT, copy_for_background_processes};
pub(super) use self::process::{Process, exit_code};
pub(super) use self::process_tree::{adopt_orphans, reap_orphans};
pub(super) use self::signal::{ReceivedSignal, listen};
use super::environment::ChildEnvironment;

/// Returns the command of a program, which the system searches for in the `PATH` of `environment`.
pub(super) fn command(program: &OsStr, _: &ChildEnvironment) -> Command {
    Command::new(program)
}

/// Replaces this process by the program. Returns only if that fails.
pub(super) fn exec(mut command: Command) -> io::Error {
    command.exec()
}
