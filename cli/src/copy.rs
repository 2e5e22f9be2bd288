//! Copying between descriptors and endpoints: from a pipe into the ring, and out of it, without a buffer
//! in between.

use std::io::PipeReader;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::read;
use zocket::{Error, OwnedReadHalf, OwnedWriteHalf};

/// What is copied at once: as much as a pipe holds, as a rule.
const PIECE: usize = 64 << 10;

/// How what was to be written came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fed {
    /// All of it was written.
    All,
    /// Nobody reads it any more.
    Refused,
    /// There was nothing to write when it was to wait for that no longer.
    Stopped,
}

/// How what was to be read came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    /// All of it was passed on.
    All,
    /// Nobody reads it any more where it was to be passed on to.
    Refused,
}

/// Writes what can be read from a descriptor. If `stop` is given, waits for that no longer than until the other end
/// of this pipe is closed.
pub(crate) fn feed(
    writer: &mut OwnedWriteHalf,
    from: &impl AsFd,
    stop: Option<&PipeReader>,
) -> zocket::Result<Fed> {
    // Enough to be worth waking for.
    let some = writer.info().capacity.min(PIECE) / 4;
    loop {
        // Before anything is taken from it, so that what was is never lost by stopping.
        if let Some(stop) = stop
            && !is_readable_before(from, stop)?
        {
            return Ok(Fed::Stopped);
        }
        match writer.try_write_from_fd(from, PIECE) {
            Ok(0) => return Ok(Fed::All),
            Ok(_) => {}
            Err(Error::WouldBlock) => writer.wait_writable(some, None)?,
            // What waits there is not lost if it is only the end.
            Err(Error::PeerClosed | Error::WriteDisabled) if stop.is_some() && is_at_end(from) => {
                return Ok(Fed::All);
            }
            Err(Error::PeerClosed | Error::WriteDisabled) => return Ok(Fed::Refused),
            Err(error) if is_os(error, Errno::EAGAIN) => await_fd(from, PollFlags::POLLIN)?,
            Err(error) if is_os(error, Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes what can be read to a descriptor, until there is no more, or nobody reads it there.
pub(crate) fn drain(reader: &mut OwnedReadHalf, to: &impl AsFd) -> zocket::Result<Drained> {
    loop {
        match reader.try_read_to_fd(to, PIECE) {
            Ok(0) => return Ok(Drained::All),
            Ok(_) => {}
            Err(Error::WouldBlock) => reader.wait_readable(1, None)?,
            Err(error) if is_os(error, Errno::EPIPE) => return Ok(Drained::Refused),
            Err(error) if is_os(error, Errno::EAGAIN) => await_fd(to, PollFlags::POLLOUT)?,
            Err(error) if is_os(error, Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits until a descriptor has something to read, or its end; `false` if `stop` has its end first.
fn is_readable_before(fd: &impl AsFd, stop: &PipeReader) -> zocket::Result<bool> {
    let wanted = [fd.as_fd(), stop.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
    let [fd, _] = await_any(wanted)?;
    Ok(fd.any() == Some(true))
}

/// Whether there is nothing more to read from a descriptor, of which nobody will want what is read here.
fn is_at_end(fd: &impl AsFd) -> bool {
    read(fd, &mut [0]) == Ok(0)
}

/// Waits for a descriptor that does not wait by itself.
fn await_fd(fd: &impl AsFd, events: PollFlags) -> zocket::Result<()> {
    await_any([PollFd::new(fd.as_fd(), events)]).map(drop)
}

fn await_any<const N: usize>(mut fds: [PollFd<'_>; N]) -> zocket::Result<[PollFd<'_>; N]> {
    loop {
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => return Ok(fds),
            Err(Errno::EINTR) => {}
            Err(errno) => {
                return Err(Error::Os {
                    call: "poll",
                    errno: errno as i32,
                });
            }
        }
    }
}

fn is_os(error: Error, expected: Errno) -> bool {
    matches!(error, Error::Os { errno, .. } if errno == expected as i32)
}
