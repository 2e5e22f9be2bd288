//! Datagrams.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::Runtime;
use super::bell::{Bell, Wait, Waiting};
use super::common::{common_calls, endpoint_calls, half_calls};
use crate::error::{Error, Result};
use crate::mem::Role;
use crate::signals::{Disposition, Signals};
use crate::wait::Limit;
use crate::{Builder, Info, ReadChunk, Reservation, ReuniteError};

/// One end of a bidirectional channel of datagrams through shared memory, for tasks.
///
/// A [`zocket::Datagram`](crate::Datagram) whose calls let other tasks run while they wait. While the peer is
/// awake and a datagram, or space, is there, they make no system call. There is no queue but the ring.
///
/// # Examples
/// ```
/// use zocket::tokio::Datagram;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (mut a, mut b) = Datagram::pair()?;
/// let sender = tokio::spawn(async move {
///     for message in ["each", "by itself"] {
///         a.send(message.as_bytes()).await?;
///     }
///     Ok::<(), std::io::Error>(())
/// });
///
/// let (mut buf, mut received) = ([0; 64], Vec::new());
/// loop {
///     match b.recv(&mut buf).await? {
///         0 => break, // The end.
///         len => received.push(buf[..len].to_vec()),
///     }
/// }
/// assert_eq!(received, [&b"each"[..], b"by itself"]);
/// # sender.await?
/// # }
/// ```
pub struct Datagram<R: Runtime> {
    recv: OwnedRecvHalf<R>,
    send: OwnedSendHalf<R>,
}

/// The receiving half of a [`Datagram`], for a task of its own.
///
/// Dropping it refuses all further sending by the peer, as nobody can receive it.
#[derive(Debug)]
pub struct OwnedRecvHalf<R: Runtime> {
    half: crate::OwnedRecvHalf,
    bell: Arc<Bell<R>>,
    wait: Option<Wait>,
}

/// The sending half of a [`Datagram`], for a task of its own.
///
/// Dropping it shuts sending down: the peer receives what was sent and then sees the end.
#[derive(Debug)]
pub struct OwnedSendHalf<R: Runtime> {
    half: crate::OwnedSendHalf,
    bell: Arc<Bell<R>>,
    wait: Option<Wait>,
}

endpoint_calls!(Datagram, recv: OwnedRecvHalf, send: OwnedSendHalf);
half_calls!(
    OwnedRecvHalf,
    Role::Consumer,
    Datagram,
    readable,
    poll_readable
);
half_calls!(
    OwnedSendHalf,
    Role::Producer,
    Datagram,
    writable,
    poll_writable
);

impl<R: Runtime> Datagram<R> {
    /// Makes a pair of connected endpoints with 256 KiB in each direction, both for this runtime.
    ///
    /// # Errors
    /// As [`Builder::datagram_pair`] and [`from_blocking`](Self::from_blocking).
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = Builder::new().datagram_pair()?;
        Ok((Self::from_blocking(a)?, Self::from_blocking(b)?))
    }

    /// Ends sending: the peer receives what was sent and then sees the end.
    ///
    /// # Errors
    /// [`Error::Forked`].
    pub fn shutdown_send(&self) -> Result<()> {
        self.send.half.shutdown(Shutdown::Write)
    }
}

/// Receiving.
impl<R: Runtime> Datagram<R> {
    /// Receives the first datagram into `buf`; what does not fit is dropped. 0 is the end.
    ///
    /// # Errors
    /// As [`zocket::Datagram::recv`](crate::Datagram::recv), but for `TimedOut`; or what the runtime reports.
    ///
    /// # Cancel safety
    /// May be dropped at any `await`: nothing was received then.
    pub async fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.recv.recv(buf).await
    }

    /// As [`zocket::Datagram::try_recv`](crate::Datagram::try_recv).
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn try_recv(&mut self, buf: &mut [u8]) -> Result<usize> {
        self.recv.half.try_recv(buf)
    }

    /// As [`zocket::Datagram::try_recv_vectored`](crate::Datagram::try_recv_vectored).
    ///
    /// # Errors
    /// The same.
    pub fn try_recv_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> Result<usize> {
        self.recv.half.try_recv_vectored(bufs)
    }

    /// As [`zocket::Datagram::try_peek`](crate::Datagram::try_peek).
    ///
    /// # Errors
    /// The same.
    pub fn try_peek(&mut self, buf: &mut [u8]) -> Result<usize> {
        self.recv.half.try_peek(buf)
    }

    /// As [`zocket::Datagram::try_next_len`](crate::Datagram::try_next_len).
    ///
    /// # Errors
    /// The same.
    pub fn try_next_len(&mut self) -> Result<usize> {
        self.recv.half.try_next_len()
    }

    /// As [`zocket::Datagram::try_chunk`](crate::Datagram::try_chunk).
    ///
    /// # Errors
    /// The same.
    pub fn try_chunk(&mut self) -> Result<ReadChunk<'_>> {
        self.recv.half.try_chunk()
    }
}

/// Sending.
impl<R: Runtime> Datagram<R> {
    /// Sends `buf` as one datagram, and waits for space for all of it. Returns its length.
    ///
    /// # Errors
    /// As [`zocket::Datagram::send`](crate::Datagram::send), but for `TimedOut`; or what the runtime reports.
    ///
    /// # Cancel safety
    /// May be dropped at any `await`: nothing was sent then.
    pub async fn send(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.send.send(buf).await
    }

    /// As [`zocket::Datagram::try_send`](crate::Datagram::try_send).
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn try_send(&mut self, buf: &[u8]) -> Result<usize> {
        self.send.half.try_send(buf)
    }

    /// As [`zocket::Datagram::try_send_vectored`](crate::Datagram::try_send_vectored).
    ///
    /// # Errors
    /// The same.
    pub fn try_send_vectored(&mut self, bufs: &[IoSlice<'_>]) -> Result<usize> {
        self.send.half.try_send_vectored(bufs)
    }

    /// As [`zocket::Datagram::try_reserve`](crate::Datagram::try_reserve).
    ///
    /// # Errors
    /// The same.
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_>> {
        self.send.half.try_reserve(len)
    }
}

/// Receiving.
impl<R: Runtime> OwnedRecvHalf<R> {
    /// Receives the first datagram into `buf`; what does not fit is dropped. 0 is the end.
    ///
    /// # Errors
    /// As [`zocket::Datagram::recv`](crate::Datagram::recv), but for `TimedOut`; or what the runtime reports.
    ///
    /// # Cancel safety
    /// May be dropped at any `await`: nothing was received then.
    pub async fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_recv(cx, buf)).await
    }

    /// Polls for a datagram, as [`recv`](Self::recv).
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.bell
            .poll(cx, &mut self.half, &mut self.wait, 1, Ok(0), |half| {
                half.try_recv(buf)
            })
    }

    /// As [`zocket::OwnedRecvHalf::try_recv`](crate::OwnedRecvHalf::try_recv).
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn try_recv(&mut self, buf: &mut [u8]) -> Result<usize> {
        self.half.try_recv(buf)
    }

    /// As [`zocket::OwnedRecvHalf::try_recv_vectored`](crate::OwnedRecvHalf::try_recv_vectored).
    ///
    /// # Errors
    /// The same.
    pub fn try_recv_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> Result<usize> {
        self.half.try_recv_vectored(bufs)
    }

    /// As [`zocket::OwnedRecvHalf::try_peek`](crate::OwnedRecvHalf::try_peek).
    ///
    /// # Errors
    /// The same.
    pub fn try_peek(&mut self, buf: &mut [u8]) -> Result<usize> {
        self.half.try_peek(buf)
    }

    /// As [`zocket::OwnedRecvHalf::try_next_len`](crate::OwnedRecvHalf::try_next_len).
    ///
    /// # Errors
    /// The same.
    pub fn try_next_len(&mut self) -> Result<usize> {
        self.half.try_next_len()
    }

    /// As [`zocket::OwnedRecvHalf::try_chunk`](crate::OwnedRecvHalf::try_chunk).
    ///
    /// # Errors
    /// The same.
    pub fn try_chunk(&mut self) -> Result<ReadChunk<'_>> {
        self.half.try_chunk()
    }
}

/// Sending.
impl<R: Runtime> OwnedSendHalf<R> {
    /// Sends `buf` as one datagram, and waits for space for all of it. Returns its length.
    ///
    /// # Errors
    /// As [`zocket::Datagram::send`](crate::Datagram::send), but for `TimedOut`; or what the runtime reports.
    ///
    /// # Cancel safety
    /// May be dropped at any `await`: nothing was sent then.
    pub async fn send(&mut self, buf: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_send(cx, buf)).await
    }

    /// Polls for space for a datagram and sends it, as [`send`](Self::send).
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.bell.poll(
            cx,
            &mut self.half,
            &mut self.wait,
            buf.len(),
            Err(Error::PeerClosed),
            |half| half.try_send(buf),
        )
    }

    /// As [`zocket::OwnedSendHalf::try_send`](crate::OwnedSendHalf::try_send).
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn try_send(&mut self, buf: &[u8]) -> Result<usize> {
        self.half.try_send(buf)
    }

    /// As [`zocket::OwnedSendHalf::try_send_vectored`](crate::OwnedSendHalf::try_send_vectored).
    ///
    /// # Errors
    /// The same.
    pub fn try_send_vectored(&mut self, bufs: &[IoSlice<'_>]) -> Result<usize> {
        self.half.try_send_vectored(bufs)
    }

    /// As [`zocket::OwnedSendHalf::try_reserve`](crate::OwnedSendHalf::try_reserve).
    ///
    /// # Errors
    /// The same.
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_>> {
        self.half.try_reserve(len)
    }
}
