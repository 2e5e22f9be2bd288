//! Endpoints for [tokio](https://docs.rs/tokio).
//!
//! To be made within a runtime whose I/O driver is on (`enable_io`), of either flavour. Reading and
//! writing take part in tokio's cooperative scheduling: a task whose peer always has something lets others
//! run now and then.
//!
//! # Examples
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use zocket::tokio::Stream;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let (mut a, mut b) = Stream::pair()?;
//! let echo = tokio::spawn(async move {
//!     let mut line = [0; 5];
//!     b.read_exact(&mut line).await?;
//!     b.write_all(&line).await
//! });
//! a.write_all(b"hello").await?;
//! a.shutdown().await?; // `b` sees the end of what `a` writes, and goes on writing.
//! let mut answer = String::new();
//! a.read_to_string(&mut answer).await?;
//! assert_eq!(answer, "hello");
//! echo.await?
//! # }
//! ```

#![allow(
    unsafe_code,
    reason = "tokio has to be promised that a descriptor stays open"
)]

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::io::unix::AsyncFd;
use ::tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use ::tokio::task::coop;

use super::{Reactor, Watched};

/// One end of a bidirectional byte stream, for tokio's tasks.
pub type Stream = super::Stream<Tokio>;
/// The reading half of a [`Stream`].
pub type OwnedReadHalf = super::OwnedReadHalf<Tokio>;
/// The writing half of a [`Stream`].
pub type OwnedWriteHalf = super::OwnedWriteHalf<Tokio>;
/// One end of a bidirectional channel of datagrams, for tokio's tasks.
pub type Datagram = super::Datagram<Tokio>;
/// The receiving half of a [`Datagram`].
pub type OwnedRecvHalf = super::OwnedRecvHalf<Tokio>;
/// The sending half of a [`Datagram`].
pub type OwnedSendHalf = super::OwnedSendHalf<Tokio>;

/// A name that clients connect to, each of which gets one end of a new stream.
pub type StreamListener = super::Listener<crate::Stream, Tokio>;
/// A name that clients connect to, each of which gets one end of a new channel of datagrams.
pub type DatagramListener = super::Listener<crate::Datagram, Tokio>;

/// The runtime tokio.
#[derive(Debug)]
pub struct Tokio(AsyncFd<Watched>);

impl AsRawFd for Watched {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Reactor for Tokio {
    fn watch(watched: Watched) -> io::Result<Self> {
        // SAFETY: a `Watched` keeps its descriptor open, and the same.
        let watched = unsafe { AsyncFd::register_with_interest(watched, Interest::READABLE) };
        Ok(Self(watched?))
    }

    fn poll_readable(&self, cx: &mut Context<'_>, take: impl FnOnce()) -> Poll<io::Result<()>> {
        let mut guard = ready!(self.0.poll_read_ready(cx))?;
        take();
        // What comes after that is an event of its own, which is not cleared. A hang-up never is.
        guard.clear_ready();
        Poll::Ready(Ok(()))
    }

    fn poll_in_turn<T>(
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let turn = ready!(coop::poll_proceed(cx));
        let result = poll(cx);
        if result.is_ready() {
            turn.made_progress();
        }
        result
    }
}

impl AsyncRead for OwnedReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let len = ready!(self.get_mut().poll_read(cx, buf.initialize_unfilled()))?;
        buf.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for OwnedWriteHalf {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: a write is visible to the peer when it returns.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends writing: the peer reads what was written and then sees the end.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shut_down())
    }
}

/// As for [`OwnedReadHalf`].
impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().halves().0).poll_read(cx, buf)
    }
}

/// As for [`OwnedWriteHalf`].
impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().halves().1).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().halves().1).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().halves().1).poll_shutdown(cx)
    }
}
