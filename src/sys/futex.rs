//! The futex: `futex(2)` without the private flag where the word is shared
//! between processes, as a private wake-up would never reach the other one.

#![allow(unsafe_code, reason = "raw system calls")]

use std::ptr;
use std::sync::atomic::AtomicU32;

use nix::errno::Errno;

use super::deadline::Deadline;

/// How a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Woken, or for no reason.
    Woken,
    /// Not put to sleep, because the word had changed.
    Changed,
    /// The deadline passed.
    TimedOut,
}

/// Sleeps while `word` holds `expected`, until woken or `deadline`.
///
/// `long futex(uint32_t *uaddr, FUTEX_WAIT_BITSET, uint32_t val, const struct
/// timespec *timeout, NULL, FUTEX_BITSET_MATCH_ANY)`, with an absolute timeout
/// on the monotonic clock. A signal counts as a wake-up: the caller looks and
/// sleeps again. But whatever ended the sleep, a deadline that has passed has passed:
/// a peer that keeps changing the word must not keep the caller from noticing.
///
/// [futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html)
pub(crate) fn wait(word: &AtomicU32, expected: u32, deadline: Deadline) -> Wake {
    let timeout = deadline.timespec().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `word` is a valid, aligned u32 for the whole call, `timeout` is null
    // or points to a timespec that outlives the call; the kernel writes neither.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT_BITSET,
            expected,
            timeout,
            ptr::null::<u32>(),
            libc::FUTEX_BITSET_MATCH_ANY,
        )
    };
    match Errno::result(result) {
        Err(Errno::ETIMEDOUT) => Wake::TimedOut,
        // The kernel compares the word before it looks at the time.
        _ if deadline.has_passed() => Wake::TimedOut,
        Err(Errno::EAGAIN) => Wake::Changed,
        // Woken; EINTR. Nothing else can happen to a valid address and a valid time.
        _ => Wake::Woken,
    }
}

/// Sleeps while `word` holds `expected`, or for no reason less long. For a word of this process, which
/// only [`wake_all_private`] wakes: the kernel finds it without looking for the memory that it is in.
pub(crate) fn wait_private(word: &AtomicU32, expected: u32) {
    // SAFETY: `word` is a valid, aligned u32 for the whole call, and the kernel does not write it.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            expected,
            ptr::null::<libc::timespec>(),
        );
    }
}

/// Wakes every thread that sleeps in [`wait_private`] on `word`.
pub(crate) fn wake_all_private(word: &AtomicU32) {
    // SAFETY: `word` is valid and aligned; the kernel does not write it.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            i32::MAX,
        );
    }
}

/// Most words that [`wait_any`] takes.
pub(crate) const MOST: usize = 128;

/// `FUTEX2_SIZE_U32`.
const SIZE_U32: u32 = 2;

/// `struct futex_waitv`
#[repr(C)]
struct Waitv {
    val: u64,
    uaddr: u64,
    flags: u32,
    reserved: u32,
}

/// Sleeps while each word holds what is expected of it, until one is woken or `deadline`. At
/// most [`MOST`] words.
///
/// `long futex_waitv(struct futex_waitv *waiters, unsigned int nr_futexes, unsigned int
/// flags, struct timespec *timeout, clockid_t clockid)`, with an absolute timeout on the
/// monotonic clock. As for [`wait`], whatever ended the sleep, a deadline that has passed
/// has passed.
///
/// [futex_waitv(2)](https://docs.kernel.org/userspace-api/futex2.html)
///
/// # Errors
/// `ENOSYS` before Linux 5.16; what a sandbox says.
pub(crate) fn wait_any(words: &[(&AtomicU32, u32)], deadline: Deadline) -> Result<Wake, Errno> {
    let waiters: Vec<Waitv> = words
        .iter()
        .map(|(word, expected)| Waitv {
            val: u64::from(*expected),
            uaddr: word.as_ptr() as u64,
            flags: SIZE_U32,
            reserved: 0,
        })
        .collect();
    let timeout = deadline.timespec().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `waiters` and the words that it points to, and `timeout` unless null, are
    // valid for the whole call; the kernel writes none of them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex_waitv,
            waiters.as_ptr(),
            waiters.len(),
            0,
            timeout,
            libc::CLOCK_MONOTONIC,
        )
    };
    match Errno::result(result) {
        Err(Errno::ETIMEDOUT) => Ok(Wake::TimedOut),
        Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) if deadline.has_passed() => Ok(Wake::TimedOut),
        Err(Errno::EAGAIN) => Ok(Wake::Changed),
        Ok(_) | Err(Errno::EINTR) => Ok(Wake::Woken),
        Err(errno) => Err(errno),
    }
}

/// Wakes every thread of every process that sleeps on `word`.
///
/// `long futex(uint32_t *uaddr, FUTEX_WAKE, INT_MAX)`
///
/// [futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html)
pub(crate) fn wake_all(word: &AtomicU32) {
    // SAFETY: `word` is a valid, aligned u32; the kernel only looks up its address.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn wait_on_a_changed_word_returns_at_once() {
        assert_eq!(wait(&AtomicU32::new(1), 2, Deadline::NEVER), Wake::Changed);
    }

    #[test]
    fn wait_on_a_changed_word_past_the_deadline_has_timed_out() {
        let past = Deadline::after(Duration::ZERO);
        assert_eq!(wait(&AtomicU32::new(1), 2, past), Wake::TimedOut);
    }

    #[test]
    fn wait_for_any_ends_when_one_has_changed_or_at_its_deadline() {
        let words = [AtomicU32::new(1), AtomicU32::new(2)];
        let expect = |b| [(&words[0], 1), (&words[1], b)];
        let soon = Deadline::after(Duration::from_millis(5));
        for (expected, deadline, wake) in [
            (expect(3), Deadline::NEVER, Wake::Woken),
            (expect(2), soon, Wake::TimedOut),
            (expect(3), Deadline::after(Duration::ZERO), Wake::TimedOut),
        ] {
            match wait_any(&expected, deadline) {
                Ok(Wake::Changed) if wake == Wake::Woken => {}
                Ok(Wake::Woken) if wake == Wake::TimedOut => {} // a signal
                Ok(found) => assert_eq!(found, wake),
                Err(errno) => assert_eq!(errno, Errno::ENOSYS, "before Linux 5.16"),
            }
        }
    }

    #[test]
    fn wait_ends_at_its_deadline() {
        let timeout = Duration::from_millis(5);
        let start = std::time::Instant::now();
        let word = AtomicU32::new(1);
        let deadline = Deadline::after(timeout);
        while wait(&word, 1, deadline) != Wake::TimedOut {}
        assert!(start.elapsed() >= timeout);
    }
}
