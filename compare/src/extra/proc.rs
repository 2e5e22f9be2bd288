//! What the kernel says of another process's threads.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// All threads of a process at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Activity {
    pub(super) threads: usize,
    /// How many of them are asleep.
    pub(super) asleep: usize,
    /// How often they have given the CPU up or lost it.
    pub(super) switches: u64,
    /// How long they have run.
    pub(super) run: Duration,
}

impl Activity {
    /// That of a process.
    pub(super) fn of(process: u32) -> Result<Self> {
        let mut all = Self::default();
        for thread in fs::read_dir(format!("/proc/{process}/task"))? {
            let thread = thread?.path();
            let status = fs::read_to_string(thread.join("status"))?;
            all.threads += 1;
            all.asleep += usize::from(is_asleep(&status)?);
            all.switches += switches(&status)?;
            all.run += run_time(&fs::read_to_string(thread.join("schedstat"))?)?;
        }
        Ok(all)
    }
}

/// Waits until at least so many threads of a process are there, and all asleep for good.
pub(super) fn until_asleep(process: u32, threads: usize) -> Result<Activity> {
    const REST: Duration = Duration::from_millis(20);
    let start = Instant::now();
    let mut before = Activity::of(process)?;
    loop {
        std::thread::sleep(REST);
        let now = Activity::of(process)?;
        if now == before && now.asleep == now.threads && now.threads >= threads {
            return Ok(now);
        }
        ensure!(start.elapsed().as_secs() < 10, "no rest: {now:?}");
        before = now;
    }
}

fn field<'a>(status: &'a str, name: &str) -> Result<&'a str> {
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    value
        .map(str::trim)
        .with_context(|| format!("no {name} in the status"))
}

fn is_asleep(status: &str) -> Result<bool> {
    Ok(field(status, "State:")?.starts_with('S'))
}

fn switches(status: &str) -> Result<u64> {
    let voluntary: u64 = field(status, "voluntary_ctxt_switches:")?.parse()?;
    let others: u64 = field(status, "nonvoluntary_ctxt_switches:")?.parse()?;
    Ok(voluntary + others)
}

/// The first of the numbers in `schedstat`, nanoseconds.
fn run_time(schedstat: &str) -> Result<Duration> {
    let nanos = schedstat.split_whitespace().next();
    let nanos = nanos.context("an empty schedstat")?.parse()?;
    Ok(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tcat\nState:\tS (sleeping)\nThreads:\t1\n\
        voluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t7\n";

    #[test]
    fn status_tells_state_and_all_switches() {
        assert!(is_asleep(STATUS).unwrap());
        assert!(!is_asleep("State:\tR (running)\n").unwrap());
        assert_eq!(switches(STATUS).unwrap(), 157);
        assert!(switches("State:\tS (sleeping)\n").is_err());
    }

    #[test]
    fn schedstat_begins_with_the_time_that_was_run() {
        let run = run_time("1081917 27333 12\n").unwrap();
        assert_eq!(run, Duration::from_nanos(1_081_917));
        assert!(run_time("").is_err());
    }
}
