//! Both kinds of endpoints behind one face.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;

use zocket::{
    Builder, Datagram, Error, FenceMode, FencePolicy, Info, Kind, OwnedReadHalf, OwnedRecvHalf,
    OwnedSendHalf, OwnedWriteHalf, Packet, Port, Signals, Stream, Trigger, WaitItem, wait_many,
};

use super::observe::{Thread, until_blocked};
use super::pattern::{Checker, LONGEST, Source};

pub(crate) const KINDS: [Kind; 2] = [Kind::Stream, Kind::Datagram];
pub(crate) const FENCES: [FenceMode; 2] = [FenceMode::Asymmetric, FenceMode::Symmetric];

#[derive(Debug)]
pub(crate) enum Endpoint {
    Stream(Stream),
    Datagram(Datagram),
}

#[derive(Debug)]
pub(crate) enum ReadEnd {
    Stream(OwnedReadHalf),
    Datagram(OwnedRecvHalf),
}

#[derive(Debug)]
pub(crate) enum WriteEnd {
    Stream(OwnedWriteHalf),
    Datagram(OwnedSendHalf),
}

/// `$body` with `$x` being what is in any of the two variants.
macro_rules! either {
    ($type:ident, $value:expr, $x:ident => $body:expr) => {
        match $value {
            $type::Stream($x) => $body,
            $type::Datagram($x) => $body,
        }
    };
}

impl Endpoint {
    pub(crate) fn pair(
        kind: Kind,
        capacity: usize,
        fence: FenceMode,
    ) -> zocket::Result<(Self, Self)> {
        let builder = Builder::new()
            .capacity(capacity)
            .fence(FencePolicy::Exactly(fence));
        Ok(match kind {
            Kind::Stream => {
                let (a, b) = builder.stream_pair()?;
                (Self::Stream(a), Self::Stream(b))
            }
            Kind::Datagram => {
                let (a, b) = builder.datagram_pair()?;
                (Self::Datagram(a), Self::Datagram(b))
            }
        })
    }

    pub(crate) fn inherited(kind: Kind, name: &str) -> zocket::Result<Self> {
        Ok(match kind {
            Kind::Stream => Self::Stream(Stream::inherited(name)?),
            Kind::Datagram => Self::Datagram(Datagram::inherited(name)?),
        })
    }

    pub(crate) fn receive_from(kind: Kind, socket: &UnixStream) -> zocket::Result<Self> {
        Ok(match kind {
            Kind::Stream => Self::Stream(Stream::receive_from(socket)?),
            Kind::Datagram => Self::Datagram(Datagram::receive_from(socket)?),
        })
    }

    pub(crate) fn send_to(self, socket: &UnixStream) -> zocket::Result<()> {
        match self {
            Self::Stream(s) => s.send_to(socket).map_err(Error::from),
            Self::Datagram(d) => d.send_to(socket).map_err(Error::from),
        }
    }

    pub(crate) fn split(self) -> (ReadEnd, WriteEnd) {
        match self {
            Self::Stream(s) => {
                let (r, w) = s.into_split();
                (ReadEnd::Stream(r), WriteEnd::Stream(w))
            }
            Self::Datagram(d) => {
                let (r, w) = d.into_split();
                (ReadEnd::Datagram(r), WriteEnd::Datagram(w))
            }
        }
    }

    pub(crate) fn reunite(read: ReadEnd, write: WriteEnd) -> Self {
        match (read, write) {
            (ReadEnd::Stream(r), WriteEnd::Stream(w)) => {
                Self::Stream(r.reunite(w).expect("halves of one endpoint"))
            }
            (ReadEnd::Datagram(r), WriteEnd::Datagram(w)) => {
                Self::Datagram(r.reunite(w).expect("halves of one endpoint"))
            }
            _ => panic!("halves of different kinds"),
        }
    }

    pub(crate) fn info(&self) -> Info {
        either!(Self, self, x => x.info())
    }

    pub(crate) fn set_busy_wait(&self, on: bool) {
        either!(Self, self, x => x.set_busy_wait(on));
    }

    pub(crate) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stream(s) => s.read(buf),
            Self::Datagram(d) => Ok(d.recv(buf)?),
        }
    }

    pub(crate) fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stream(s) => s.write(buf),
            Self::Datagram(d) => Ok(d.send(buf)?),
        }
    }

    pub(crate) fn try_read(&mut self, buf: &mut [u8]) -> zocket::Result<usize> {
        match self {
            Self::Stream(s) => s.try_read(buf),
            Self::Datagram(d) => d.try_recv(buf),
        }
    }

    pub(crate) fn try_write(&mut self, buf: &[u8]) -> zocket::Result<usize> {
        match self {
            Self::Stream(s) => s.try_write(buf),
            Self::Datagram(d) => d.try_send(buf),
        }
    }

    pub(crate) fn wait_readable(&mut self, least: usize) -> zocket::Result<()> {
        either!(Self, self, x => x.wait_readable(least, None))
    }

    pub(crate) fn wait_writable(&mut self, least: usize) -> zocket::Result<()> {
        either!(Self, self, x => x.wait_writable(least, None))
    }

    pub(crate) fn signal(&self, clear: Signals, set: Signals) -> zocket::Result<()> {
        either!(Self, self, x => x.signal(clear, set))
    }

    pub(crate) fn signal_peer(&self, clear: Signals, set: Signals) -> zocket::Result<()> {
        either!(Self, self, x => x.signal_peer(clear, set))
    }

    /// Waits for any of `signals`: on one futex, on several, or (3) on a port.
    pub(crate) fn wait_for(&self, how: usize, signals: Signals, port: &Port) {
        match how {
            1 => {
                let met = either!(Self, self, x => x.wait(signals, None));
                assert!(met.expect("a wait").intersects(signals));
            }
            2 => {
                let never = Signals::empty();
                let mut items = either!(Self, self, x => {
                    [signals, never].map(|wanted| WaitItem::new(x, wanted))
                });
                wait_many(&mut items, None).expect("a wait");
                assert!(items[0].is_met());
            }
            _ => {
                let level = Trigger::Level;
                either!(Self, self, x => port.register(x, 1, signals, level)).expect("watched");
                let packet = port.wait(None).expect("a wait");
                assert!(
                    matches!(packet, Packet::Signals { key: 1, .. }),
                    "{packet:?}"
                );
            }
        }
    }

    /// Writes pieces of `source` until `total` bytes are sent in all.
    pub(crate) fn send_until(&mut self, source: &mut Source, total: u64) {
        while source.total() < total {
            let left = total - source.total();
            let piece = source.piece();
            let piece = &piece[..piece.len().min(left as usize)];
            let sent = self.write(piece).expect("the peer is there");
            source.sent(sent);
        }
    }
}

impl From<Endpoint> for OwnedFd {
    fn from(endpoint: Endpoint) -> Self {
        either!(Endpoint, endpoint, x => x.into())
    }
}

impl ReadEnd {
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stream(r) => r.read(buf),
            Self::Datagram(r) => Ok(r.recv(buf)?),
        }
    }

    /// Reads and checks until the end.
    pub(crate) fn check_to_end(&mut self, checker: &mut Checker) {
        let mut buf = vec![0; LONGEST];
        loop {
            match self.read(&mut buf).expect("reading goes on to the end") {
                0 => return,
                n => checker.take(&buf[..n]),
            }
        }
    }
}

impl WriteEnd {
    pub(crate) fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stream(w) => w.write(buf),
            Self::Datagram(w) => Ok(w.send(buf)?),
        }
    }

    /// Writes until the peer is gone.
    pub(crate) fn send_to_end(&mut self, source: &mut Source) {
        loop {
            match self.write(source.piece()) {
                Ok(n) => source.sent(n),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "{error}");
                    return;
                }
            }
        }
    }
}

/// A kind and a fence mode as numbers, to be told to a child.
pub(crate) fn kind_number(kind: Kind) -> u64 {
    KINDS.iter().position(|k| *k == kind).expect("one of two") as u64
}

pub(crate) fn kind_from(number: u64) -> Kind {
    KINDS[number as usize]
}

/// Has another thread sleep in a read, and wakes it: from then on the watcher of
/// this process knows the reader's endpoint.
pub(crate) fn sleep_and_wake(reader: &mut Stream, writer: &mut Stream) {
    let (announce, announced) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            announce.send(Thread::current()).expect("the test goes on");
            let mut buf = [0; 4];
            reader.read_exact(&mut buf).expect("the peer writes");
            assert_eq!(&buf, b"data");
        });
        until_blocked(announced.recv().expect("the reader begins"));
        writer.write_all(b"data").expect("the reader reads");
    });
}
