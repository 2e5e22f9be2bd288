//! The heavy fence: `membarrier(2)`, which makes every CPU that runs a
//! registered process execute a full memory barrier.
//!
//! [membarrier(2)](https://man7.org/linux/man-pages/man2/membarrier.2.html)
//!
//! Between processes the kernel does not keep that promise. What a CPU's process has registered for is
//! noted when the CPU switches to another address space, and taken for nothing when a thread ends
//! there. If another thread of the same process is the next to run, the address space is the
//! same, so nothing is noted: barriers pass that CPU by until some other process has run there (Linux
//! 6.18; 0 of 1,000 barriers interrupted it, 980 of 1,000 before and after). Nobody can know where
//! such a CPU is. So [`global_expedited`] lasts long enough for any store to have left its CPU by itself.

#![allow(unsafe_code, reason = "raw system calls")]

use std::hint;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::{fork, visit};
use crate::error::{Error, Result};

/// The fork generation in which this process was registered, plus one.
static REGISTERED: AtomicU32 = AtomicU32::new(0);

/// The same for barriers in this process only.
static REGISTERED_PRIVATE: AtomicU32 = AtomicU32::new(0);

/// How long it takes at most until others see what a CPU has stored. That is the time of some cache misses,
/// and more where a hypervisor has the machine do something else: of 10 million stores that met a load
/// 3 us later 68 did not show, of 9 million after 5 us and of 4 million after 10 us none.
const SETTLED: Duration = Duration::from_micros(20);

/// `int membarrier(int cmd, unsigned int flags, int cpu_id)`
fn membarrier(command: libc::c_int) -> Result<(), Errno> {
    // SAFETY: the call takes no pointers.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
    Errno::result(result).map(drop)
}

/// Has this process registered, unless `registered` says that it was.
fn once(registered: &AtomicU32, register: impl FnOnce() -> Result<()>) -> Result<()> {
    let generation = fork::generation() + 1;
    // Relaxed: two threads that both register do no harm.
    if registered.load(Ordering::Relaxed) != generation {
        register()?;
        registered.store(generation, Ordering::Relaxed);
    }
    Ok(())
}

/// Registers this process as one whose CPUs take part, once, and sees that it may
/// still call for a barrier.
///
/// Must come before the process uses a pair in asymmetric mode: the other
/// side's barrier reaches only registered processes. Takes milliseconds in a
/// process with many threads.
///
/// # Errors
/// [`Error::FenceRefused`] if the kernel or a sandbox does not allow it.
pub(crate) fn register() -> Result<()> {
    once(&REGISTERED, || {
        membarrier(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED)
            .map_err(|_| Error::FenceRefused)?;
        visit::every_cpu()
    })?;
    // A sandbox may allow one command and not the other, and may have been entered
    // since the last pair: an endpoint that could never wait is refused now.
    membarrier(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED).map_err(|_| Error::FenceRefused)
}

/// A full barrier on this CPU and on every CPU that runs a registered process; or, where the kernel
/// has lost track of one, so much time that what ran there before the call shows. Takes 20 us.
///
/// # Errors
/// [`Error::FenceRefused`] if a sandbox that was entered later forbids it. The
/// caller must not go to sleep then.
pub(crate) fn global_expedited() -> Result<()> {
    let start = Instant::now();
    membarrier(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED).map_err(|_| Error::FenceRefused)?;
    while start.elapsed() < SETTLED {
        hint::spin_loop();
    }
    Ok(())
}

/// A full barrier on every CPU that runs a thread of this process, whichever has ended there: the kernel
/// looks at what runs now. Registers the process the first time, which takes milliseconds if it has many
/// threads.
///
/// # Errors
/// [`Error::FenceRefused`] if the kernel or a sandbox does not allow it.
pub(crate) fn private_expedited() -> Result<()> {
    once(&REGISTERED_PRIVATE, || {
        membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED).map_err(|_| Error::FenceRefused)
    })?;
    membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED).map_err(|_| Error::FenceRefused)
}

// Only there it is known how the kernel counts what barriers are.
#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use std::fs;
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::unistd::Pid;

    use super::*;

    const SELF: Pid = Pid::from_raw(0);

    fn run_on(cpu: usize) {
        let mut set = CpuSet::new();
        set.set(cpu).unwrap();
        sched_setaffinity(SELF, &set).unwrap();
    }

    /// How often CPUs were asked by others to do something, as barriers do.
    fn interrupts() -> u64 {
        let all = fs::read_to_string("/proc/interrupts").unwrap();
        let line = all.lines().find(|line| line.contains("Function call"));
        let counts = line.unwrap().split_whitespace();
        counts.filter_map(|count| count.parse::<u64>().ok()).sum()
    }

    #[test]
    fn barrier_between_processes_lasts_until_stores_show_by_themselves() {
        register().unwrap();
        let start = Instant::now();
        global_expedited().unwrap();
        assert!(start.elapsed() >= SETTLED);
    }

    #[test]
    fn barrier_in_the_process_reaches_cpus_on_which_threads_have_ended() {
        const ROUNDS: usize = 20;
        const BARRIERS: u64 = 50;
        // So that a barrier between processes would not do only where it has that hole.
        register().unwrap();
        let usable = sched_getaffinity(SELF).unwrap();
        let mut cpus = (0..CpuSet::count()).filter(|&cpu| usable.is_set(cpu).unwrap());
        let (Some(first), Some(second)) = (cpus.next(), cpus.next()) else {
            return;
        };
        let (asked, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let mut counted = Vec::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                run_on(first);
                for round in 1..=ROUNDS {
                    thread::spawn(|| ()).join().unwrap();
                    ended.store(round, Ordering::Relaxed);
                    while asked.load(Ordering::Relaxed) < round {
                        hint::spin_loop();
                    }
                }
            });
            run_on(second);
            for round in 1..=ROUNDS {
                while ended.load(Ordering::Relaxed) < round {
                    hint::spin_loop();
                }
                let before = interrupts();
                for _ in 0..BARRIERS {
                    private_expedited().unwrap();
                }
                counted.push(interrupts() - before);
                asked.store(round, Ordering::Relaxed);
            }
        });
        // Now and then something else runs there.
        let reached = counted.iter().filter(|&&count| count > BARRIERS / 2);
        assert!(reached.count() > ROUNDS / 2, "{counted:?} of {BARRIERS}");
    }
}
