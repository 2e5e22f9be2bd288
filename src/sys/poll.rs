//! Waiting for one descriptor.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::SigSet;
use nix::sys::time::TimeSpec;

use super::deadline::Deadline;
use crate::error::{Error, Result};

/// Waits until `fd` is readable, or is at its end, or has an error to report.
///
/// # Errors
/// [`Error::TimedOut`], with a deadline in the past after one look; [`Error::Os`].
pub(crate) fn wait_readable(fd: BorrowedFd<'_>, deadline: Deadline) -> Result<()> {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    loop {
        let timeout = deadline.remaining().map(TimeSpec::from_duration);
        match ppoll(&mut fds, timeout, None::<SigSet>) {
            Ok(0) if deadline.has_passed() => return Err(Error::TimedOut),
            // Too early by less than the clock's grain, or a signal.
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(Error::os("ppoll", errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn waits_until_the_deadline_and_no_longer_than_for_data() {
        let (a, mut b) = UnixStream::pair().unwrap();
        let end = Instant::now() + Duration::from_millis(5);
        let timed_out = wait_readable(a.as_fd(), Deadline::from(Some(end)));
        assert_eq!(timed_out, Err(Error::TimedOut));
        assert!(Instant::now() >= end);
        let past = Deadline::after(Duration::ZERO);
        assert_eq!(wait_readable(a.as_fd(), past), Err(Error::TimedOut));
        b.write_all(b"x").unwrap();
        assert_eq!(wait_readable(a.as_fd(), Deadline::NEVER), Ok(()));
        assert_eq!(wait_readable(a.as_fd(), past), Ok(()));
    }
}
