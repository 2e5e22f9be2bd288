//! Whole messages.

use std::fmt;
use std::io::{IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::half::{Half, Receiving, Sending, Want, end_is_zero};
use super::link::Link;
use super::{Builder, Info, ReadChunk, Readiness, Reservation, ReuniteError};
use crate::error::Result;
use crate::mem::Role;

/// One end of a bidirectional channel for messages through shared memory.
///
/// Like [`Stream`](crate::Stream), but what one [`send`](Self::send) queues is what
/// one [`recv`](Self::recv) takes. A datagram is queued whole or not at all, and
/// may be as large as the capacity. One that is larger than the buffer it is
/// received into is cut off, and the rest is dropped without notice; look with
/// [`next_len`](Self::next_len) first where that matters. Nothing is lost
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
    receiving: Option<Receiving>,
}

/// The sending half of a [`Datagram`], for a thread of its own.
///
/// Dropping it shuts sending down: the peer receives what was sent and then sees
/// the end.
#[derive(Debug)]
pub struct OwnedSendHalf {
    /// Taken only by `reunite`.
    sending: Option<Sending>,
}

impl fmt::Debug for Datagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Datagram").field(&self.info()).finish()
    }
}

/// Making, splitting, asking, setting.
impl Datagram {
    /// Makes a pair of connected endpoints with 256 KiB in each direction.
    ///
    /// # Errors
    /// As [`Builder::datagram_pair`].
    pub fn pair() -> Result<(Self, Self)> {
        Builder::new().datagram_pair()
    }

    pub(super) fn from_link(link: Arc<Link>) -> Result<Self> {
        Ok(Self {
            receiving: Half::new(Arc::clone(&link))?,
            sending: Half::new(link)?,
        })
    }

    pub(super) fn link(&self) -> &Arc<Link> {
        self.receiving.link()
    }

    /// Splits the endpoint into halves that may go to different threads.
    pub fn into_split(self) -> (OwnedRecvHalf, OwnedSendHalf) {
        (
            OwnedRecvHalf {
                receiving: Some(self.receiving),
            },
            OwnedSendHalf {
                sending: Some(self.sending),
            },
        )
    }

    /// The state of this endpoint.
    pub fn info(&self) -> Info {
        Info::new(self.link())
    }

    /// Shuts one direction or both down, for good; as
    /// [`Stream::shutdown`](crate::Stream::shutdown).
    ///
    /// # Errors
    /// [`Error::Forked`](crate::Error::Forked).
    pub fn shutdown(&self, how: Shutdown) -> Result<()> {
        self.link().shut_down(how)
    }

    /// Sets whether calls that would block fail with
    /// [`Error::WouldBlock`](crate::Error::WouldBlock) instead. Off at first.
    ///
    /// # Errors
    /// None; a result as std's sockets have it.
    pub fn set_nonblocking(&self, nonblocking: bool) -> Result<()> {
        self.link().settings.set_nonblocking(nonblocking);
        Ok(())
    }

    /// Sets how long a receive waits that has no deadline of its own; `None`, as at
    /// first, is without end.
    ///
    /// # Errors
    /// [`Error::ZeroTimeout`](crate::Error::ZeroTimeout).
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.link().settings.set_timeout(Role::Consumer, timeout)
    }

    /// Sets how long a send waits that has no deadline of its own.
    ///
    /// # Errors
    /// [`Error::ZeroTimeout`](crate::Error::ZeroTimeout).
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.link().settings.set_timeout(Role::Producer, timeout)
    }

    /// How long a receive waits that has no deadline of its own.
    pub fn read_timeout(&self) -> Option<Duration> {
        self.link().settings.timeout(Role::Consumer)
    }

    /// How long a send waits that has no deadline of its own.
    pub fn write_timeout(&self) -> Option<Duration> {
        self.link().settings.timeout(Role::Producer)
    }

    /// As [`Stream::set_busy_wait`](crate::Stream::set_busy_wait).
    pub fn set_busy_wait(&self, on: bool) {
        self.link().settings.set_busy_wait(on);
    }

    /// As [`Stream::acknowledge`](crate::Stream::acknowledge).
    pub fn acknowledge(&self) {
        self.link().acknowledge();
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
    /// [`Error::Forked`](crate::Error::Forked).
    #[inline]
    pub fn try_recv(&mut self, buf: &mut [u8]) -> Result<usize> {
        end_is_zero(self.receiving.attempt(|r| r.recv(buf)))
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
    pub fn next_len(&mut self) -> Result<usize> {
        next_len(&mut self.receiving)
    }

    /// Receives like [`try_recv`](Self::try_recv), but waits for a datagram, unless
    /// the endpoint is non-blocking.
    ///
    /// # Errors
    /// [`Error::TimedOut`](crate::Error::TimedOut) after the
    /// [read timeout](Self::set_read_timeout); as [`try_recv`](Self::try_recv) else.
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

    /// Waits until at least `least` bytes, of all datagrams together, are queued; as
    /// [`Stream::wait_readable`](crate::Stream::wait_readable).
    ///
    /// # Errors
    /// The same.
    pub fn wait_readable(&mut self, least: usize, deadline: Option<Instant>) -> Result<()> {
        self.receiving.wait(Want::All(least), deadline.into())
    }

    /// As [`Stream::arm_read`](crate::Stream::arm_read).
    ///
    /// # Errors
    /// The same.
    pub fn arm_read(&mut self, least: usize) -> Result<Readiness> {
        self.receiving.arm(least).map(Readiness::from_armed)
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

    /// Waits until at least `least` bytes are free; as
    /// [`Stream::wait_writable`](crate::Stream::wait_writable).
    ///
    /// # Errors
    /// The same.
    pub fn wait_writable(&mut self, least: usize, deadline: Option<Instant>) -> Result<()> {
        self.sending.wait(Want::All(least), deadline.into())
    }

    /// As [`Stream::arm_write`](crate::Stream::arm_write).
    ///
    /// # Errors
    /// The same.
    pub fn arm_write(&mut self, least: usize) -> Result<Readiness> {
        self.sending.arm(least).map(Readiness::from_armed)
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
    half.attempt(|w| w.send(buf)).map(|()| buf.len())
}

fn send(half: &mut Sending, buf: &[u8], deadline: Option<Instant>) -> Result<usize> {
    let deadline = |link: &Link| match deadline {
        None => Sending::usual_deadline(link),
        deadline => deadline.into(),
    };
    half.complete(deadline, Want::All(buf.len()), |w| w.send(buf))
        .map(|()| buf.len())
}

fn recv(half: &mut Receiving, buf: &mut [u8], deadline: Option<Instant>) -> Result<usize> {
    let deadline = |link: &Link| match deadline {
        None => Receiving::usual_deadline(link),
        deadline => deadline.into(),
    };
    end_is_zero(half.complete(deadline, Want::All(1), |r| r.recv(buf)))
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

impl OwnedRecvHalf {
    #[inline(always)]
    fn half(&mut self) -> &mut Receiving {
        self.receiving.as_mut().expect("taken by reunite alone")
    }

    fn link(&self) -> &Arc<Link> {
        let half = self.receiving.as_ref().expect("taken by reunite alone");
        half.link()
    }

    /// Puts the endpoint together again.
    ///
    /// # Errors
    /// [`ReuniteError`], with both halves, if they are not of the same endpoint.
    pub fn reunite(
        mut self,
        mut send: OwnedSendHalf,
    ) -> Result<Datagram, ReuniteError<Self, OwnedSendHalf>> {
        if !Arc::ptr_eq(self.link(), send.link()) {
            return Err(ReuniteError(self, send));
        }
        Ok(Datagram {
            receiving: self.receiving.take().expect("taken here alone"),
            sending: send.sending.take().expect("taken here alone"),
        })
    }

    /// The state of the endpoint.
    pub fn info(&self) -> Info {
        Info::new(self.link())
    }

    /// As [`Stream::acknowledge`](crate::Stream::acknowledge).
    pub fn acknowledge(&self) {
        self.link().acknowledge();
    }

    /// As [`Datagram::try_recv`].
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn try_recv(&mut self, buf: &mut [u8]) -> Result<usize> {
        end_is_zero(self.half().attempt(|r| r.recv(buf)))
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

    /// As [`Datagram::next_len`].
    ///
    /// # Errors
    /// The same.
    pub fn next_len(&mut self) -> Result<usize> {
        next_len(self.half())
    }

    /// As [`Datagram::recv`].
    ///
    /// # Errors
    /// The same.
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

    /// As [`Datagram::wait_readable`].
    ///
    /// # Errors
    /// The same.
    pub fn wait_readable(&mut self, least: usize, deadline: Option<Instant>) -> Result<()> {
        self.half().wait(Want::All(least), deadline.into())
    }

    /// As [`Datagram::arm_read`].
    ///
    /// # Errors
    /// The same.
    pub fn arm_read(&mut self, least: usize) -> Result<Readiness> {
        self.half().arm(least).map(Readiness::from_armed)
    }

    /// As [`Datagram::try_chunk`].
    ///
    /// # Errors
    /// The same.
    pub fn try_chunk(&mut self) -> Result<ReadChunk<'_>> {
        try_chunk(self.half())
    }
}

impl OwnedSendHalf {
    #[inline(always)]
    fn half(&mut self) -> &mut Sending {
        self.sending.as_mut().expect("taken by reunite alone")
    }

    fn link(&self) -> &Arc<Link> {
        let half = self.sending.as_ref().expect("taken by reunite alone");
        half.link()
    }

    /// Puts the endpoint together again.
    ///
    /// # Errors
    /// [`ReuniteError`], with both halves, if they are not of the same endpoint.
    pub fn reunite(
        self,
        recv: OwnedRecvHalf,
    ) -> Result<Datagram, ReuniteError<OwnedRecvHalf, Self>> {
        recv.reunite(self)
    }

    /// The state of the endpoint.
    pub fn info(&self) -> Info {
        Info::new(self.link())
    }

    /// As [`Stream::acknowledge`](crate::Stream::acknowledge).
    pub fn acknowledge(&self) {
        self.link().acknowledge();
    }

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

    /// As [`Datagram::wait_writable`].
    ///
    /// # Errors
    /// The same.
    pub fn wait_writable(&mut self, least: usize, deadline: Option<Instant>) -> Result<()> {
        self.half().wait(Want::All(least), deadline.into())
    }

    /// As [`Datagram::arm_write`].
    ///
    /// # Errors
    /// The same.
    pub fn arm_write(&mut self, least: usize) -> Result<Readiness> {
        self.half().arm(least).map(Readiness::from_armed)
    }

    /// As [`Datagram::try_reserve`].
    ///
    /// # Errors
    /// The same.
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_>> {
        try_reserve(self.half(), len)
    }
}

impl Drop for OwnedRecvHalf {
    fn drop(&mut self) {
        if let Some(half) = &self.receiving {
            half.shut_down();
        }
    }
}

impl Drop for OwnedSendHalf {
    fn drop(&mut self) {
        if let Some(half) = &self.sending {
            half.shut_down();
        }
    }
}

/// As for [`Stream`](crate::Stream).
impl AsFd for Datagram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link().doorbell().as_fd()
    }
}

/// As for [`Stream`](crate::Stream).
impl AsFd for OwnedRecvHalf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link().doorbell().as_fd()
    }
}

/// As for [`Stream`](crate::Stream).
impl AsFd for OwnedSendHalf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link().doorbell().as_fd()
    }
}
