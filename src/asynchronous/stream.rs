//! Byte streams.

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

/// One end of a bidirectional byte stream through shared memory, for tasks.
///
/// A [`zocket::Stream`](crate::Stream) whose calls let other tasks run while they wait. Reading and writing
/// are the traits of the runtime: `AsyncRead` and `AsyncWrite`, which also
/// shuts writing down. While the peer is awake and data, or space, is there,
/// they make no system call. There is no queue but the ring: a task that writes to a full one waits
/// until the peer has read a useful part of it.
///
/// # Cancel safety
/// A poll that is pending has read and written nothing, so `read` and `write` may be dropped at any
/// `await`. What is made of several of them, as `read_exact` and `write_all`, may have done a
/// part of its work then, as everywhere.
pub struct Stream<R: Runtime> {
    read: OwnedReadHalf<R>,
    write: OwnedWriteHalf<R>,
}

/// The reading half of a [`Stream`], for a task of its own.
///
/// Dropping it refuses all further writing by the peer, as nobody can read it.
#[derive(Debug)]
pub struct OwnedReadHalf<R: Runtime> {
    half: crate::OwnedReadHalf,
    bell: Arc<Bell<R>>,
    wait: Option<Wait>,
}

/// The writing half of a [`Stream`], for a task of its own.
///
/// Dropping it shuts writing down: the peer reads what was written and then sees the end.
#[derive(Debug)]
pub struct OwnedWriteHalf<R: Runtime> {
    half: crate::OwnedWriteHalf,
    bell: Arc<Bell<R>>,
    wait: Option<Wait>,
}

endpoint_calls!(Stream, read: OwnedReadHalf, write: OwnedWriteHalf);
half_calls!(
    OwnedReadHalf,
    Role::Consumer,
    Stream,
    readable,
    poll_readable
);
half_calls!(
    OwnedWriteHalf,
    Role::Producer,
    Stream,
    writable,
    poll_writable
);

impl<R: Runtime> Stream<R> {
    /// Makes a pair of connected endpoints with 256 KiB in each direction, both for this runtime.
    ///
    /// # Errors
    /// As [`Builder::stream_pair`] and [`from_blocking`](Self::from_blocking).
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = Builder::new().stream_pair()?;
        Ok((Self::from_blocking(a)?, Self::from_blocking(b)?))
    }
}

impl<R: Runtime> Stream<R> {
    pub(super) fn halves(&mut self) -> (&mut OwnedReadHalf<R>, &mut OwnedWriteHalf<R>) {
        (&mut self.read, &mut self.write)
    }
}

/// Reading.
impl<R: Runtime> Stream<R> {
    /// As [`zocket::Stream::try_read`](crate::Stream::try_read).
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn try_read(&mut self, buf: &mut [u8]) -> Result<usize> {
        self.read.half.try_read(buf)
    }

    /// As [`zocket::Stream::try_read_vectored`](crate::Stream::try_read_vectored).
    ///
    /// # Errors
    /// The same.
    pub fn try_read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> Result<usize> {
        self.read.half.try_read_vectored(bufs)
    }

    /// As [`zocket::Stream::try_peek`](crate::Stream::try_peek).
    ///
    /// # Errors
    /// The same.
    pub fn try_peek(&mut self, buf: &mut [u8]) -> Result<usize> {
        self.read.half.try_peek(buf)
    }

    /// As [`zocket::Stream::try_chunk`](crate::Stream::try_chunk).
    ///
    /// # Errors
    /// The same.
    pub fn try_chunk(&mut self) -> Result<ReadChunk<'_>> {
        self.read.half.try_chunk()
    }
}

/// Writing.
impl<R: Runtime> Stream<R> {
    /// As [`zocket::Stream::try_write`](crate::Stream::try_write).
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn try_write(&mut self, buf: &[u8]) -> Result<usize> {
        self.write.half.try_write(buf)
    }

    /// As [`zocket::Stream::try_write_vectored`](crate::Stream::try_write_vectored).
    ///
    /// # Errors
    /// The same.
    pub fn try_write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> Result<usize> {
        self.write.half.try_write_vectored(bufs)
    }

    /// As [`zocket::Stream::try_reserve`](crate::Stream::try_reserve).
    ///
    /// # Errors
    /// The same.
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_>> {
        self.write.half.try_reserve(len)
    }
}

/// Reading.
impl<R: Runtime> OwnedReadHalf<R> {
    /// As [`zocket::OwnedReadHalf::try_read`](crate::OwnedReadHalf::try_read).
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn try_read(&mut self, buf: &mut [u8]) -> Result<usize> {
        self.half.try_read(buf)
    }

    /// As [`zocket::OwnedReadHalf::try_read_vectored`](crate::OwnedReadHalf::try_read_vectored).
    ///
    /// # Errors
    /// The same.
    pub fn try_read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> Result<usize> {
        self.half.try_read_vectored(bufs)
    }

    /// As [`zocket::OwnedReadHalf::try_peek`](crate::OwnedReadHalf::try_peek).
    ///
    /// # Errors
    /// The same.
    pub fn try_peek(&mut self, buf: &mut [u8]) -> Result<usize> {
        self.half.try_peek(buf)
    }

    /// As [`zocket::OwnedReadHalf::try_chunk`](crate::OwnedReadHalf::try_chunk).
    ///
    /// # Errors
    /// The same.
    pub fn try_chunk(&mut self) -> Result<ReadChunk<'_>> {
        self.half.try_chunk()
    }

    /// Polls for bytes: as much as there is, as far as it fits. 0 is the end, and what an empty `buf` gets at once.
    #[inline]
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.bell
            .poll(cx, &mut self.half, &mut self.wait, 1, Ok(0), |half| {
                half.try_read(buf)
            })
    }

    #[cfg(feature = "async-io")]
    pub(super) fn poll_read_vectored(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.bell
            .poll(cx, &mut self.half, &mut self.wait, 1, Ok(0), |half| {
                half.try_read_vectored(bufs)
            })
    }
}

/// Writing.
impl<R: Runtime> OwnedWriteHalf<R> {
    /// As [`zocket::OwnedWriteHalf::try_write`](crate::OwnedWriteHalf::try_write).
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn try_write(&mut self, buf: &[u8]) -> Result<usize> {
        self.half.try_write(buf)
    }

    /// As [`zocket::OwnedWriteHalf::try_write_vectored`](crate::OwnedWriteHalf::try_write_vectored).
    ///
    /// # Errors
    /// The same.
    pub fn try_write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> Result<usize> {
        self.half.try_write_vectored(bufs)
    }

    /// As [`zocket::OwnedWriteHalf::try_reserve`](crate::OwnedWriteHalf::try_reserve).
    ///
    /// # Errors
    /// The same.
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_>> {
        self.half.try_reserve(len)
    }

    /// Polls for space: as much as there is, if it is a useful part.
    #[inline]
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.bell.poll(
            cx,
            &mut self.half,
            &mut self.wait,
            buf.len(),
            Err(Error::PeerClosed),
            |half| half.try_write(buf),
        )
    }

    pub(super) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let total = bufs
            .iter()
            .fold(0_usize, |sum, buf| sum.saturating_add(buf.len()));
        self.bell.poll(
            cx,
            &mut self.half,
            &mut self.wait,
            total,
            Err(Error::PeerClosed),
            |half| half.try_write_vectored(bufs),
        )
    }

    /// Shuts writing down.
    pub(super) fn shut_down(&self) -> io::Result<()> {
        Ok(self.half.shutdown(Shutdown::Write)?)
    }
}
