//! What the data travels through: two ways of ours, three of the kernel's.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command};

use anyhow::{Context, Result};
use clap::ValueEnum;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, getsockopt, setsockopt, socketpair, sockopt,
};
use serde::Serialize;
use zocket::{Builder, Datagram, Stream, process};

use super::args::Args;

/// Name under which the receiver inherits its end of a zocket.
const ENDPOINT: &str = "data";

/// What a seqpacket socket can be relied on to take in one piece: the limit is twice
/// `net.core.wmem_max`, which is 208 KiB unless it was lowered.
const MAX_SEQPACKET_RECORD: usize = 128 << 10;

/// A way from one process to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Transport {
    ZocketStream,
    ZocketDatagram,
    Pipe,
    UnixStream,
    UnixSeqpacket,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ZocketStream => "zocket stream",
            Self::ZocketDatagram => "zocket datagrams",
            Self::Pipe => "kernel pipe",
            Self::UnixStream => "AF_UNIX stream",
            Self::UnixSeqpacket => "AF_UNIX seqpacket",
        })
    }
}

/// A transport that is open: this process writes, and a child is to read.
pub(super) struct Channel {
    pub(super) writer: Box<dyn Write>,
    /// The end that reads, as a descriptor.
    pub(super) far: OwnedFd,
    /// How much it holds, as far as its maker tells. Of a socket of the kernel's this
    /// includes the kernel's own bookkeeping.
    pub(super) capacity: usize,
}

impl Transport {
    /// The zocket that a command line asks for.
    pub(super) fn ours(args: &Args) -> Self {
        match args.record() {
            None => Self::ZocketStream,
            Some(_) => Self::ZocketDatagram,
        }
    }

    /// The transports that a command line asks for; ours is the first.
    pub(super) fn to_run(args: &Args) -> Vec<Self> {
        let mut transports = vec![Self::ours(args)];
        if !args.no_compare {
            transports.extend([Self::Pipe, Self::UnixStream]);
            if args.record().is_some_and(|len| len <= MAX_SEQPACKET_RECORD) {
                transports.push(Self::UnixSeqpacket);
            }
        }
        transports
    }

    /// What the receiver's command line calls it.
    pub(super) fn argument(self) -> String {
        let value = self.to_possible_value().expect("none is skipped");
        value.get_name().to_owned()
    }

    pub(super) fn is_zocket(self) -> bool {
        matches!(self, Self::ZocketStream | Self::ZocketDatagram)
    }

    /// Whether what is written at once is read at once.
    pub(super) fn keeps_boundaries(self) -> bool {
        matches!(self, Self::ZocketDatagram | Self::UnixSeqpacket)
    }

    /// Opens the transport with room for `capacity` bytes, or as near as the kernel gets.
    pub(super) fn open(self, capacity: usize) -> Result<Channel> {
        match self {
            Self::ZocketStream => zocket_stream(capacity),
            Self::ZocketDatagram => zocket_datagram(capacity),
            Self::Pipe => pipe(capacity),
            Self::UnixStream => unix_socket(SockType::Stream, capacity),
            Self::UnixSeqpacket => unix_socket(SockType::SeqPacket, capacity),
        }
        .with_context(|| format!("cannot open a {self}"))
    }

    /// Starts `command` so that it can [`take`](Self::take) the end that reads.
    pub(super) fn spawn(self, mut command: Command, far: OwnedFd) -> io::Result<Child> {
        if self.is_zocket() {
            process::spawn(command, [(ENDPOINT, far)])
        } else {
            command.stdin(far).spawn()
        }
    }

    /// Takes the end that the parent has [passed](Self::spawn).
    pub(super) fn take(self) -> io::Result<Box<dyn Read>> {
        Ok(match self {
            Self::ZocketStream => Box::new(Stream::inherited(ENDPOINT)?),
            Self::ZocketDatagram => Box::new(Records(Datagram::inherited(ENDPOINT)?)),
            // Without the buffer that standard input has in std.
            _ => Box::new(File::from(io::stdin().as_fd().try_clone_to_owned()?)),
        })
    }
}

fn zocket_stream(capacity: usize) -> Result<Channel> {
    let (near, far) = Builder::new().capacity(capacity).stream_pair()?;
    Ok(Channel {
        capacity: near.info().capacity,
        writer: Box::new(near),
        far: far.into_fd()?,
    })
}

fn zocket_datagram(capacity: usize) -> Result<Channel> {
    let (near, far) = Builder::new().capacity(capacity).datagram_pair()?;
    Ok(Channel {
        capacity: near.info().capacity,
        writer: Box::new(Records(near)),
        far: far.into_fd()?,
    })
}

fn pipe(capacity: usize) -> Result<Channel> {
    let (far, near) = io::pipe()?;
    // Refused beyond the system's limit; then it is asked for less.
    let mut wanted = capacity;
    while fcntl(&near, FcntlArg::F_SETPIPE_SZ(wanted.try_into()?)).is_err() && wanted > 4096 {
        wanted /= 2;
    }
    Ok(Channel {
        capacity: fcntl(&near, FcntlArg::F_GETPIPE_SZ)?.try_into()?,
        writer: Box::new(near),
        far: far.into(),
    })
}

fn unix_socket(kind: SockType, capacity: usize) -> Result<Channel> {
    let (near, far) = socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC)?;
    // The kernel gives at most `net.core.wmem_max`, without an error, and doubles the value,
    // for its own use.
    setsockopt(&near, sockopt::SndBuf, &capacity)?;
    Ok(Channel {
        capacity: getsockopt(&near, sockopt::SndBuf)?,
        // As a file, for `read` and `write` on any kind of socket.
        writer: Box::new(File::from(near)),
        far,
    })
}

/// Datagrams as `Read` and `Write`: one with each call.
struct Records(Datagram);

impl Read for Records {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(self.0.recv(buf)?)
    }
}

impl Write for Records {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(self.0.send(buf)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
