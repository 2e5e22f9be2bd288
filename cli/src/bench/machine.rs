//! The machine, and where on it the two processes run.

use std::fs;

use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::utsname::uname;
use nix::unistd::Pid;
use procfs::{CpuInfo, Current, LoadAverage};
use serde::Serialize;

/// What the figures are of.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Machine {
    /// Those of the two processes.
    pub(super) cpus: [usize; 2],
    pub(super) model: String,
    pub(super) kernel: String,
    /// Processes that wanted to run in the last minute, before anything was measured.
    pub(super) load: Option<f32>,
}

impl Machine {
    /// Looks at the machine, and chooses CPUs if none are given.
    pub(super) fn look(cpus: Option<[usize; 2]>) -> Result<Self> {
        let allowed = allowed()?;
        let cpus = cpus.unwrap_or_else(|| choose(&allowed, siblings));
        if let Some(cpu) = cpus.iter().find(|cpu| !allowed.contains(cpu)) {
            bail!("this process may not run on CPU {cpu}, but on these: {allowed:?}");
        }
        let info = CpuInfo::current().ok();
        let model = info.and_then(|info| Some(info.model_name(0)?.to_owned()));
        Ok(Self {
            cpus,
            model: model.unwrap_or_else(|| "unknown CPU".to_owned()),
            kernel: format!("Linux {}", uname()?.release().display()),
            load: LoadAverage::current().ok().map(|load| load.one),
        })
    }

    pub(super) fn has_two_cpus(&self) -> bool {
        self.cpus[0] != self.cpus[1]
    }
}

/// The CPUs that this process was started on.
fn allowed() -> Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0)).context("cannot see which CPUs there are")?;
    Ok((0..CpuSet::count())
        .filter(|&cpu| set.is_set(cpu).unwrap_or(false))
        .collect())
}

/// The first, and another one, on another core if there is one.
fn choose(allowed: &[usize], siblings: impl Fn(usize) -> Vec<usize>) -> [usize; 2] {
    let first = allowed.first().copied().unwrap_or(0);
    let near = siblings(first);
    let others = || allowed.iter().copied().skip(1);
    let second = others()
        .find(|cpu| !near.contains(cpu))
        .or_else(|| others().next());
    [first, second.unwrap_or(first)]
}

/// The CPUs of the same core, as far as the kernel says.
fn siblings(cpu: usize) -> Vec<usize> {
    let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
    parse_list(&fs::read_to_string(path).unwrap_or_default())
}

/// Numbers and ranges of them.
fn parse_list(text: &str) -> Vec<usize> {
    let parts = text.trim().split(',');
    let ranges = parts.filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

/// Has the calling thread, and those that it starts from here on, run there.
pub(super) fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .with_context(|| format!("cannot run on CPU {cpu}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_numbers_and_ranges() {
        assert_eq!(parse_list("0,4-6\n"), [0, 4, 5, 6]);
        assert_eq!(parse_list(""), [0; 0]);
    }

    #[test]
    fn other_cpu_is_on_another_core_if_there_is_one() {
        let two_each = |cpu: usize| vec![cpu & !1, cpu | 1];
        assert_eq!(choose(&[2, 3, 4], two_each), [2, 4]);
        assert_eq!(choose(&[2, 3], two_each), [2, 3]);
        assert_eq!(choose(&[5], two_each), [5, 5]);
    }
}
