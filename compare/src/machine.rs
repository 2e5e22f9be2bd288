//! The machine: where we may run on it, what was used of it, and what it is.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
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

/// Lets this process, and those that it starts from here on, have as many descriptors as the
/// administrator allows, and says how many that are.
pub(crate) fn allow_descriptors() -> Result<usize> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    Ok(usize::try_from(most).unwrap_or(usize::MAX))
}

/// How many descriptors this process has open.
pub(crate) fn descriptors() -> Result<usize> {
    let all = std::fs::read_dir("/proc/self/fd").context("cannot count descriptors")?;
    // One is that of the directory.
    Ok(all.count() - 1)
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
