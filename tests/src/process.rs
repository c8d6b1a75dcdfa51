//! What the machine tells of a running process.

use std::time::Duration;

/// Resident memory, in KiB.
///
/// # Panics
/// When there is no such process.
pub fn rss_kib(pid: u32) -> u64 {
    status_kib(pid, "VmRSS:")
}

/// The most memory that was ever resident, in KiB.
///
/// # Panics
/// When there is no such process.
pub fn peak_kib(pid: u32) -> u64 {
    status_kib(pid, "VmHWM:")
}

/// Processor time used so far, in user and system mode.
///
/// # Panics
/// When there is no such process.
pub fn processor_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    // Both in hundredths of a second.
    let ticks = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number"));
    Duration::from_millis(10 * ticks.sum::<u64>())
}

fn status_kib(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a process has memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
