//! The processes that the command started, directly or not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, kill_process_group, test_kill_process_group, waitpid,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

/// The processes that a restart ends: the process group of the command, and what left the group.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProcessTree {
    leader: Pid,
    /// Whether the command leads a process group of its own.
    has_group: bool,
}

/// Returns whether a command may have a process group of its own.
///
/// On a terminal it stays in ours: the terminal signals the whole group, and only that group may read from it.
pub(super) fn may_lead_a_group() -> bool {
    File::open("/dev/tty").is_err()
}

impl ProcessTree {
    pub(super) fn new(leader: Pid, has_group: bool) -> Self {
        Self { leader, has_group }
    }

    /// Sends `signal` to every process. The command itself must not have been waited for, or be known to have ended.
    pub(super) fn send(self, signal: Signal, has_ended: bool) {
        if self.has_group {
            let _ = kill_process_group(self.leader, signal);
        } else if !has_ended {
            let _ = kill_process(self.leader, signal);
        }
        for process in self.others() {
            if !(self.has_group && process.group == self.leader.as_raw_nonzero().get()) {
                let _ = Pid::from_raw(process.id).map(|id| kill_process(id, signal));
            }
        }
    }

    /// Returns whether only the command itself, or nothing, is left.
    pub(super) fn is_empty(self) -> bool {
        // Without `/proc` the system only says whether the group exists.
        let has_proc = cfg!(target_os = "linux");
        self.others().is_empty() && (has_proc || !self.has_group || test_kill_process_group(self.leader).is_err())
    }

    /// Returns the running processes other than the command itself.
    fn others(self) -> Vec<ProcessStat> {
        let leader = self.leader.as_raw_nonzero().get();
        let processes = processes();
        let mut ids = descendants(&processes, getpid().as_raw_nonzero().get());
        ids.extend(
            processes.values().filter(|process| self.has_group && process.group == leader).map(|process| process.id),
        );
        let is_other = |process: &&ProcessStat| ids.contains(&process.id) && process.id != leader && !process.is_zombie;
        processes.values().filter(is_other).copied().collect()
    }
}

/// One line of `/proc/…/stat`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct ProcessStat {
    id: i32,
    parent: i32,
    group: i32,
    is_zombie: bool,
}

/// Returns every process. Empty on a system without `/proc`.
fn processes() -> BTreeMap<i32, ProcessStat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let process = |id| parse_stat(id, &fs::read_to_string(format!("/proc/{id}/stat")).ok()?);
    ids.filter_map(process).map(|process| (process.id, process)).collect()
}

/// Parses `12 (a name) S 1 12 …`. The name may contain parentheses.
fn parse_stat(id: i32, stat: &str) -> Option<ProcessStat> {
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace();
    let is_zombie = matches!(fields.next()?, "Z" | "X");
    Some(ProcessStat { id, parent: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()?, is_zombie })
}

/// Returns the ids of all descendants of a process, without those that copy output.
fn descendants(processes: &BTreeMap<i32, ProcessStat>, ancestor: i32) -> BTreeSet<i32> {
    let excluded = EXCLUDED.lock().map(|excluded| excluded.clone()).unwrap_or_default();
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for process in processes.values() {
        children.entry(process.parent).or_default().push(process.id);
    }
    let mut found = BTreeSet::new();
    let mut open = vec![ancestor];
    while let Some(parent) = open.pop() {
        for child in children.get(&parent).into_iter().flatten() {
            if !excluded.contains(child) && found.insert(*child) {
                open.push(*child);
            }
        }
    }
    found
}

/// Children of this process that are not the command's: those that copy the output of background processes.
static EXCLUDED: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

pub(super) fn exclude(id: u32) {
    if let (Ok(mut excluded), Ok(id)) = (EXCLUDED.lock(), i32::try_from(id)) {
        excluded.insert(id);
    }
}

/// Inherits the processes whose parent ends, so that they can be found at a restart.
pub(in crate::run) fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(getpid()));
}

/// Waits for the processes that this one inherits, as process 1 must. Never returns.
///
/// A child that another part of this process waits for is gone at once. One that is still there after a while was
/// inherited.
pub(in crate::run) async fn reap_orphans() {
    let Ok(mut child_ended) = signal(SignalKind::child()) else { return };
    let own = getpid().as_raw_nonzero().get();
    let zombies = || -> BTreeSet<i32> {
        let is_ours = |process: &&ProcessStat| process.parent == own && process.is_zombie;
        processes().values().filter(is_ours).map(|process| process.id).collect()
    };
    let mut seen = BTreeSet::new();
    loop {
        if seen.is_empty() {
            child_ended.recv().await;
        }
        sleep(REAP_DELAY).await;
        let now = zombies();
        for id in now.intersection(&seen) {
            let _ = Pid::from_raw(*id).map(|id| waitpid(Some(id), WaitOptions::NOHANG));
        }
        seen = now.difference(&seen).copied().collect();
    }
}

const REAP_DELAY: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_is_parsed_whatever_the_name_is() {
        let expected = ProcessStat { id: 12, parent: 1, group: 7, is_zombie: true };
        assert_eq!(parse_stat(12, "12 (a) b (c) Z 1 7 3 0"), Some(expected));
        assert_eq!(parse_stat(12, "12"), None);
    }

    #[test]
    fn descendants_are_found_at_any_depth() {
        let process = |(id, parent)| (id, ProcessStat { id, parent, group: 1, is_zombie: false });
        let processes = [(1, 0), (2, 1), (3, 2), (4, 1), (5, 3)].map(process).into_iter().collect();
        assert_eq!(descendants(&processes, 2), BTreeSet::from([3, 5]));
    }
}
