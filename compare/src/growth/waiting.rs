//! Ends that wait for one message beside many others, in different ways.

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
fn unix<C: Channel>(wrap: impl FnOnce(UnixStream) -> C) -> Result<Box<dyn Contestant>> {
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

/// An end that is waited for beside others.
struct Beside<E, R> {
    end: E,
    /// Waits, and then reads what is there without waiting again.
    read: R,
}

impl<E, R> Channel for Beside<E, R>
where
    E: Write + Send + 'static,
    R: FnMut(&mut E, &mut [u8]) -> usize + Send + 'static,
{
    fn send(&mut self, message: &[u8]) {
        self.end.write_all(message).expect("the other side reads");
    }

    fn receive(&mut self, buf: &mut [u8]) {
        let mut received = 0;
        while received < buf.len() {
            let n = (self.read)(&mut self.end, &mut buf[received..]);
            assert!(n > 0, "the other side has ended");
            received += n;
        }
    }
}

/// What was waited for, and so is there.
const SOMETHING: &str = "there is something to read";

/// Waits at a port: registers, takes the packet, reads.
pub(super) fn at_port(port: &Arc<Port>) -> Result<Box<dyn Contestant>> {
    let port = Arc::clone(port);
    let read = move |stream: &mut Stream, buf: &mut [u8]| {
        port.register(stream, BUSY, ARRIVAL, Trigger::Level)
            .expect("the first time there was no error either");
        let packet = port.wait(None).expect("nothing is wrong with the port");
        assert!(matches!(packet, Packet::Signals { key: BUSY, .. }));
        stream.try_read(buf).expect(SOMETHING)
    };
    zocket(|end| Beside { end, read })
}

/// Waits for many endpoints at once, each time anew.
pub(super) fn among_many(idle: Crowd<Stream>) -> Result<Box<dyn Contestant>> {
    let read = move |stream: &mut Stream, buf: &mut [u8]| {
        let busy = [&*stream];
        let mut items: Vec<_> = idle.ends().iter().chain(busy).map(item).collect();
        wait_many(&mut items, None).expect("somebody answers");
        assert!(items.last().is_some_and(WaitItem::is_met));
        stream.try_read(buf).expect(SOMETHING)
    };
    zocket(|end| Beside { end, read })
}

/// Waits for a message.
pub(super) fn item(end: &Stream) -> WaitItem<'_> {
    WaitItem::new(end, ARRIVAL)
}

/// Waits at an epoll.
pub(super) fn at_epoll(epoll: &Arc<Epoll>) -> Result<Box<dyn Contestant>> {
    let watch = Arc::clone(epoll);
    let read = move |socket: &mut UnixStream, buf: &mut [u8]| {
        let mut events = [EpollEvent::empty(); 16];
        assert_eq!(watch.wait(&mut events, EpollTimeout::NONE), Ok(1));
        assert_eq!(events[0].data(), BUSY);
        socket.read(buf).expect(SOMETHING)
    };
    unix(|end| {
        epoll
            .add(&end, EpollEvent::new(EpollFlags::EPOLLIN, BUSY))
            .expect("a socket can be watched");
        Beside { end, read }
    })
}

/// Polls many sockets at once, each time anew.
pub(super) fn by_poll(idle: Crowd<UnixStream>) -> Result<Box<dyn Contestant>> {
    let read = move |socket: &mut UnixStream, buf: &mut [u8]| {
        let all = idle.ends().iter().chain([&*socket]);
        let fds = all.map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN));
        let mut fds: Vec<_> = fds.collect();
        assert_eq!(poll(&mut fds, PollTimeout::NONE), Ok(1));
        assert_eq!(fds.last().and_then(PollFd::any), Some(true));
        socket.read(buf).expect(SOMETHING)
    };
    unix(|end| Beside { end, read })
}
