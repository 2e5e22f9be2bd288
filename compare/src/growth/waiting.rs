//! Ends that wait for one message beside many others, in different ways.

use std::fmt;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use anyhow::Result;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags, EpollTimeout};
use zocket::{Packet, Port, Signals, Stream, Trigger, WaitItem, wait_many};

use super::crowd::Crowd;
use crate::channel::{Channel, Parcel, Transport};
use crate::contestant::{Contestant, opposite};
use crate::transports::kernel;
use crate::transports::zocket::BlockingStream;

/// The key of the endpoint that is used; every other has another one.
const BUSY: u64 = 0;

/// What ends a wait for a message: that it is there, or that it will never be.
const ARRIVAL: Signals = Signals::READABLE.union(Signals::PEER_CLOSED);

/// A connection to the worker of the blocking stream, used here as `wrap` makes it.
pub(super) fn zocket<C: Channel>(wrap: impl FnOnce(Stream) -> C) -> Result<Box<dyn Contestant>> {
    let (ours, theirs) = Stream::pair()?;
    // Every wait is to be a sleep, as it is for those that poll.
    ours.set_busy_wait(false);
    let mut parcel = Parcel::default();
    parcel.put(theirs);
    opposite(BlockingStream::NAME, wrap(ours), parcel)
}

/// The same over the kernel's sockets.
pub(super) fn unix<C: Channel>(wrap: impl FnOnce(UnixStream) -> C) -> Result<Box<dyn Contestant>> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut parcel = Parcel::default();
    parcel.put(theirs);
    opposite(kernel::UnixStream::NAME, wrap(ours), parcel)
}

/// Registers an endpoint that stays idle.
pub(super) fn register_idle(port: &Port, end: &Stream) -> Result<()> {
    Ok(port.register(end, BUSY + 1, ARRIVAL, Trigger::Level)?)
}

/// Adds a socket that stays idle.
pub(super) fn add_idle(epoll: &Epoll, end: &UnixStream) -> Result<()> {
    Ok(epoll.add(end, EpollEvent::new(EpollFlags::EPOLLIN, BUSY + 1))?)
}

/// What was read after a wait that said that there is something.
fn some<E: fmt::Debug>(read: Result<usize, E>) -> usize {
    let n = read.expect("there is something to read");
    assert!(n > 0, "the other side has ended");
    n
}

/// Waits at a port: registers, takes the packet, reads.
pub(super) struct AtPort {
    pub(super) port: Arc<Port>,
    pub(super) stream: Stream,
}

impl Channel for AtPort {
    fn send(&mut self, message: &[u8]) {
        self.stream
            .write_all(message)
            .expect("the other side reads");
    }

    fn receive(&mut self, buf: &mut [u8]) {
        let Self { port, stream } = self;
        let mut received = 0;
        while received < buf.len() {
            port.register(stream, BUSY, ARRIVAL, Trigger::Level)
                .expect("the first time there was no error either");
            let packet = port.wait(None).expect("nothing is wrong with the port");
            assert!(matches!(packet, Packet::Signals { key: BUSY, .. }));
            let n = stream.try_read(&mut buf[received..]);
            received += some(n);
        }
    }
}

/// Waits for many endpoints at once, each time anew.
pub(super) struct AmongMany {
    pub(super) stream: Stream,
    pub(super) idle: Crowd<Stream>,
}

impl Channel for AmongMany {
    fn send(&mut self, message: &[u8]) {
        self.stream
            .write_all(message)
            .expect("the other side reads");
    }

    fn receive(&mut self, buf: &mut [u8]) {
        let mut received = 0;
        while received < buf.len() {
            let busy = [&self.stream];
            let mut items: Vec<_> = self.idle.ends().iter().chain(busy).map(item).collect();
            wait_many(&mut items, None).expect("somebody answers");
            assert!(items.last().is_some_and(WaitItem::is_met));
            let n = self.stream.try_read(&mut buf[received..]);
            received += some(n);
        }
    }
}

/// Waits for a message.
pub(super) fn item(end: &Stream) -> WaitItem<'_> {
    WaitItem::new(end, ARRIVAL)
}

/// Waits at an epoll.
pub(super) struct AtEpoll {
    epoll: Arc<Epoll>,
    socket: UnixStream,
}

impl AtEpoll {
    pub(super) fn new(epoll: Arc<Epoll>, socket: UnixStream) -> Self {
        epoll
            .add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, BUSY))
            .expect("a socket can be watched");
        Self { epoll, socket }
    }
}

impl Channel for AtEpoll {
    fn send(&mut self, message: &[u8]) {
        self.socket
            .write_all(message)
            .expect("the other side reads");
    }

    fn receive(&mut self, buf: &mut [u8]) {
        let mut received = 0;
        while received < buf.len() {
            let mut events = [EpollEvent::empty(); 16];
            let count = self.epoll.wait(&mut events, EpollTimeout::NONE);
            assert_eq!(count, Ok(1));
            assert_eq!(events[0].data(), BUSY);
            let n = self.socket.read(&mut buf[received..]);
            received += some(n);
        }
    }
}

/// Polls many sockets at once, each time anew.
pub(super) struct ByPoll {
    pub(super) socket: UnixStream,
    pub(super) idle: Crowd<UnixStream>,
}

impl Channel for ByPoll {
    fn send(&mut self, message: &[u8]) {
        self.socket
            .write_all(message)
            .expect("the other side reads");
    }

    fn receive(&mut self, buf: &mut [u8]) {
        let mut received = 0;
        while received < buf.len() {
            let all = self.idle.ends().iter().chain([&self.socket]);
            let fds = all.map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN));
            let mut fds: Vec<_> = fds.collect();
            assert_eq!(poll(&mut fds, PollTimeout::NONE), Ok(1));
            assert_eq!(fds.last().and_then(PollFd::any), Some(true));
            let n = self.socket.read(&mut buf[received..]);
            received += some(n);
        }
    }
}
