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
//! The child shares nothing with this process and makes one system call for each CPU and one to end; it is no
//! child that a program's own `wait` sees. Once per process; 0.3 ms and 50 us for each idle CPU. A large process pays
//! for a `fork`, too.

#![allow(unsafe_code, reason = "raw system calls, and a child that makes them")]

use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::error::{Error, Result};

/// How long the child may take, and for each CPU that there may be: a busy one has to be given up by others
/// first. It needs more only where a CPU is kept from all others, and then there is no way to tell what its
/// state is.
const MOST: [Duration; 2] = [Duration::from_secs(1), Duration::from_millis(50)];

/// The CPUs that a thread may run on, as many as any Linux may have.
type CpuSet = [usize; 8192 / usize::BITS as usize];

/// Has a child visit every CPU that this process may run on.
///
/// # Errors
/// [`Error::FenceRefused`] if there can be no child, or it does not get everywhere.
pub(crate) fn every_cpu() -> Result<()> {
    let (own, cpus) = own_cpus()?;
    let signals = block_signals();
    // SAFETY: with no flags this is a `fork` whose child reports to nobody. The child shares no memory,
    // and makes system calls only, as is allowed whatever other threads were doing.
    let child = unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) } as libc::pid_t;
    if child == 0 {
        visit(cpus);
    }
    restore_signals(&signals);
    match child {
        child if child > 0 => wait(child, &own, cpus),
        _ => Err(Error::FenceRefused),
    }
}

/// The CPUs that this thread may run on, and a number that every CPU's is less than: the kernel says how long
/// its sets are. (What `sysconf` says is a number of CPUs, and in some libraries that of this thread's.)
fn own_cpus() -> Result<(CpuSet, usize)> {
    let mut set = [0; _];
    // SAFETY: the kernel writes to the set what fits there.
    let bytes = unsafe {
        libc::syscall(
            libc::SYS_sched_getaffinity,
            0,
            size_of::<CpuSet>(),
            &raw mut set,
        )
    };
    match usize::try_from(bytes) {
        Ok(bytes) => Ok((set, 8 * bytes)),
        Err(_) => Err(Error::FenceRefused),
    }
}

/// Has a process, or this thread as 0, run on these CPUs only; says whether it may.
fn place(process: libc::pid_t, set: &CpuSet) -> bool {
    // SAFETY: the kernel reads a set of this size.
    let result = unsafe {
        libc::syscall(
            libc::SYS_sched_setaffinity,
            process,
            size_of::<CpuSet>(),
            set,
        )
    };
    result == 0
}

/// The child.
fn visit(cpus: usize) -> ! {
    let mut status = 0;
    for cpu in 0..cpus {
        let mut set: CpuSet = [0; _];
        set[cpu / usize::BITS as usize] = 1 << (cpu % usize::BITS as usize);
        // There is no such CPU, or this thread may not run there; anything else is a refusal.
        if !place(0, &set) && Errno::last() != Errno::EINVAL {
            status = 1;
        }
    }
    loop {
        // SAFETY: ends the child.
        unsafe { libc::syscall(libc::SYS_exit_group, status) };
    }
}

/// Waits for the child.
fn wait(child: libc::pid_t, own: &CpuSet, cpus: usize) -> Result<()> {
    let (start, most) = (Instant::now(), MOST[0] + MOST[1] * cpus as u32);
    loop {
        match look(child, libc::WNOHANG) {
            Ok(None) if start.elapsed() < most => std::thread::sleep(Duration::from_micros(50)),
            Ok(None) => return Err(give_up(child, own)),
            Ok(Some(status)) if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 => {
                return Ok(());
            }
            // Refused or killed; or somebody else has waited for it.
            _ => return Err(Error::FenceRefused),
        }
    }
}

/// The status that the child has ended with, if it has.
fn look(child: libc::pid_t, flags: libc::c_int) -> Result<Option<libc::c_int>, Errno> {
    let mut status = 0;
    loop {
        // SAFETY: the kernel writes an int. The child is ours and not yet waited for.
        let found = unsafe { libc::waitpid(child, &mut status, libc::__WALL | flags) };
        match Errno::result(found) {
            Err(Errno::EINTR) => {}
            result => return Ok((result? != 0).then_some(status)),
        }
    }
}

#[cold]
fn give_up(child: libc::pid_t, own: &CpuSet) -> Error {
    // To where somebody can run, as even a process that is killed has to for its end.
    place(child, own);
    // SAFETY: the child is ours and not yet waited for, so the number is nobody else's.
    unsafe { libc::kill(child, libc::SIGKILL) };
    let _ = look(child, 0);
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
