//! Copying between descriptors and endpoints: from a pipe into the ring, and out of it, without a buffer
//! in between.

use std::os::fd::AsFd;

use nix::errno::Errno;
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
}

/// Writes what can be read from a descriptor.
pub(crate) fn feed(writer: &mut OwnedWriteHalf, from: &impl AsFd) -> zocket::Result<Fed> {
    // Enough to be worth waking for.
    let some = writer.info().capacity.min(PIECE) / 4;
    loop {
        match writer.try_write_from_fd(from, PIECE) {
            Ok(0) => return Ok(Fed::All),
            Ok(_) => {}
            Err(Error::WouldBlock) => writer.wait_writable(some, None)?,
            Err(Error::PeerClosed | Error::WriteDisabled) => return Ok(Fed::Refused),
            Err(error) if is_os(error, Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes what can be read to a descriptor, until there is no more, or nobody reads it there.
pub(crate) fn drain(reader: &mut OwnedReadHalf, to: &impl AsFd) -> zocket::Result<()> {
    loop {
        match reader.try_read_to_fd(to, PIECE) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(Error::WouldBlock) => reader.wait_readable(1, None)?,
            Err(error) if is_os(error, Errno::EPIPE) => return Ok(()),
            Err(error) if is_os(error, Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_os(error: Error, expected: Errno) -> bool {
    matches!(error, Error::Os { errno, .. } if errno == expected as i32)
}
