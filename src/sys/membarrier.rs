//! The heavy fence: `membarrier(2)`, which makes every CPU that runs a
//! registered process execute a full memory barrier.
//!
//! [membarrier(2)](https://man7.org/linux/man-pages/man2/membarrier.2.html)

#![allow(unsafe_code, reason = "raw system calls")]

use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;

use super::{fork, visit};
use crate::error::{Error, Result};

/// The fork generation in which this process was registered, plus one.
static REGISTERED: AtomicU32 = AtomicU32::new(0);

/// `int membarrier(int cmd, unsigned int flags, int cpu_id)`
fn membarrier(command: libc::c_int) -> Result<(), Errno> {
    // SAFETY: the call takes no pointers.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
    Errno::result(result).map(drop)
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
    let generation = fork::generation() + 1;
    // Relaxed: two threads that both register do no harm.
    if REGISTERED.load(Ordering::Relaxed) != generation {
        membarrier(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED)
            .map_err(|_| Error::FenceRefused)?;
        visit::every_cpu()?;
        REGISTERED.store(generation, Ordering::Relaxed);
    }
    // A sandbox may allow one command and not the other, and may have been entered
    // since the last pair: an endpoint that could never wait is refused now.
    global_expedited()
}

/// A full barrier on this CPU and on every CPU that runs a registered process.
///
/// # Errors
/// [`Error::FenceRefused`] if a sandbox that was entered later forbids it. The
/// caller must not go to sleep then.
pub(crate) fn global_expedited() -> Result<()> {
    membarrier(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED).map_err(|_| Error::FenceRefused)
}
