//! Endpoints as a peer sees them who goes below the interface: descriptors,
//! messages, and the shared memory itself.

#![allow(
    unsafe_code,
    reason = "received descriptors and words in a mapping, which the peer has too"
)]

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};

use memmap2::{MmapOptions, MmapRaw};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};
use zocket::protocol::{HEADER_SIZE, Header, Side, Word32, Word64};

/// What an envelope holds.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) message: Vec<u8>,
    pub(crate) memfd: OwnedFd,
    pub(crate) bell: OwnedFd,
}

impl Parts {
    /// Opens a genuine envelope by hand.
    pub(crate) fn of(envelope: impl Into<OwnedFd>) -> Self {
        let envelope = envelope.into();
        let mut message = vec![0; 100];
        let mut iov = [IoSliceMut::new(&mut message)];
        let mut space = nix::cmsg_space!([RawFd; 2]);
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let received =
            recvmsg::<()>(envelope.as_raw_fd(), &mut iov, Some(&mut space), flags).unwrap();
        let len = received.bytes;
        let fds: Vec<RawFd> = received
            .cmsgs()
            .unwrap()
            .flat_map(|control| match control {
                ControlMessageOwned::ScmRights(fds) => fds,
                other => panic!("{other:?} in an envelope"),
            })
            .collect();
        let [memfd, bell] = fds[..] else {
            panic!("{fds:?} in an envelope");
        };
        message.truncate(len);
        Self {
            message,
            // SAFETY: the kernel has just installed this descriptor for this call.
            memfd: unsafe { OwnedFd::from_raw_fd(memfd) },
            // SAFETY: as above.
            bell: unsafe { OwnedFd::from_raw_fd(bell) },
        }
    }

    /// The header in the memory.
    pub(crate) fn header(&self) -> Header {
        let mut bytes = [0; HEADER_SIZE];
        nix::sys::uio::pread(&self.memfd, &mut bytes, 0).unwrap();
        Header::parse(&bytes).unwrap()
    }

    /// Writes into the memory.
    pub(crate) fn poke(&self, offset: usize, bytes: &[u8]) {
        let n = nix::sys::uio::pwrite(&self.memfd, bytes, offset as i64).unwrap();
        assert_eq!(n, bytes.len());
    }
}

/// An envelope with any content, made as the crate makes them.
pub(crate) fn envelope(message: &[u8], fds: &[BorrowedFd<'_>]) -> OwnedFd {
    let (keep, send) = seqpacket_pair();
    post(&send, message, fds);
    keep
}

/// A pair of sockets of an envelope's type.
pub(crate) fn seqpacket_pair() -> (OwnedFd, OwnedFd) {
    socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .unwrap()
}

/// Sends a message with descriptors.
pub(crate) fn post(socket: &OwnedFd, message: &[u8], fds: &[BorrowedFd<'_>]) {
    let numbers: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let rights = if fds.is_empty() { &[][..] } else { &rights };
    let flags = MsgFlags::MSG_NOSIGNAL;
    let iov = [IoSlice::new(message)];
    let n = sendmsg::<()>(socket.as_raw_fd(), &iov, rights, flags, None).unwrap();
    assert_eq!(n, message.len());
}

/// The shared memory of a pair, mapped a second time: what a hostile peer has.
#[derive(Debug)]
pub(crate) struct Shared {
    map: MmapRaw,
    header: Header,
}

impl Shared {
    pub(crate) fn map(parts: &Parts) -> Self {
        let header = parts.header();
        let map = MmapOptions::new()
            .len(header.total_size())
            .map_raw(&parts.memfd)
            .unwrap();
        Self { map, header }
    }

    /// A word of the direction that `writer` writes.
    pub(crate) fn word64(&self, writer: Side, word: Word64) -> &AtomicU64 {
        let at = Header::direction_offset(writer) + word.offset();
        assert!(at.is_multiple_of(8) && at + 8 <= self.map.len());
        // SAFETY: the offset is 8-aligned and inside the mapping, by the assertion, and
        // the mapping lives as long as `self`. Everybody accesses it atomically.
        unsafe { AtomicU64::from_ptr(self.map.as_mut_ptr().add(at).cast()) }
    }

    /// A word of the direction that `writer` writes.
    pub(crate) fn word32(&self, writer: Side, word: Word32) -> &AtomicU32 {
        let at = Header::direction_offset(writer) + word.offset();
        assert!(at.is_multiple_of(4) && at + 4 <= self.map.len());
        // SAFETY: as for `word64`, with 4-aligned offsets.
        unsafe { AtomicU32::from_ptr(self.map.as_mut_ptr().add(at).cast()) }
    }

    /// The data area of the direction that `writer` writes.
    pub(crate) fn data(&self, writer: Side) -> &[AtomicU8] {
        let (at, len) = (self.header.area_offset(writer), self.header.area());
        assert!(at + len <= self.map.len());
        // SAFETY: the range is inside the mapping, by the assertion; bytes need no
        // alignment; nobody in this process makes plain references to them.
        unsafe { std::slice::from_raw_parts(self.map.as_mut_ptr().add(at).cast(), len) }
    }
}

/// Wakes whoever sleeps on the futex in `word`, as any peer can.
pub(crate) fn wake_futex(word: &AtomicU32) {
    // SAFETY: the kernel only looks up the address, which is valid.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
}

/// What of ours is open and mapped in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    /// Where each descriptor leads, by number.
    pub(crate) fds: Vec<(String, String)>,
    /// Mapped ranges of shared memory.
    pub(crate) maps: Vec<String>,
}

impl Open {
    /// Counts now.
    pub(crate) fn now() -> Self {
        let mut fds: Vec<_> = std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .map(|entry| entry.unwrap().path())
            // The descriptor that reads this directory is gone before it is looked at.
            .filter_map(|path| Some((path.clone(), std::fs::read_link(path).ok()?)))
            .map(|(path, link)| (path.display().to_string(), link.display().to_string()))
            .collect();
        fds.sort();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let maps = maps.lines().filter(|line| line.contains("memfd:"));
        Self {
            fds,
            maps: maps.map(str::to_owned).collect(),
        }
    }
}
