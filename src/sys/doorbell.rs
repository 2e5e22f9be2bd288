//! The doorbell: a connected pair of Unix sockets, one end for each endpoint.
//!
//! It carries a byte when the peer rings, and the kernel's hang-up when the last
//! descriptor of the other end is gone, however its process ended. The bytes
//! mean nothing; a flood of them wakes a poller for nothing and no more.

#![allow(unsafe_code, reason = "a descriptor that is replaced in its place")]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, getsockopt, recv, send, socketpair, sockopt,
};
use nix::sys::stat::fstat;

use super::eventfd::EventFd;
use crate::error::{Error, Result};

/// Reads of [`Doorbell::drain`]. A correct peer rings once for each arming, so one
/// suffices; a flood is left for the next time rather than followed without end.
const MOST_READS: usize = 4;

/// One end of the doorbell.
#[derive(Debug)]
pub(crate) struct Doorbell(OwnedFd);

impl Doorbell {
    /// The two ends of a new doorbell.
    ///
    /// # Errors
    /// Whatever `socketpair(2)` reports.
    pub(crate) fn pair() -> Result<(Self, Self)> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        socketpair(AddressFamily::Unix, SockType::Stream, None, flags)
            .map(|(a, b)| (Self(a), Self(b)))
            .map_err(|e| Error::os("socketpair", e))
    }

    /// Takes a descriptor that somebody sent as the end of a doorbell.
    ///
    /// # Errors
    /// [`Error::NotAnEndpoint`] if it is not a Unix stream socket.
    pub(crate) fn attach(fd: OwnedFd) -> Result<Self> {
        if is_unix_socket(fd.as_fd(), SockType::Stream) {
            Ok(Self(fd))
        } else {
            Err(Error::NotAnEndpoint)
        }
    }

    /// Makes the other end readable. Of no effect if the other end is gone, or
    /// has not looked at thousands of rings.
    pub(crate) fn ring(&self) {
        // Nothing to do about either: EPIPE is the hang-up, which is noticed
        // elsewhere, and EAGAIN means that the other end is readable.
        let _ = send(
            self.0.as_raw_fd(),
            &[1],
            MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
        );
    }

    /// Takes the rings so far, so that the descriptor can become readable anew.
    /// Says whether the other end has hung up.
    pub(crate) fn drain(&self) -> bool {
        self.take() || self.is_hung_up()
    }

    /// Takes the rings so far. Says whether a hang-up came to light; if there were rings, the next time
    /// shows it.
    pub(crate) fn take(&self) -> bool {
        let mut buf = [0; 1024];
        for _ in 0..MOST_READS {
            match recv(self.0.as_raw_fd(), &mut buf, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return true,
                Ok(n) if n == buf.len() => {}
                Err(Errno::EINTR) => {}
                // ECONNRESET: it hung up with our rings unread.
                Err(Errno::ECONNRESET) => return true,
                _ => break,
            }
        }
        false
    }

    /// What the kernel calls this end where it lists the sockets of a process; 0 if it does not say.
    pub(crate) fn inode(&self) -> u32 {
        // The kernel numbers sockets with 32 bits. Nothing but display depends on it.
        let inode = fstat(&self.0).map(|stat| u32::try_from(stat.st_ino));
        inode.ok().and_then(Result::ok).unwrap_or(0)
    }

    /// A descriptor that nothing ever happens to.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub(crate) fn inert() -> Result<OwnedFd> {
        EventFd::new().map(OwnedFd::from)
    }

    /// Another descriptor of this end.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub(crate) fn duplicate(&self) -> Result<OwnedFd> {
        self.0.try_clone().map_err(|e| Error::Os {
            call: "fcntl",
            errno: e.raw_os_error().unwrap_or(0),
        })
    }

    /// Puts another descriptor in the place of this end: an [inert](Self::inert) one, and to the
    /// kernel this end is closed, while whoever still holds it may go on using the number; or
    /// a [duplicate](Self::duplicate) from before.
    pub(crate) fn replace(&self, fd: OwnedFd) {
        // SAFETY: both numbers are open and owned here; the one that is replaced stays
        // open, and stays `self`'s, under the same number.
        let replaced = unsafe { libc::dup3(fd.as_raw_fd(), self.0.as_raw_fd(), libc::O_CLOEXEC) };
        // EBUSY cannot be: nobody is opening a number that is in use. EINTR comes after the
        // replacement.
        debug_assert!(replaced >= 0);
    }

    /// Whether the other end has hung up, asked of the kernel at this moment.
    pub(crate) fn is_hung_up(&self) -> bool {
        // An empty send sends nothing, and fails once nobody could receive. Not `poll`,
        // which a process with a limit of no descriptors is refused.
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        matches!(
            send(self.0.as_raw_fd(), &[], flags),
            Err(Errno::EPIPE | Errno::ECONNRESET | Errno::ENOTCONN)
        )
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether a descriptor is a Unix socket of this type.
pub(crate) fn is_unix_socket(fd: BorrowedFd<'_>, kind: SockType) -> bool {
    // The family stands in the socket's own address, even in an unnamed one.
    let domain = nix::sys::socket::getsockname::<nix::sys::socket::UnixAddr>(fd.as_raw_fd());
    domain.is_ok() && getsockopt(&fd, sockopt::SockType) == Ok(kind)
}

#[cfg(test)]
mod tests {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    fn is_readable(bell: &Doorbell) -> bool {
        let mut fds = [PollFd::new(bell.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO) == Ok(1)
    }

    #[test]
    fn ring_makes_the_other_end_readable_until_drained() {
        let (a, b) = Doorbell::pair().unwrap();
        assert!(!is_readable(&b));
        a.ring();
        a.ring();
        assert!(is_readable(&b) && !is_readable(&a));
        assert!(!b.drain());
        assert!(!is_readable(&b));
    }

    #[test]
    fn hang_up_shows_even_with_rings_unread() {
        let (a, b) = Doorbell::pair().unwrap();
        a.ring();
        b.ring();
        assert!(!b.is_hung_up());
        drop(a);
        assert!(b.is_hung_up());
        assert!(b.drain());
        assert!(b.take(), "and again");
        b.ring();
    }

    #[test]
    fn flood_of_rings_blocks_nobody() {
        let (a, b) = Doorbell::pair().unwrap();
        for _ in 0..100_000 {
            a.ring();
        }
        assert!(!b.drain());
    }

    #[test]
    fn other_descriptors_are_refused() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(
            Doorbell::attach(file.into()).unwrap_err(),
            Error::NotAnEndpoint
        );
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(
            Doorbell::attach(udp.into()).unwrap_err(),
            Error::NotAnEndpoint
        );
    }
}
