//! Copies that do not trust the pointer: the kernel makes them, and says if it cannot.
//!
//! `process_vm_readv(2)` and `process_vm_writev(2)` copy between two address spaces, checking
//! each page of the *remote* one instead of raising a signal. Both are this process here;
//! the caller's memory plays the remote part. A process may always do this to itself, unless
//! a system call filter forbids it (some container runtimes do) or the kernel was built
//! without. Then there is no safe copy, and every call that is given pointers is refused
//! with `ZX_ERR_NOT_SUPPORTED`: falling back to plain copies would quietly take away
//! what this build was chosen for.
//!
//! A copy takes two system calls: this one, and one for the number of the thread, which is not kept,
//! since after a fork it would be that of a thread in another process.
//!
//! Mapped device memory cannot be reached in this way and counts as a bad pointer.

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};

use engine::zx::{BadAddress, Result, Status};
use libc::{c_ulong, iovec, pid_t};

const UNKNOWN: u8 = 0;
const WORKS: u8 = 1;
const REFUSED: u8 = 2;

/// Whether the kernel copies for us. Relaxed: it stands for nothing but itself.
static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);

thread_local! {
    /// Why the last copy of this call failed, if not for its address.
    static FAILURE: Cell<Option<Status>> = const { Cell::new(None) };
}

/// Begins a call; at the first one finds out whether the kernel copies for us.
///
/// # Errors
/// `NOT_SUPPORTED` if it does not. Others if it failed to, this time.
#[inline]
pub(super) fn ready() -> Result {
    FAILURE.set(None);
    match STATE.load(Ordering::Relaxed) {
        WORKS => Ok(()),
        REFUSED => Err(Status::NOT_SUPPORTED),
        _ => probe(),
    }
}

#[cold]
fn probe() -> Result {
    let (source, mut copy) = (1_u8, 0_u8);
    // SAFETY: two bytes of our own.
    match unsafe { copy_in(&raw const source, &raw mut copy, 1) } {
        Ok(()) => {
            STATE.store(WORKS, Ordering::Relaxed);
            Ok(())
        }
        // Our own address is not bad.
        Err(BadAddress) => Err(explain(Status::NOT_SUPPORTED)),
    }
}

/// What a call reports that failed with this: why a copy of it failed, if that was not the
/// address.
pub(super) fn explain(status: Status) -> Status {
    FAILURE.get().unwrap_or(status)
}

/// Copies from the caller's memory to ours.
///
/// # Safety
/// `dst` must be writable for `n` bytes. `src` may be anything.
pub(super) unsafe fn copy_in(src: *const u8, dst: *mut u8, n: usize) -> Result<(), BadAddress> {
    // SAFETY: this function's own contract; `src` is only read.
    unsafe { transfer(libc::process_vm_readv, dst, src.cast_mut(), n) }
}

/// Copies from our memory to the caller's.
///
/// # Safety
/// `src` must be readable for `n` bytes. `dst` may be any memory that nobody but the caller
/// relies on.
pub(super) unsafe fn copy_out(src: *const u8, dst: *mut u8, n: usize) -> Result<(), BadAddress> {
    // SAFETY: this function's own contract; `src` is only read.
    unsafe { transfer(libc::process_vm_writev, src.cast_mut(), dst, n) }
}

type Copy =
    unsafe extern "C" fn(pid_t, *const iovec, c_ulong, *const iovec, c_ulong, c_ulong) -> isize;

/// Copies all `n` bytes, in as many steps as the kernel makes of it.
///
/// # Safety
/// That of `copy_in` or `copy_out`, whichever `copy` is.
unsafe fn transfer(copy: Copy, ours: *mut u8, theirs: *mut u8, n: usize) -> Result<(), BadAddress> {
    let mut done = 0;
    while done < n {
        let (ours, theirs) = (part(ours, done, n), part(theirs, done, n));
        // SAFETY: this function's own contract, for what is left of both.
        done += unsafe { step(copy, &ours, &theirs)? };
    }
    Ok(())
}

/// What is left of `n` bytes when some are done.
fn part(start: *mut u8, done: usize, n: usize) -> iovec {
    iovec {
        iov_base: start.wrapping_add(done).cast(),
        iov_len: n - done,
    }
}

/// Copies at least one byte.
///
/// # Safety
/// That of [`transfer`].
unsafe fn step(copy: Copy, ours: &iovec, theirs: &iovec) -> Result<usize, BadAddress> {
    // The thread, not the process: if its first thread has exited, the process's number
    // stands for something that has no memory any more.
    // SAFETY: asks for a number.
    let this_thread = unsafe { libc::gettid() };
    // SAFETY: both lists have one element. The kernel checks every address in them, so none can
    // be bad for us; that our side is right, and theirs no surprise, is the contract of
    // `copy_in` and `copy_out`.
    let copied = unsafe { copy(this_thread, ours, 1, theirs, 1, 0) };
    match usize::try_from(copied) {
        Ok(0) => Err(BadAddress),
        Ok(n) => Ok(n),
        Err(_) => Err(failed(&io::Error::last_os_error())),
    }
}

/// An address is bad if the kernel says so. It may also say that it does not copy for us (any
/// more), or that it cannot now, which the next call need not mind.
#[cold]
fn failed(error: &io::Error) -> BadAddress {
    FAILURE.set(match error.raw_os_error() {
        Some(libc::EFAULT) => None,
        Some(libc::EPERM | libc::EACCES | libc::ENOSYS) => {
            STATE.store(REFUSED, Ordering::Relaxed);
            Some(Status::NOT_SUPPORTED)
        }
        Some(libc::ENOMEM) => Some(Status::NO_MEMORY),
        _ => Some(Status::INTERNAL),
    });
    BadAddress
}
