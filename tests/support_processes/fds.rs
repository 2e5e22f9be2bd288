//! Descriptors in messages over a Unix socket.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

/// Sends a descriptor, with a byte.
pub(crate) fn send_fd(socket: &UnixStream, fd: impl AsFd) {
    let number = [fd.as_fd().as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&number)];
    let byte = [IoSlice::new(b"d")];
    sendmsg::<()>(socket.as_raw_fd(), &byte, &rights, MsgFlags::empty(), None)
        .expect("the other end is there");
}

/// Receives what [`send_fd`] sent.
#[allow(unsafe_code, reason = "takes possession of a descriptor")]
pub(crate) fn receive_fd(socket: &UnixStream) -> OwnedFd {
    let mut space = nix::cmsg_space!([i32; 1]);
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags)
        .expect("the other end sends it");
    let mut controls = message.cmsgs().expect("there was space for it");
    match controls.next() {
        Some(ControlMessageOwned::ScmRights(fds)) if fds.len() == 1 => {
            // SAFETY: the kernel has just made this descriptor for this message, and
            // nobody else has seen it.
            unsafe { OwnedFd::from_raw_fd(fds[0]) }
        }
        other => panic!("one descriptor was expected, and this came: {other:?}"),
    }
}
