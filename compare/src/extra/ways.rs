//! Ways to use a transport that are not compared as transports.

use std::io::{Read, Write};
use std::os::unix::net;

use anyhow::{Result, bail, ensure};
use nix::sys::socket::{setsockopt, sockopt};
use zocket::{Packet, Port, Signals, Stream, Trigger};

use super::threshold::THRESHOLD;
use crate::channel::{ANY_SIZE, Channel, Class, Name, Parcel, Transport, Waiting};
use crate::worker;

/// The subcommand whose workers have these.
pub(super) const SUBCOMMAND: &str = "extra-worker";

/// What such a worker does.
pub(crate) fn serve(key: &str, connections: usize, parcel: Parcel) -> Result<()> {
    match key {
        ONE_AT_PORT => worker::serve::<AtPort<1>>(connections, parcel),
        MANY_AT_PORT => worker::serve::<AtPort<MANY>>(connections, parcel),
        ByThreshold::KEY => worker::serve::<ByThreshold>(connections, parcel),
        LowWater::KEY => worker::serve::<LowWater>(connections, parcel),
        _ => bail!("there is no way {key}"),
    }
}

const fn name(key: &'static str, title: &'static str, class: Class) -> Name {
    Name {
        key,
        title,
        class,
        waiting: Waiting::Block,
        most: ANY_SIZE,
    }
}

/// How many endpoints are waited for where it is not one.
pub(super) const MANY: usize = 64;

const ONE_AT_PORT: &str = "zocket-port-1";
const MANY_AT_PORT: &str = "zocket-port-64";

/// Endpoints that are waited for at one port. A message goes over each of them.
pub(super) struct AtPort<const COUNT: usize> {
    port: Port,
    streams: Vec<Stream>,
}

impl<const COUNT: usize> AtPort<COUNT> {
    fn new(streams: Vec<Stream>) -> Result<Self> {
        ensure!(streams.len() == COUNT, "{} endpoints", streams.len());
        let port = Port::new()?;
        Ok(Self { port, streams })
    }

    fn register(&self) -> zocket::Result<()> {
        let arrival = Signals::READABLE | Signals::PEER_CLOSED;
        let mut all = (0..).zip(&self.streams);
        all.try_for_each(|(key, end)| self.port.register(end, key, arrival, Trigger::Level))
    }
}

impl<const COUNT: usize> Transport for AtPort<COUNT> {
    type End = Self;
    const NAME: Name = name(
        if COUNT == 1 {
            ONE_AT_PORT
        } else {
            MANY_AT_PORT
        },
        "zocket port",
        Class::Zocket,
    );

    fn connect(parcel: &mut Parcel) -> Result<Self> {
        let mut streams = Vec::new();
        for _ in 0..COUNT {
            let (ours, theirs) = Stream::pair()?;
            parcel.put(theirs);
            streams.push(ours);
        }
        Self::new(streams)
    }

    fn accept(parcel: &mut Parcel) -> Result<Self> {
        let streams = (0..COUNT).map(|_| Ok(Stream::try_from(parcel.take()?)?));
        Self::new(streams.collect::<Result<_>>()?)
    }
}

impl<const COUNT: usize> Channel for AtPort<COUNT> {
    fn send(&mut self, message: &[u8]) {
        for stream in &mut self.streams {
            stream.write_all(message).expect("the other side reads");
        }
    }

    fn receive(&mut self, buf: &mut [u8]) {
        self.register().expect("endpoints can be registered");
        for _ in 0..COUNT {
            let packet = self
                .port
                .wait(None)
                .expect("nothing is wrong with the port");
            let Packet::Signals { key, .. } = packet else {
                unreachable!("nobody queues one by hand");
            };
            self.streams[key as usize]
                .read_exact(buf)
                .expect("the other side writes");
        }
    }
}

/// A stream whose reader waits until there is a threshold full.
pub(super) struct ByThreshold(Stream);

impl ByThreshold {
    const KEY: &str = "zocket-read-threshold";
}

impl Transport for ByThreshold {
    type End = Self;
    const NAME: Name = name(Self::KEY, "zocket READ_THRESHOLD", Class::Zocket);

    fn connect(parcel: &mut Parcel) -> Result<Self> {
        let (ours, theirs) = Stream::pair()?;
        parcel.put(theirs);
        Ok(Self(ours))
    }

    fn accept(parcel: &mut Parcel) -> Result<Self> {
        let stream = Stream::try_from(parcel.take()?)?;
        stream.set_read_threshold(THRESHOLD)?;
        Ok(Self(stream))
    }
}

impl Channel for ByThreshold {
    fn send(&mut self, message: &[u8]) {
        self.0.write_all(message).expect("the other side reads");
    }

    fn receive(&mut self, buf: &mut [u8]) {
        if self.0.read_threshold() > 0 {
            let enough = Signals::READ_THRESHOLD | Signals::PEER_CLOSED;
            self.0.wait(enough, None).expect("the other side writes");
        }
        self.0.read_exact(buf).expect("the other side writes");
    }
}

/// Bytes that must be there for a reader to be woken, if the kind of socket heeds it.
#[derive(Clone, Copy, Debug)]
struct RcvLowat;

nix::setsockopt_impl!(
    RcvLowat,
    libc::SOL_SOCKET,
    libc::SO_RCVLOWAT,
    usize,
    sockopt::SetUsize
);

/// A socket of the kernel's whose reader says that it wants so much at least.
pub(super) struct LowWater(net::UnixStream);

impl LowWater {
    const KEY: &str = "unix-stream-rcvlowat";
}

impl Transport for LowWater {
    type End = Self;
    const NAME: Name = name(Self::KEY, "unix-stream SO_RCVLOWAT", Class::Peer);

    fn connect(parcel: &mut Parcel) -> Result<Self> {
        let (ours, theirs) = net::UnixStream::pair()?;
        parcel.put(theirs);
        Ok(Self(ours))
    }

    fn accept(parcel: &mut Parcel) -> Result<Self> {
        let socket = net::UnixStream::from(parcel.take()?);
        setsockopt(&socket, RcvLowat, &THRESHOLD)?;
        Ok(Self(socket))
    }
}

impl Channel for LowWater {
    fn send(&mut self, message: &[u8]) {
        self.0.write_all(message).expect("the other side reads");
    }

    fn receive(&mut self, buf: &mut [u8]) {
        self.0.read_exact(buf).expect("the other side writes");
    }
}
