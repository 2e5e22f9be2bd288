//! What the kernel has.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net;

use anyhow::Result;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, recv, send, setsockopt, socketpair, sockopt,
};

use crate::channel::{ANY_SIZE, Channel, Class, Name, Parcel, Transport, Waiting};

/// Bytes that a pipe is asked to hold, as many as a zocket stream does in one direction.
const CAPACITY: i32 = 256 << 10;

const fn name(key: &'static str, title: &'static str, most: usize) -> Name {
    Name {
        key,
        title,
        class: Class::Peer,
        waiting: Waiting::Block,
        most,
    }
}

/// Two pipes, one for each direction.
pub(crate) struct Pipe {
    reader: PipeReader,
    writer: PipeWriter,
}

fn pipe() -> Result<(PipeReader, PipeWriter)> {
    let pair = io::pipe()?;
    // What it has by itself is a quarter of that; refused, it stays so.
    let _ = nix::fcntl::fcntl(&pair.1, nix::fcntl::FcntlArg::F_SETPIPE_SZ(CAPACITY));
    Ok(pair)
}

impl Transport for Pipe {
    type End = Self;
    const NAME: Name = name("pipe", "kernel pipe", ANY_SIZE);

    fn connect(parcel: &mut Parcel) -> Result<Self> {
        let (their_reader, writer) = pipe()?;
        let (reader, their_writer) = pipe()?;
        parcel.put(their_reader);
        parcel.put(their_writer);
        Ok(Self { reader, writer })
    }

    fn accept(parcel: &mut Parcel) -> Result<Self> {
        Ok(Self {
            reader: parcel.take()?.into(),
            writer: parcel.take()?.into(),
        })
    }
}

impl Channel for Pipe {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        self.writer
            .write_all(message)
            .expect("the other side reads");
    }

    #[inline(always)]
    fn receive(&mut self, buf: &mut [u8]) {
        self.reader.read_exact(buf).expect("the other side writes");
    }
}

/// A pair of stream sockets.
pub(crate) struct UnixStream(net::UnixStream);

impl Transport for UnixStream {
    type End = Self;
    const NAME: Name = name("unix-stream", "AF_UNIX stream", ANY_SIZE);

    fn connect(parcel: &mut Parcel) -> Result<Self> {
        let (ours, theirs) = net::UnixStream::pair()?;
        for end in [&ours, &theirs] {
            setsockopt(end, sockopt::SndBuf, &(CAPACITY as usize))?;
        }
        parcel.put(theirs);
        Ok(Self(ours))
    }

    fn accept(parcel: &mut Parcel) -> Result<Self> {
        Ok(Self(parcel.take()?.into()))
    }
}

impl Channel for UnixStream {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        self.0.write_all(message).expect("the other side reads");
    }

    #[inline(always)]
    fn receive(&mut self, buf: &mut [u8]) {
        self.0.read_exact(buf).expect("the other side writes");
    }
}

/// A pair of sockets that keep messages apart.
pub(crate) struct UnixSeqpacket(OwnedFd);

/// Bytes of the largest message that such a socket takes with its buffers as they are.
const LARGEST_PACKET: usize = 128 << 10;

impl Transport for UnixSeqpacket {
    type End = Self;
    const NAME: Name = name("unix-seqpacket", "AF_UNIX seqpacket", LARGEST_PACKET);

    fn connect(parcel: &mut Parcel) -> Result<Self> {
        let (ours, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )?;
        for end in [&ours, &theirs] {
            setsockopt(end, sockopt::SndBuf, &(CAPACITY as usize))?;
        }
        parcel.put(theirs);
        Ok(Self(ours))
    }

    fn accept(parcel: &mut Parcel) -> Result<Self> {
        Ok(Self(parcel.take()?))
    }
}

impl Channel for UnixSeqpacket {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        let n = send(self.0.as_raw_fd(), message, MsgFlags::empty());
        assert_eq!(n, Ok(message.len()));
    }

    #[inline(always)]
    fn receive(&mut self, buf: &mut [u8]) {
        let n = recv(self.0.as_raw_fd(), buf, MsgFlags::empty());
        assert_eq!(n, Ok(buf.len()));
    }
}
