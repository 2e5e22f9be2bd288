//! Whole messages.

use std::fmt;
use std::io::{IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::common::{endpoint_calls, half_calls, setting_calls, split_calls};
use super::half::{Half, Receiving, Sending, Want, end_is_zero};
use super::link::Link;
use super::wait::{self, AsLink};
use super::{Builder, Info, ReadChunk, Readiness, Reservation, ReuniteError};
use crate::endpoint::Reader;
use crate::error::{Error, Result};
use crate::mem::Role;
use crate::observe::Subject;
use crate::signals::{Disposition, Signals};
#[cfg(feature = "_async")]
use crate::wait::Limit;

/// One end of a bidirectional channel for messages through shared memory.
///
/// Like [`Stream`](crate::Stream), but what one [`send`](Self::send) queues is what
/// one [`recv`](Self::recv) takes. A datagram is queued whole or not at all, and
/// may be as large as the capacity. One that is larger than the buffer it is
/// received into is cut off, and the rest is dropped without notice; look with
/// [`try_next_len`](Self::try_next_len) first where that matters. Nothing is lost
/// otherwise, reordered or doubled.
///
/// The capacity counts payload bytes alone: 262144 datagrams of one byte fit into
/// the default capacity. There are no empty datagrams: sending one succeeds and
/// queues nothing, so 0 from a `recv` means the end.
///
/// Like a Zircon socket in datagram mode (`ZX_SOCKET_DATAGRAM`).
///
/// # Examples
/// ```
/// use zocket::Datagram;
///
/// let (mut a, mut b) = Datagram::pair()?;
/// a.send(b"first")?;
/// a.send(b"second")?;
/// drop(a);
/// let mut buf = [0; 16];
/// assert_eq!(b.recv(&mut buf)?, 5);
/// assert_eq!(b.recv(&mut buf)?, 6);
/// assert_eq!(b.recv(&mut buf)?, 0);
/// # Ok::<(), zocket::Error>(())
/// ```
///
/// ```compile_fail,E0599
/// # let (a, _b) = zocket::Datagram::pair().unwrap();
/// let copy = a.clone();
/// ```
pub struct Datagram {
    receiving: Receiving,
    sending: Sending,
}

/// The receiving half of a [`Datagram`], for a thread of its own.
///
/// Dropping it refuses all further sending by the peer, as nobody can receive it.
#[derive(Debug)]
pub struct OwnedRecvHalf {
    /// Taken only by `reunite`.
    half: Option<Receiving>,
}

/// The sending half of a [`Datagram`], for a thread of its own.
///
/// Dropping it shuts sending down: the peer receives what was sent and then sees
/// the end.
#[derive(Debug)]
pub struct OwnedSendHalf {
    /// Taken only by `reunite`.
    half: Option<Sending>,
}

endpoint_calls!(Datagram);
half_calls!(OwnedRecvHalf, Receiving, Datagram, wait_readable, All);
half_calls!(OwnedSendHalf, Sending, Datagram, wait_writable, All);
split_calls!(Datagram, OwnedRecvHalf, OwnedSendHalf);

impl Datagram {
    /// Makes a pair of connected endpoints with 256 KiB in each direction.
    ///
    /// # Errors
    /// As [`Builder::datagram_pair`].
    pub fn pair() -> Result<(Self, Self)> {
        Builder::new().datagram_pair()
    }
}

/// Receiving.
impl Datagram {
    /// Receives the first datagram into `buf`, without waiting. Returns how many
    /// bytes were copied; what did not fit is dropped.
    ///
    /// Returns 0 at the end of the data; and for an empty `buf` if there is a
    /// datagram, which then stays queued. Like `zx_socket_read`.
    ///
    /// # Errors
    /// [`Error::WouldBlock`](crate::Error::WouldBlock) if nothing is queued;
    /// [`Error::Protocol`](crate::Error::Protocol);
    /// [`Error::FenceRefused`](crate::Error::FenceRefused) at an end made by a shutdown, in a sandbox that was
    /// entered later and refuses `membarrier(2)`; [`Error::Forked`](crate::Error::Forked).
    #[inline]
    pub fn try_recv(&mut self, buf: &mut [u8]) -> Result<usize> {
        try_recv(&mut self.receiving, buf)
    }

    /// Receives like [`try_recv`](Self::try_recv), into several buffers one after the
    /// other.
    ///
    /// # Errors
    /// As [`try_recv`](Self::try_recv).
    pub fn try_recv_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> Result<usize> {
        end_is_zero(self.receiving.attempt(|r| r.recv_vectored(bufs)))
    }

    /// Receives like [`try_recv`](Self::try_recv), but leaves the datagram queued.
    ///
    /// # Errors
    /// As [`try_recv`](Self::try_recv).
    pub fn try_peek(&mut self, buf: &mut [u8]) -> Result<usize> {
        end_is_zero(self.receiving.attempt(|r| r.peek_datagram(buf)))
    }

    /// The length of the first datagram; 0 at the end of the data.
    ///
    /// # Errors
    /// As [`try_recv`](Self::try_recv).
    pub fn try_next_len(&mut self) -> Result<usize> {
        next_len(&mut self.receiving)
    }

    /// Receives like [`try_recv`](Self::try_recv), but waits for a datagram, unless
    /// the endpoint is non-blocking.
    ///
    /// # Errors
    /// [`Error::TimedOut`](crate::Error::TimedOut) after the
    /// [read timeout](Self::set_read_timeout); as [`try_recv`](Self::try_recv) else.
    #[inline]
    pub fn recv(&mut self, buf: &mut [u8]) -> Result<usize> {
        recv(&mut self.receiving, buf, None)
    }

    /// Receives like [`recv`](Self::recv), but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_deadline(&mut self, buf: &mut [u8], deadline: Instant) -> Result<usize> {
        recv(&mut self.receiving, buf, Some(deadline))
    }

    /// Lends the first datagram, for reading in place.
    ///
    /// # Errors
    /// As [`Stream::try_chunk`](crate::Stream::try_chunk).
    pub fn try_chunk(&mut self) -> Result<ReadChunk<'_>> {
        try_chunk(&mut self.receiving)
    }
}

/// Sending.
impl Datagram {
    /// Queues `buf` as one datagram, without waiting. Returns its length. Like
    /// `zx_socket_write`.
    ///
    /// # Errors
    /// [`Error::PeerClosed`](crate::Error::PeerClosed);
    /// [`Error::WriteDisabled`](crate::Error::WriteDisabled) after a shutdown by
    /// either end; [`Error::WouldBlock`](crate::Error::WouldBlock) if it does not fit
    /// now; [`Error::TooLarge`](crate::Error::TooLarge) if it never will;
    /// [`Error::NoMemory`](crate::Error::NoMemory) if the system has none for a part of the ring that
    /// was never used (see [`Builder::reserve`](crate::Builder::reserve));
    /// [`Error::Protocol`](crate::Error::Protocol);
    /// [`Error::Forked`](crate::Error::Forked). Nothing was queued then.
    #[inline]
    pub fn try_send(&mut self, buf: &[u8]) -> Result<usize> {
        try_send(&mut self.sending, buf)
    }

    /// Queues `bufs`, one after the other, as one datagram.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send).
    pub fn try_send_vectored(&mut self, bufs: &[IoSlice<'_>]) -> Result<usize> {
        self.sending.attempt(|w| w.send_vectored(bufs))
    }

    /// Sends like [`try_send`](Self::try_send), but waits for space for the whole
    /// datagram, unless the endpoint is non-blocking.
    ///
    /// # Errors
    /// [`Error::TimedOut`](crate::Error::TimedOut) after the
    /// [write timeout](Self::set_write_timeout); as [`try_send`](Self::try_send) else.
    #[inline]
    pub fn send(&mut self, buf: &[u8]) -> Result<usize> {
        send(&mut self.sending, buf, None)
    }

    /// Sends like [`send`](Self::send), but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_deadline(&mut self, buf: &[u8], deadline: Instant) -> Result<usize> {
        send(&mut self.sending, buf, Some(deadline))
    }

    /// Reserves space for a datagram of up to `len` bytes, for writing in place.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send).
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_>> {
        try_reserve(&mut self.sending, len)
    }
}

// What the methods of `Datagram` and those of its halves share.

#[inline(always)]
fn try_send(half: &mut Sending, buf: &[u8]) -> Result<usize> {
    if half.is_unobserved() && half.end().send_at_once(buf) {
        return Ok(buf.len());
    }
    try_send_any(half, buf)
}

#[inline(never)]
fn try_send_any(half: &mut Sending, buf: &[u8]) -> Result<usize> {
    half.attempt(|w| w.send(buf)).map(|()| buf.len())
}

#[inline(always)]
fn try_recv(half: &mut Receiving, buf: &mut [u8]) -> Result<usize> {
    if !half.is_unobserved() {
        return try_recv_any(half, buf);
    }
    match half.end().recv_at_once(buf) {
        Some(len) => Ok(len),
        None => try_recv_after_a_look(half, buf),
    }
}

/// Out of line, so that the usual case needs few registers.
#[inline(never)]
fn try_recv_after_a_look(half: &mut Receiving, buf: &mut [u8]) -> Result<usize> {
    half.end().seen_short();
    if half.finds_nothing() {
        return Err(Error::WouldBlock);
    }
    try_recv_any(half, buf)
}

#[inline(never)]
fn try_recv_any(half: &mut Receiving, buf: &mut [u8]) -> Result<usize> {
    end_is_zero(half.attempt(|r| r.recv(buf)))
}

#[inline(always)]
fn send(half: &mut Sending, buf: &[u8], deadline: Option<Instant>) -> Result<usize> {
    if half.is_unobserved() && half.end().send_at_once(buf) {
        return Ok(buf.len());
    }
    send_any(half, buf, deadline)
}

#[inline(never)]
fn send_any(half: &mut Sending, buf: &[u8], deadline: Option<Instant>) -> Result<usize> {
    let deadline = |link: &Link| match deadline {
        None => Sending::usual_deadline(link),
        deadline => deadline.into(),
    };
    half.complete(deadline, Want::All(buf.len()), |w| w.send(buf))
        .map(|()| buf.len())
}

#[inline(always)]
fn recv(half: &mut Receiving, buf: &mut [u8], deadline: Option<Instant>) -> Result<usize> {
    if half.is_unobserved()
        && let Some(len) = half.end().recv_at_once(buf)
    {
        return Ok(len);
    }
    recv_any(half, buf, deadline)
}

#[inline(never)]
fn recv_any(half: &mut Receiving, buf: &mut [u8], deadline: Option<Instant>) -> Result<usize> {
    let deadline = |link: &Link| match deadline {
        None => Receiving::usual_deadline(link),
        deadline => deadline.into(),
    };
    end_is_zero(half.receive(buf, deadline, Reader::recv_cheaply, Reader::recv))
}

fn next_len(half: &mut Receiving) -> Result<usize> {
    end_is_zero(half.attempt(|r| r.first_datagram().map(|record| record.payload)))
}

fn try_chunk(half: &mut Receiving) -> Result<ReadChunk<'_>> {
    let record = half.attempt(|r| r.first_datagram())?;
    Ok(ReadChunk::datagram(half.end(), record))
}

fn try_reserve(half: &mut Sending, len: usize) -> Result<Reservation<'_>> {
    // The check goes through `attempt`, for what that does about errors.
    half.attempt(|w| w.check_space(len))?;
    half.end().begin(len, len).map(Reservation::datagram)
}

/// Receiving.
impl OwnedRecvHalf {
    /// As [`Datagram::try_recv`].
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn try_recv(&mut self, buf: &mut [u8]) -> Result<usize> {
        try_recv(self.half(), buf)
    }

    /// As [`Datagram::try_recv_vectored`].
    ///
    /// # Errors
    /// The same.
    pub fn try_recv_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> Result<usize> {
        end_is_zero(self.half().attempt(|r| r.recv_vectored(bufs)))
    }

    /// As [`Datagram::try_peek`].
    ///
    /// # Errors
    /// The same.
    pub fn try_peek(&mut self, buf: &mut [u8]) -> Result<usize> {
        end_is_zero(self.half().attempt(|r| r.peek_datagram(buf)))
    }

    /// As [`Datagram::try_next_len`].
    ///
    /// # Errors
    /// The same.
    pub fn try_next_len(&mut self) -> Result<usize> {
        next_len(self.half())
    }

    /// As [`Datagram::recv`].
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn recv(&mut self, buf: &mut [u8]) -> Result<usize> {
        recv(self.half(), buf, None)
    }

    /// As [`Datagram::recv_deadline`].
    ///
    /// # Errors
    /// The same.
    pub fn recv_deadline(&mut self, buf: &mut [u8], deadline: Instant) -> Result<usize> {
        recv(self.half(), buf, Some(deadline))
    }

    /// As [`Datagram::try_chunk`].
    ///
    /// # Errors
    /// The same.
    pub fn try_chunk(&mut self) -> Result<ReadChunk<'_>> {
        try_chunk(self.half())
    }
}

/// Sending.
impl OwnedSendHalf {
    /// As [`Datagram::try_send`].
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn try_send(&mut self, buf: &[u8]) -> Result<usize> {
        try_send(self.half(), buf)
    }

    /// As [`Datagram::try_send_vectored`].
    ///
    /// # Errors
    /// The same.
    pub fn try_send_vectored(&mut self, bufs: &[IoSlice<'_>]) -> Result<usize> {
        self.half().attempt(|w| w.send_vectored(bufs))
    }

    /// As [`Datagram::send`].
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn send(&mut self, buf: &[u8]) -> Result<usize> {
        send(self.half(), buf, None)
    }

    /// As [`Datagram::send_deadline`].
    ///
    /// # Errors
    /// The same.
    pub fn send_deadline(&mut self, buf: &[u8], deadline: Instant) -> Result<usize> {
        send(self.half(), buf, Some(deadline))
    }

    /// As [`Datagram::try_reserve`].
    ///
    /// # Errors
    /// The same.
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_>> {
        try_reserve(self.half(), len)
    }
}
