//! Descriptors through Unix sockets, with `SCM_RIGHTS`.
//!
//! [unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html)

#![allow(unsafe_code, reason = "received descriptors begin as bare numbers")]

use std::io::IoSlice;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};

use crate::error::{Error, Result};

/// Room for at least this many descriptors is given to the kernel: more than any
/// of our messages has, so that a message with a few more can say how many.
const ROOM: usize = 8;

/// Sends `bytes` and `fds` as one message. With `MSG_DONTWAIT` among the flags it does not wait.
///
/// # Errors
/// Whatever `sendmsg(2)` reports.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
    flags: MsgFlags,
) -> Result<(), Errno> {
    let numbers: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    loop {
        match sendmsg::<UnixAddr>(
            socket.as_raw_fd(),
            &[IoSlice::new(bytes)],
            &rights,
            flags | MsgFlags::MSG_NOSIGNAL,
            None,
        ) {
            Err(Errno::EINTR) => {}
            // One message, or the single byte that we send on a stream: never a part.
            result => return result.map(drop),
        }
    }
}

/// A message as it arrived.
#[derive(Debug)]
pub(crate) struct Received {
    /// Bytes of the message, as many as fitted.
    pub(crate) len: usize,
    fds: Vec<OwnedFd>,
    /// The kernel had more descriptors than it could give us.
    truncated: bool,
}

impl Received {
    /// The descriptors, if they are exactly `N`. Otherwise all are closed.
    ///
    /// # Errors
    /// [`Error::DescriptorCount`].
    pub(crate) fn into_fds<const N: usize>(self) -> Result<[OwnedFd; N]> {
        let found = self.fds.len();
        let wrong = Error::DescriptorCount { expected: N, found };
        if self.truncated {
            return Err(wrong);
        }
        self.fds.try_into().map_err(|_| wrong)
    }
}

/// Receives a message into `bytes`; the descriptors that come with it close on exec.
///
/// Not nix's `recvmsg`: when a list of descriptors was cut off (more than fit, or
/// our table is full), that one does not show those that were installed, and they
/// would be lost. A peer could use up our table so.
///
/// # Errors
/// Whatever `recvmsg(2)` reports.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    flags: MsgFlags,
) -> Result<Received, Errno> {
    let mut control = Control([0; CONTROL]);
    let mut iov = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: a msghdr is plain integers and pointers, for which zero is valid.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut iov;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL;
    let flags = flags | MsgFlags::MSG_CMSG_CLOEXEC;
    let len = loop {
        // SAFETY: `message` describes `bytes` and `control`, which both outlive the call.
        let result = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags.bits()) };
        match Errno::result(result) {
            Err(Errno::EINTR) => {}
            result => break result? as usize,
        }
    };
    Ok(Received {
        len,
        // SAFETY: the kernel has just filled `message` and the buffers that it points to.
        fds: unsafe { take_fds(&message) },
        truncated: message.msg_flags & libc::MSG_CTRUNC != 0,
    })
}

/// Bytes for control messages: [`ROOM`] descriptors, and credentials in case
/// the receiver has asked for them on its socket.
const CONTROL: usize = 256;

/// A descriptor of the sender's process, which the kernel adds if the socket has
/// `SO_PASSPIDFD` set. An envelope's maker can have set it: closed at once, or each
/// claim would leave a descriptor behind. (Linux 6.5; `libc` does not have it.)
const SCM_PIDFD: libc::c_int = 4;

/// A buffer with the alignment of a control message.
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

const _: () = {
    assert!(mem::align_of::<libc::cmsghdr>() <= mem::align_of::<Control>());
    // SAFETY: computes a size from a size.
    let needed = unsafe { libc::CMSG_SPACE((ROOM * size_of::<RawFd>()) as u32) };
    assert!(needed as usize <= CONTROL);
};

/// Takes every descriptor that the kernel has installed for this message.
///
/// # Safety
/// `message` must be as `recvmsg` has just left it, and its buffers alive.
unsafe fn take_fds(message: &libc::msghdr) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    // SAFETY: the kernel wrote `msg_controllen` bytes of well-formed control
    // messages to `msg_control`, as the caller guarantees.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: null or a header inside the buffer, which is aligned for it.
    while let Some(control) = unsafe { header.as_ref() } {
        let socket_level = control.cmsg_level == libc::SOL_SOCKET;
        if socket_level && matches!(control.cmsg_type, libc::SCM_RIGHTS | SCM_PIDFD) {
            // SAFETY: as above; the data follows its header.
            let data = unsafe { libc::CMSG_DATA(control) }.cast::<RawFd>();
            // SAFETY: computes a size from a size.
            let before = unsafe { libc::CMSG_LEN(0) } as usize;
            let count = (control.cmsg_len - before) / size_of::<RawFd>();
            for i in 0..count {
                // SAFETY: `cmsg_len` says that `count` numbers follow.
                let number = unsafe { data.add(i).read_unaligned() };
                if number < 0 {
                    // Instead of a pidfd, for want of room in the table.
                    continue;
                }
                // SAFETY: the kernel has installed this descriptor for this call and
                // told nobody else its number.
                let fd = unsafe { OwnedFd::from_raw_fd(number) };
                if control.cmsg_type == libc::SCM_RIGHTS {
                    fds.push(fd);
                }
            }
        }
        // SAFETY: as for CMSG_FIRSTHDR.
        header = unsafe { libc::CMSG_NXTHDR(message, control) };
    }
    fds
}

/// Looks at the bytes of the next message and leaves it, descriptors included.
///
/// # Errors
/// Whatever `recv(2)` reports.
pub(crate) fn peek(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> Result<usize, Errno> {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
    loop {
        match nix::sys::socket::recv(socket.as_fd().as_raw_fd(), bytes, flags) {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn exchange(count: usize) -> Received {
        let (a, b) = UnixStream::pair().unwrap();
        let file = File::open("/dev/null").unwrap();
        let files = vec![file.as_fd(); count];
        send(a.as_fd(), &[7], &files, MsgFlags::empty()).unwrap();
        let mut byte = [0];
        let received = receive(b.as_fd(), &mut byte, MsgFlags::empty()).unwrap();
        assert_eq!((received.len, byte), (1, [7]));
        received
    }

    #[test]
    fn descriptors_arrive_and_close_on_exec() {
        let [fd] = exchange(1).into_fds().unwrap();
        let flags = nix::fcntl::fcntl(&fd, nix::fcntl::FcntlArg::F_GETFD).unwrap();
        assert_eq!(flags, libc::FD_CLOEXEC);
    }

    #[test]
    fn wrong_number_of_descriptors_is_refused_and_all_are_taken() {
        for (count, found) in [(0, 0), (1, 1), (3, 3)] {
            let error = exchange(count).into_fds::<2>().unwrap_err();
            assert_eq!(error, Error::DescriptorCount { expected: 2, found });
        }
        let received = exchange(200);
        assert!(received.truncated && received.fds.len() >= ROOM);
        assert!(received.into_fds::<2>().is_err());
    }
}
