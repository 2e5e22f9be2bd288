//! The machine: where we may run on it, what was used of it, and what it is.

use std::time::Duration;

use anyhow::Result;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::task::{Placement, Side, Usage};

/// The CPUs that this process was started on.
pub(crate) fn cpus() -> Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count())
        .filter(|&cpu| set.is_set(cpu).unwrap_or(false))
        .collect())
}

/// Has the calling thread, and those that it starts from here on, run where it should.
///
/// With one CPU all places are the same.
pub(crate) fn place(cpus: &[usize], placement: Placement, side: Side) -> Result<()> {
    let mut set = CpuSet::new();
    match (placement, side) {
        (Placement::Free, _) => cpus.iter().try_for_each(|&cpu| set.set(cpu))?,
        (Placement::TwoCpus, Side::Passive) => set.set(cpus[1 % cpus.len()])?,
        _ => set.set(cpus[0])?,
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// What this process has used up to now.
pub(crate) fn usage() -> Result<Usage> {
    // The clock counts in nanoseconds, where `getrusage` shares ticks out.
    let cpu = Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?);
    let sleeps = getrusage(UsageWho::RUSAGE_SELF)?.voluntary_context_switches();
    Ok(Usage {
        cpu,
        sleeps: sleeps as u64,
    })
}

impl Usage {
    /// What was used since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(before.cpu),
            sleeps: self.sleeps.saturating_sub(before.sleeps),
        }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            sleeps: self.sleeps + other.sleeps,
        }
    }
}
