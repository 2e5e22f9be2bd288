//! `readv` and `writev` straight on shared memory: the kernel copies, and does not
//! mind if the peer writes meanwhile.

#![allow(unsafe_code, reason = "raw system calls on shared memory")]

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use crate::mem::{SharedSlice, SharedSliceMut};

/// Reads from `fd` into `spans`, one after the other.
///
/// `ssize_t readv(int fd, const struct iovec *iov, int iovcnt)`
///
/// # Errors
/// Whatever [readv(2)](https://man7.org/linux/man-pages/man2/readv.2.html) reports,
/// but `EINTR`.
pub(crate) fn read_into(
    fd: BorrowedFd<'_>,
    mut spans: [SharedSliceMut<'_>; 2],
) -> Result<usize, Errno> {
    let iov = spans.each_mut().map(|span| libc::iovec {
        iov_base: span.as_mut_ptr().cast(),
        iov_len: span.len(),
    });
    retry(|| {
        // SAFETY: each iovec describes writable shared memory that `spans` keeps lent
        // for the whole call; no Rust reference to those bytes exists.
        unsafe { libc::readv(fd.as_raw_fd(), iov.as_ptr(), 2) }
    })
}

/// Writes `spans`, one after the other, to `fd`.
///
/// `ssize_t writev(int fd, const struct iovec *iov, int iovcnt)`
///
/// # Errors
/// Whatever [writev(2)](https://man7.org/linux/man-pages/man2/writev.2.html) reports,
/// but `EINTR`.
pub(crate) fn write_from(fd: BorrowedFd<'_>, spans: [SharedSlice<'_>; 2]) -> Result<usize, Errno> {
    let iov = spans.map(|span| libc::iovec {
        iov_base: span.as_ptr().cast_mut().cast(),
        iov_len: span.len(),
    });
    retry(|| {
        // SAFETY: each iovec describes readable shared memory that `spans` keeps lent
        // for the whole call; `writev` does not write to it.
        unsafe { libc::writev(fd.as_raw_fd(), iov.as_ptr(), 2) }
    })
}

/// Repeats a call that a signal interrupted before it moved anything.
fn retry(mut call: impl FnMut() -> isize) -> Result<usize, Errno> {
    loop {
        match Errno::result(call()) {
            Err(Errno::EINTR) => {}
            result => return result.map(|n| n as usize),
        }
    }
}
