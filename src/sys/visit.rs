//! A visit of every CPU by another process, so that a registration for `membarrier(2)` reaches them all.
//!
//! Linux keeps for each CPU what the process that it runs has registered for, and looks it up when it
//! switches to another address space. A CPU that has run this process before, and
//! has been idle since, still has its address space: when it runs the process again it looks nothing up,
//! and goes on taking it for one that has not registered. Barriers pass it by then, for as long as nothing
//! else runs there, and wake-ups are lost. Seen on Linux 6.18, with processes that are pinned: barriers took
//! 0.6 us where those that interrupt the other CPU take 15, and after two million round trips both
//! ends slept. So a child, which has an address space of its own, runs on each CPU for a moment.
//!
//! The child shares nothing with this process and makes three system calls; it is no child that a
//! program's own `wait` sees. Once per process; 0.3 ms and 50 us for each idle CPU. A large process pays
//! for a `fork`, too.

#![allow(unsafe_code, reason = "raw system calls, and a child that makes them")]

use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// How long the child may take. It needs more only where a CPU is kept from all others, and
/// then there is no way to tell what its state is.
const MOST: Duration = Duration::from_secs(1);

/// Has a child visit every CPU that this process may run on.
///
/// # Errors
/// [`Error::FenceRefused`] if there can be no child, or it does not get everywhere.
pub(crate) fn every_cpu() -> Result<()> {
    // SAFETY: asks for a number.
    let cpus = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) };
    let cpus = usize::try_from(cpus).map_or(1, |cpus| cpus.min(libc::CPU_SETSIZE as usize));
    let signals = block_signals();
    // SAFETY: with no flags this is a `fork` whose child reports to nobody. The child shares no memory,
    // and makes system calls only, as is allowed whatever other threads were doing.
    let child = unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) } as libc::pid_t;
    if child == 0 {
        visit(cpus);
    }
    restore_signals(&signals);
    match child {
        child if child > 0 => wait(child),
        _ => Err(Error::FenceRefused),
    }
}

/// The child.
fn visit(cpus: usize) -> ! {
    for cpu in 0..cpus {
        // SAFETY: all bits zero is an empty set, and `cpu` is less than `CPU_SETSIZE`.
        let set = unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(cpu, &mut set);
            set
        };
        // SAFETY: the kernel reads a set of this size. One that this process may not run on is refused,
        // and nobody of it was there.
        unsafe {
            libc::syscall(
                libc::SYS_sched_setaffinity,
                0,
                size_of_val(&set),
                &raw const set,
            )
        };
    }
    loop {
        // SAFETY: ends the child.
        unsafe { libc::syscall(libc::SYS_exit_group, 0) };
    }
}

/// Waits for the child.
fn wait(child: libc::pid_t) -> Result<()> {
    let start = Instant::now();
    loop {
        let mut status = 0;
        // SAFETY: the kernel writes an int. The child is ours and not yet waited for.
        let found = unsafe { libc::waitpid(child, &mut status, libc::__WALL | libc::WNOHANG) };
        match found {
            0 if start.elapsed() < MOST => std::thread::sleep(Duration::from_micros(50)),
            0 => return Err(give_up(child)),
            found if found == child && libc::WIFEXITED(status) => return Ok(()),
            // Killed; or gone, where a program has its children not waited for.
            _ => return Err(Error::FenceRefused),
        }
    }
}

#[cold]
fn give_up(child: libc::pid_t) -> Error {
    // SAFETY: the child is ours and not yet waited for, so the number is nobody else's.
    unsafe { libc::kill(child, libc::SIGKILL) };
    // SAFETY: no status is asked for.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), libc::__WALL) };
    Error::FenceRefused
}

/// No handler of the program's runs in the child.
fn block_signals() -> libc::sigset_t {
    let mut all = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: the first call makes a set of `all`, the second reads it and writes `before`; neither
    // can fail with these arguments.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        before.assume_init()
    }
}

fn restore_signals(before: &libc::sigset_t) {
    // SAFETY: reads a set that `pthread_sigmask` has written.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, std::ptr::null_mut()) };
}
