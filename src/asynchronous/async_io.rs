//! Endpoints for [async-io](https://docs.rs/async-io), the reactor of smol and others, with the traits of
//! [futures-io](https://docs.rs/futures-io).
//!
//! # Examples
//! ```
//! use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
//! use zocket::async_io::Stream;
//!
//! future::block_on(async {
//!     let (mut a, mut b) = Stream::pair()?;
//!     a.write_all(b"hello").await?;
//!     a.close().await?; // `b` sees the end of what `a` writes.
//!     let mut all = String::new();
//!     b.read_to_string(&mut all).await?;
//!     assert_eq!(all, "hello");
//!     Ok::<(), std::io::Error>(())
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```

use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::async_io::Async;
use futures_io::{AsyncRead, AsyncWrite};

use super::{Reactor, Watched};

/// One end of a bidirectional byte stream, for tasks.
pub type Stream = super::Stream<AsyncIo>;
/// The reading half of a [`Stream`].
pub type OwnedReadHalf = super::OwnedReadHalf<AsyncIo>;
/// The writing half of a [`Stream`].
pub type OwnedWriteHalf = super::OwnedWriteHalf<AsyncIo>;
/// One end of a bidirectional channel of datagrams, for tasks.
pub type Datagram = super::Datagram<AsyncIo>;
/// The receiving half of a [`Datagram`].
pub type OwnedRecvHalf = super::OwnedRecvHalf<AsyncIo>;
/// The sending half of a [`Datagram`].
pub type OwnedSendHalf = super::OwnedSendHalf<AsyncIo>;

/// A name that clients connect to, each of which gets one end of a new stream.
pub type StreamListener = super::Listener<crate::Stream, AsyncIo>;
/// A name that clients connect to, each of which gets one end of a new channel of datagrams.
pub type DatagramListener = super::Listener<crate::Datagram, AsyncIo>;

/// The reactor async-io.
#[derive(Debug)]
pub struct AsyncIo(Async<Watched>);

impl Reactor for AsyncIo {
    fn watch(watched: Watched) -> io::Result<Self> {
        // None of them blocks as it is.
        Async::new_nonblocking(watched).map(Self)
    }

    fn poll_readable(&self, cx: &mut Context<'_>, take: impl FnOnce()) -> Poll<io::Result<()>> {
        ready!(self.0.poll_readable(cx))?;
        take();
        Poll::Ready(Ok(()))
    }

    fn poll_in_turn<T>(
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        poll(cx)
    }
}

impl AsyncRead for OwnedReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match buf.is_empty() {
            true => Poll::Ready(Ok(0)),
            false => self.get_mut().poll_read(cx, buf),
        }
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        match bufs.iter().all(|buf| buf.is_empty()) {
            true => Poll::Ready(Ok(0)),
            false => self.get_mut().poll_read_vectored(cx, bufs),
        }
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

    /// Does nothing: a write is visible to the peer when it returns.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends writing: the peer reads what was written and then sees the end.
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shut_down())
    }
}

/// As for [`OwnedReadHalf`].
impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().halves().0).poll_read(cx, buf)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().halves().0).poll_read_vectored(cx, bufs)
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

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().halves().1).poll_close(cx)
    }
}
