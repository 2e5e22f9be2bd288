//! This project, in the ways in which it is used.

use std::hint;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::os::fd::OwnedFd;

use anyhow::Result;
use zocket::{Datagram, Error, Stream};

use crate::channel::{ANY_SIZE, Channel, Class, Name, Parcel, Transport, Waiting};

/// Payload bytes of a datagram, at most.
const CAPACITY: usize = 256 << 10;

const fn name(key: &'static str, title: &'static str, waiting: Waiting, most: usize) -> Name {
    Name {
        key,
        title,
        class: Class::Zocket,
        waiting,
        most,
    }
}

/// A transport whose ends are endpoints, used in one way.
macro_rules! transport {
    ($(#[$doc:meta])* $Name:ident, $Endpoint:ident, $pair:expr, $name:expr) => {
        $(#[$doc])*
        pub(crate) struct $Name(pub(crate) $Endpoint);

        impl Transport for $Name {
            type End = Self;
            const NAME: Name = $name;

            fn connect(parcel: &mut Parcel) -> Result<Self> {
                let (ours, theirs) = $pair?;
                parcel.put(OwnedFd::try_from(theirs)?);
                Ok(Self(ours))
            }

            fn accept(parcel: &mut Parcel) -> Result<Self> {
                Ok(Self($Endpoint::try_from(parcel.take()?)?))
            }
        }
    };
}

transport! {
    /// Calls that never wait, again and again.
    SpinningStream, Stream, Stream::pair(),
    name("zocket-stream-spin", "zocket stream, `try_` calls", Waiting::Spin, ANY_SIZE)
}

transport! {
    /// `Read` and `Write`.
    BlockingStream, Stream, Stream::pair(),
    name("zocket-stream-block", "zocket stream, blocking", Waiting::Block, ANY_SIZE)
}

transport! {
    /// Written in the ring itself.
    InPlaceStream, Stream, Stream::pair(),
    name("zocket-stream-in-place", "zocket stream, in place", Waiting::Block, ANY_SIZE)
}

transport! {
    /// Two buffers at once.
    VectoredStream, Stream, Stream::pair(),
    name("zocket-stream-vectored", "zocket stream, vectored", Waiting::Block, ANY_SIZE)
}

transport! {
    /// Calls that never wait, again and again.
    SpinningDatagram, Datagram, Datagram::pair(),
    name("zocket-datagram-spin", "zocket datagrams, `try_` calls", Waiting::Spin, CAPACITY)
}

transport! {
    /// Calls that wait.
    BlockingDatagram, Datagram, Datagram::pair(),
    name("zocket-datagram-block", "zocket datagrams, blocking", Waiting::Block, CAPACITY)
}

transport! {
    /// Written in the ring itself.
    InPlaceDatagram, Datagram, Datagram::pair(),
    name("zocket-datagram-in-place", "zocket datagrams, in place", Waiting::Block, CAPACITY)
}

/// Only what would have to wait is tried again.
#[cold]
#[inline(never)]
fn check(error: Error) {
    assert_eq!(error, Error::WouldBlock);
}

/// A call, again and again until it succeeds. No function: the compiler leaves a closure of this size
/// out of line, and knows no length in it.
macro_rules! again {
    ($call:expr) => {
        loop {
            match $call {
                Ok(value) => break value,
                Err(Error::WouldBlock) => hint::spin_loop(),
                Err(error) => check(error),
            }
        }
    };
}

impl Channel for SpinningStream {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        // All at once, by itself: the length is a constant where messages are small.
        let mut sent = again!(self.0.try_write(message));
        while sent < message.len() {
            sent += again!(self.0.try_write(&message[sent..]));
        }
    }

    #[inline(always)]
    fn receive(&mut self, buf: &mut [u8]) {
        let mut received = again!(self.0.try_read(buf));
        while received < buf.len() {
            let n = again!(self.0.try_read(&mut buf[received..]));
            assert!(n > 0, "the other side has ended");
            received += n;
        }
    }
}

impl Channel for BlockingStream {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        self.0.write_all(message).expect("the other side reads");
    }

    #[inline(always)]
    fn receive(&mut self, buf: &mut [u8]) {
        self.0.read_exact(buf).expect("the other side writes");
    }
}

/// Most bytes of a piece that is written in place: with larger ones the other side would find
/// nothing to do meanwhile.
const PIECE: usize = CAPACITY / 4;

impl InPlaceStream {
    /// Sends `len` bytes; `put` puts those of a piece where they go.
    #[inline(always)]
    fn send_in_place(
        &mut self,
        len: usize,
        mut put: impl FnMut(&mut zocket::Reservation<'_>, usize),
    ) {
        let mut at = 0;
        while at < len {
            let piece = PIECE.min(len - at);
            if let Ok(mut space) = self.0.try_reserve(piece) {
                put(&mut space, at);
                space.commit(piece);
                at += piece;
                continue;
            }
            self.0
                .wait_writable(piece, None)
                .expect("the other side reads");
        }
    }
}

impl Channel for InPlaceStream {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        self.send_in_place(message.len(), |space, at| {
            let len = space.len();
            space.write(0, &message[at..at + len]);
        });
    }

    #[inline(always)]
    fn make_and_send(&mut self, scratch: &mut [u8], byte: u8) {
        self.send_in_place(scratch.len(), |space, _| {
            for mut span in space.spans() {
                span.fill(byte);
            }
        });
    }

    #[inline(always)]
    fn receive(&mut self, buf: &mut [u8]) {
        let mut received = 0;
        while received < buf.len() {
            match self.0.try_chunk() {
                Ok(chunk) => {
                    let n = chunk.len().min(buf.len() - received);
                    chunk.read(0, &mut buf[received..received + n]);
                    chunk.consume(n);
                    received += n;
                }
                Err(error) => {
                    check(error);
                    self.0
                        .wait_readable(1, None)
                        .expect("the other side writes");
                }
            }
        }
    }
}

impl Channel for VectoredStream {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        let (head, body) = message.split_at(message.len() / 4);
        let mut slices = [IoSlice::new(head), IoSlice::new(body)];
        let mut slices = &mut slices[..];
        while !slices.is_empty() {
            let n = self.0.write_vectored(slices).expect("the other side reads");
            IoSlice::advance_slices(&mut slices, n);
        }
    }

    #[inline(always)]
    fn receive(&mut self, buf: &mut [u8]) {
        let (head, body) = buf.split_at_mut(buf.len() / 4);
        let mut slices = [IoSliceMut::new(head), IoSliceMut::new(body)];
        let mut slices = &mut slices[..];
        while !slices.is_empty() {
            let n = self.0.read_vectored(slices).expect("the other side writes");
            assert!(n > 0, "the other side has ended");
            IoSliceMut::advance_slices(&mut slices, n);
        }
    }
}

impl Channel for SpinningDatagram {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        again!(self.0.try_send(message));
    }

    #[inline(always)]
    fn receive(&mut self, buf: &mut [u8]) {
        let n = again!(self.0.try_recv(buf));
        assert_eq!(n, buf.len());
    }
}

impl Channel for BlockingDatagram {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        self.0.send(message).expect("the other side receives");
    }

    #[inline(always)]
    fn receive(&mut self, buf: &mut [u8]) {
        let n = self.0.recv(buf).expect("the other side sends");
        assert_eq!(n, buf.len());
    }
}

impl InPlaceDatagram {
    #[inline(always)]
    fn send_in_place(&mut self, len: usize, put: impl FnOnce(&mut zocket::Reservation<'_>)) {
        loop {
            if let Ok(mut space) = self.0.try_reserve(len) {
                put(&mut space);
                return space.commit(len);
            }
            self.0
                .wait_writable(len, None)
                .expect("the other side receives");
        }
    }
}

impl Channel for InPlaceDatagram {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        self.send_in_place(message.len(), |space| space.write(0, message));
    }

    #[inline(always)]
    fn make_and_send(&mut self, scratch: &mut [u8], byte: u8) {
        self.send_in_place(scratch.len(), |space| {
            for mut span in space.spans() {
                span.fill(byte);
            }
        });
    }

    #[inline(always)]
    fn receive(&mut self, buf: &mut [u8]) {
        loop {
            match self.0.try_chunk() {
                Ok(chunk) => {
                    assert_eq!(chunk.len(), buf.len());
                    chunk.read(0, buf);
                    return chunk.consume(buf.len());
                }
                Err(error) => {
                    check(error);
                    self.0.wait_readable(1, None).expect("the other side sends");
                }
            }
        }
    }
}
