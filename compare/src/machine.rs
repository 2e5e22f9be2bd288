//! The machine: where we may run on it, what was used of it, and what it is.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::sysinfo::sysinfo;
use nix::sys::utsname::uname;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use serde_json::Value;

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

/// The date and the time, in UTC.
pub(crate) fn date() -> String {
    Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// What the machine is, as far as it says so: a figure means little without it.
pub(crate) fn facts() -> Vec<(String, String)> {
    let mut facts = hardware();
    let mut add = |what: &str, value: String| facts.push((what.to_owned(), value));
    if let Ok(cpus) = cpus() {
        add("CPUs used", format!("{cpus:?}"));
    }
    if let Ok(info) = sysinfo() {
        let mib = info.ram_total() >> 20;
        add("Memory", format!("{:.1} GiB", mib as f64 / 1024.0));
    }
    if let Ok(name) = uname() {
        let [system, release] = [name.sysname(), name.release()].map(|s| s.to_string_lossy());
        add("Kernel", format!("{system} {release}"));
    }
    if let Some(version) = output("rustc", &["--version"]) {
        add("Compiler", version.trim().to_owned());
    }
    facts
}

/// Of all that `lscpu` knows, what matters here.
const HARDWARE: [&str; 8] = [
    "Model name",
    "CPU(s)",
    "Thread(s) per core",
    "Core(s) per socket",
    "L1d cache",
    "L2 cache",
    "L3 cache",
    "Hypervisor vendor",
];

fn hardware() -> Vec<(String, String)> {
    let known = output("lscpu", &["--json"]).and_then(|json| serde_json::from_str(&json).ok());
    let Some(known): Option<Value> = known else {
        return Vec::new();
    };
    let mut found = Vec::new();
    collect(&known["lscpu"], &mut found);
    found
}

/// Newer versions nest the entries.
fn collect(entries: &Value, found: &mut Vec<(String, String)>) {
    for entry in entries.as_array().into_iter().flatten() {
        let field = entry["field"]
            .as_str()
            .unwrap_or_default()
            .trim_end_matches(':');
        if let (true, Some(data)) = (HARDWARE.contains(&field), entry["data"].as_str()) {
            found.push((field.to_owned(), data.to_owned()));
        }
        collect(&entry["children"], found);
    }
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .output();
    let output = output.ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}
